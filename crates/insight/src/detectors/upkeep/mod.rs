//! How tables are looked after: what VACUUM, ANALYZE and people left undone.

mod bloat;
mod horizon;
mod sequence_exhaustion;
mod stale_statistics;
mod vacuum_lag;
mod wraparound;

use super::Detector;

pub use bloat::{Bloat, BloatThresholds};
pub use sequence_exhaustion::{SequenceExhaustion, SequenceExhaustionThresholds};
pub use stale_statistics::{StaleStatistics, StaleStatisticsThresholds};
pub use vacuum_lag::{VacuumLag, VacuumLagThresholds};
pub use wraparound::{Wraparound, WraparoundThresholds};

/// The detectors of this folder.
pub(super) fn all() -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(Bloat),
        Box::new(SequenceExhaustion),
        Box::new(StaleStatistics),
        Box::new(VacuumLag),
        Box::new(Wraparound),
    ]
}
