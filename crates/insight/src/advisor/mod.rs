//! Index advice: which indexes might help a statement, what to ask of the planner about them, and
//! how to name them.

mod advice;
mod candidates;
mod definition;
mod demand;
mod expressions;
mod identifier;
mod questions;
mod scans;
mod search;
mod statistics;
mod workload_candidates;

use std::sync::Arc;
use std::time::Duration;

use model::{FingerprintId, Snapshot};
use sql::{Facts, ShapeRegistry};

use crate::settings::thresholds;

pub use advice::{
    Advice, AdviceSettings, Basis, DatabaseReading, Drop, Pick, PlanNow, WorkloadStatement, advise,
};
pub use candidates::candidates;
pub(crate) use candidates::{Proposal, proposals};
pub use definition::{build_and_undo, definition, is_built, makes_needless, target};
pub(crate) use definition::{drop_and_undo, is_partitioned};
pub(crate) use expressions::{is_immutable, is_indexed};
pub(crate) use identifier::{index_name, quoted};
pub use questions::questions;
pub(crate) use scans::{WholeScan, scanned_table, whole_scans};
pub use search::{Judged, Planner};
pub(crate) use statistics::index_bytes;

thresholds! {
    /// How often the server's planner is asked.
    PlanThresholds {
        /// Plans asked for at one tick; the server has other work to do.
        each_tick: Count = 10,
        /// A statement is not planned again before: plans change with the data, which is slow.
        again_after: Duration = Duration::from_secs(60),
        /// A statement whose plan failed is not planned again before: what failed once, fails again.
        again_after_failure: Duration = Duration::from_secs(600),
    }
}

/// What the parser found in the statement, where it could read it and the registry remembers it.
pub(crate) fn facts_of(
    fingerprint: FingerprintId,
    snapshot: &Snapshot,
    shapes: &ShapeRegistry,
) -> Option<Arc<Facts>> {
    let info = snapshot.shapes.get(&fingerprint)?;
    info.shapes.iter().find_map(|id| shapes.get(*id)?.facts().cloned())
}
