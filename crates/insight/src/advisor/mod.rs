//! Index advice: which indexes might help a statement, what to ask of the planner about them, and
//! how to name them.

mod candidates;
mod identifier;
mod questions;
mod statistics;

use std::sync::Arc;

use model::{FingerprintId, Snapshot};
use sql::{Facts, ShapeRegistry};

pub use candidates::candidates;
pub(crate) use candidates::{Proposal, proposals};
pub(crate) use identifier::{index_name, quoted};
pub use questions::questions;
pub(crate) use statistics::index_bytes;

/// What the parser found in the statement, where it could read it and the registry remembers it.
pub(crate) fn facts_of(
    fingerprint: FingerprintId,
    snapshot: &Snapshot,
    shapes: &ShapeRegistry,
) -> Option<Arc<Facts>> {
    let info = snapshot.shapes.get(&fingerprint)?;
    info.strict_ids.iter().find_map(|id| shapes.get(*id)?.facts().cloned())
}
