//! What pgweir tells the monitoring around it: metrics by HTTP, health, and spans and metrics by OTLP.
//!
//! Everything runs on one thread of its own, from what the analyser's thread has summed up: the data
//! path is asked for nothing.

mod answer;
mod collect;
mod error;
mod exposition;
mod families;
mod health;
mod live;
mod manual;
pub mod otlp;
mod scrape;
mod serve;
mod text;

pub use error::HttpError;
pub use families::{FAMILIES, Family, Kind};
pub use live::{BoxFuture, Filled, Live, ProcessStatus, Resources};
pub use manual::markdown;
pub use serve::{HttpSide, Listener};

#[cfg(test)]
mod tests;
