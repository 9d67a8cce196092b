//! What can go wrong with history.

use std::path::PathBuf;

/// Why history could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process writes this history.
    #[error("{} is in use by another pgweir; give each its own data_dir", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A later version of pgweir made it.
    #[error(
        "{place} was made by a later pgweir (schema {found}, this one knows up to {known}); \
         run that version, or move it away to begin anew"
    )]
    TooNew {
        /// The file, or the server.
        place: String,
        /// Its schema version.
        found: i64,
        /// The latest that this version knows.
        known: i64,
    },
    /// The file is a database, but not one of ours.
    #[error("{} is no history of pgweir", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The file or its folder cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row holds what no version of pgweir writes.
    #[error("damaged row: {0}")]
    Damaged(#[from] Damaged),
    /// The fleet's store refused, or is away. The text holds no value of a row.
    #[error("the fleet's store: {reason}")]
    Fleet {
        /// What the driver or the server said.
        reason: String,
    },
    /// The history's thread has ended.
    #[error("history is no longer kept: its thread has ended")]
    Closed,
}

/// Bytes that are no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// They end too early.
    #[error("it ends too early")]
    Short,
    /// There are bytes after its end.
    #[error("there are bytes after its end")]
    Long,
    /// A number is out of its range.
    #[error("a number is out of its range")]
    Number,
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// A later version of pgweir wrote it.
    #[error("it is of a later version")]
    Version,
}
