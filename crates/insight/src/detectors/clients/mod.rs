//! Client connections: how they come and go, and what they hold.

mod connect_failures;
mod connection_churn;
mod pinned_sessions;

use super::{Detector, Inputs, finding};

pub use connect_failures::{ConnectFailures, ConnectFailuresThresholds};
pub use connection_churn::{ConnectionChurn, ConnectionChurnThresholds};
pub use pinned_sessions::{PinnedSessions, PinnedSessionsThresholds};

/// The detectors of this folder.
pub(super) fn all() -> Vec<Box<dyn Detector>> {
    vec![Box::new(ConnectFailures), Box::new(ConnectionChurn), Box::new(PinnedSessions)]
}
