//! From events to findings: aggregator, detectors, index advice.
//!
//! One way: [`Aggregator::apply`] takes what the data path says, [`Aggregator::snapshot`] makes an
//! immutable picture at a tick, [`publish()`] shows it to every detector. What to ask of the
//! upstream's planner comes from [`advisor::questions`]; its answers come back in the catalogue
//! facts of a later tick.
//!
//! Pure: no sockets, no files, no clocks. Nothing here can fail: what cannot be checked is said in
//! the published tick.

pub mod advisor;
mod aggregator;
pub mod detectors;
mod plan_history;
mod proof;
mod publish;
mod settings;
mod tag_labels;
mod wording;
mod workload;

pub use aggregator::{Aggregator, AggregatorSettings, Watch, Watched, Watches};
pub use plan_history::{last_change, remember_plan};
pub use proof::Proof;
pub use publish::publish;
pub use settings::{
    DetectionSettings, DetectorThresholds, ThresholdKind, ThresholdReference, ThresholdValue,
};
pub use tag_labels::TagLabels;
pub use workload::{StatementTotals, Workload};

#[cfg(test)]
mod scene;
