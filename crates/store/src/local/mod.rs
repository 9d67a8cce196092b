//! History in SQLite: a file of this machine, or memory where none can be written.

mod bounds;
mod conclusions;
mod dictionary;
mod open;
mod outbox;
mod read;
mod roll_up;
mod schema;
mod write;

use std::fs::File;
use std::path::PathBuf;

use jiff::Timestamp;
use rusqlite::Connection;

pub use bounds::Bounds;
pub use conclusions::PlanHistory;
pub(crate) use conclusions::mark_kind;
pub(crate) use outbox::{Parcel, ParcelRun};
pub use read::Stored;

use crate::span::RunId;
use dictionary::Dictionary;

/// The process that measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its name among others that share a store.
    pub instance: String,
    /// When it began to measure.
    pub started_at: Timestamp,
    /// pgweir's version.
    pub version: String,
}

/// A history that is written.
pub(crate) struct Local {
    connection: Connection,
    path: Option<PathBuf>,
    /// Held while this process writes the file.
    _lock: Option<File>,
    run: RunId,
    /// Whether rows wait here for a fleet's store.
    for_fleet: bool,
    dictionary: Dictionary,
    /// Labels that rows named when that was looked at.
    labels_named: i64,
}

impl Local {
    /// The file; none where history is in memory.
    pub(crate) fn path(&self) -> Option<&PathBuf> {
        self.path.as_ref()
    }
}

#[cfg(test)]
mod tests;
