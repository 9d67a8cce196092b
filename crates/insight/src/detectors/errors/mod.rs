//! Errors: what times out, and what is tried again and again.

mod retry_storm;
mod statement_timeouts;

use super::{Detector, Inputs, finding};

pub use retry_storm::{RetryStorm, RetryStormThresholds};
pub use statement_timeouts::{StatementTimeouts, StatementTimeoutsThresholds};

/// The detectors of this folder.
pub(super) fn all() -> Vec<Box<dyn Detector>> {
    vec![Box::new(RetryStorm), Box::new(StatementTimeouts)]
}
