//! Results: how much is sent, and whether anybody takes it.

mod abandoned_result;
mod select_star;
mod slow_client;
mod unbounded_result;

use super::{Detector, Inputs, finding};

pub use abandoned_result::{AbandonedResult, AbandonedResultThresholds};
pub use select_star::{SelectStar, SelectStarThresholds};
pub use slow_client::{SlowClient, SlowClientThresholds};
pub use unbounded_result::{UnboundedResult, UnboundedResultThresholds};

/// The detectors of this folder.
pub(super) fn all() -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(AbandonedResult),
        Box::new(SelectStar),
        Box::new(SlowClient),
        Box::new(UnboundedResult),
    ]
}
