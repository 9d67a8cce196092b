//! The server as a whole: who waits for whom, its cache, checkpoints and replicas.

mod blocking_chain;
mod cache_hit_ratio;
mod replication_lag;
mod requested_checkpoints;

use super::Detector;

pub use blocking_chain::{BlockingChain, BlockingChainThresholds};
pub use cache_hit_ratio::{CacheHitRatio, CacheHitRatioThresholds};
pub use replication_lag::{ReplicationLag, ReplicationLagThresholds};
pub use requested_checkpoints::{RequestedCheckpoints, RequestedCheckpointsThresholds};

/// The detectors of this folder.
pub(super) fn all() -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(BlockingChain),
        Box::new(CacheHitRatio),
        Box::new(ReplicationLag),
        Box::new(RequestedCheckpoints),
    ]
}
