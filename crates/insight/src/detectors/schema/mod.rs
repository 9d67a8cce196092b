//! Indexes and keys: too many, broken ones, and those that are missing whatever is asked.

mod duplicate_index;
mod invalid_index;
mod missing_primary_key;
mod unindexed_foreign_key;
mod unused_index;

use super::Detector;

pub use duplicate_index::{DuplicateIndex, DuplicateIndexThresholds};
pub(crate) use duplicate_index::{MOST_TIMES_LARGER, redundant};
pub use invalid_index::InvalidIndex;
pub(super) use invalid_index::repair;
pub use missing_primary_key::{MissingPrimaryKey, MissingPrimaryKeyThresholds};
pub use unindexed_foreign_key::{UnindexedForeignKey, UnindexedForeignKeyThresholds};
pub(crate) use unused_index::{Counting, is_unused};
pub use unused_index::{UnusedIndex, UnusedIndexThresholds};

/// The detectors of this folder.
pub(super) fn all() -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(DuplicateIndex),
        Box::new(InvalidIndex),
        Box::new(MissingPrimaryKey),
        Box::new(UnindexedForeignKey),
        Box::new(UnusedIndex),
    ]
}
