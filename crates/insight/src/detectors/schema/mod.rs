//! Indexes and keys: too many, broken ones, and those that are missing whatever is asked.

mod duplicate_index;
mod invalid_index;
mod missing_primary_key;
mod unindexed_foreign_key;
mod unused_index;

use super::Detector;

pub use duplicate_index::{DuplicateIndex, DuplicateIndexThresholds};
pub use invalid_index::InvalidIndex;
pub use missing_primary_key::{MissingPrimaryKey, MissingPrimaryKeyThresholds};
pub use unindexed_foreign_key::{UnindexedForeignKey, UnindexedForeignKeyThresholds};
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
