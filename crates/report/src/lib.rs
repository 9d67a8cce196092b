//! The report as data, and its renderers.
//!
//! [`Report::build`] makes one view of a published tick; everything under [`render`] turns that
//! view into text. No renderer looks at anything but the view, so that all formats agree.

mod build;
mod error;
pub mod render;
mod verdict;
mod view;

pub use build::{ProcessFacts, ReportOptions};
pub use error::ReportError;
pub use view::{
    CoverageReport, PoolReport, QueryReport, Remainder, Report, SCHEMA, TotalsReport, Window,
};

#[cfg(test)]
mod example;
