//! The report as data, and its renderers.
//!
//! [`Report::build`] makes one view of a published tick; everything under [`render`] turns that
//! view into text. No renderer looks at anything but the view, so that all formats agree.

mod build;
mod error;
mod numbers;
mod options;
pub mod render;
mod verdict;
mod view;

pub use build::{ProcessFacts, plans};
pub use error::ReportError;
pub use options::{FingerprintPrefix, Moment, ReportOptions, Sort, Tag, parse_duration};
pub use view::{
    Bucket, Change, ChangeSign, ConnectionsReport, CoverageReport, HealthReport, Pace, PlanReport,
    PoolReport, QueryReport, Remainder, Report, SCHEMA, SampleReport, SampleValue, Selection,
    TagReport, TotalsReport, TransactionsReport, TrendPoint, Window, WindowComparison,
};

#[cfg(test)]
mod example;
