//! Opening: one process writes, any number reads.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use super::{Dictionary, Local, Run, schema};
use crate::error::StoreError;

/// How long to wait for a reader that holds the file up, as when it recovers after a crash.
const BUSY: Duration = Duration::from_secs(10);

impl Local {
    /// Opens the file, makes it where there is none, brings it up to date, and begins a run.
    pub(crate) fn open(path: &Path, run: &Run) -> Result<Self, StoreError> {
        let failed = |source| StoreError::File { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let lock = lock(path)?;
        // Statements say much of an application, even normalised: its owner's file.
        OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(failed)?;
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        // Looked at before anything in it is changed.
        schema::check(&connection, path)?;
        connection.pragma_update(None, "auto_vacuum", "incremental")?;
        // A commit is in the file's log and synced before it is said to be written: it survives the
        // end of the process, and that of the machine.
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "journal_size_limit", 16 * 1024 * 1024)?;
        schema::migrate(&mut connection, path)?;
        Self::begin(connection, Some(path), Some(lock), run)
    }

    /// A history that ends with the process.
    pub(crate) fn in_memory(run: &Run) -> Result<Self, StoreError> {
        let mut connection = Connection::open_in_memory()?;
        schema::migrate(&mut connection, Path::new(":memory:"))?;
        Self::begin(connection, None, None, run)
    }

    fn begin(
        connection: Connection,
        path: Option<&Path>,
        lock: Option<File>,
        run: &Run,
    ) -> Result<Self, StoreError> {
        connection.set_prepared_statement_cache_capacity(64);
        let id = connection.query_row(
            "INSERT INTO runs (instance, started_at, version) VALUES (?1, ?2, ?3)
             ON CONFLICT (instance, started_at) DO UPDATE SET version = excluded.version
             RETURNING id",
            params![run.instance, run.started_at.as_microsecond(), run.version],
            |row| row.get(0),
        )?;
        let path = path.map(Path::to_path_buf);
        Ok(Self {
            connection,
            path,
            _lock: lock,
            run: id,
            for_fleet: false,
            dictionary: Dictionary::default(),
            labels_named: 0,
        })
    }
}

/// Opens a file to read it, also while another process writes it.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    // Without this SQLite says only that it cannot open it.
    File::open(path).map_err(|source| StoreError::File { path: path.to_owned(), source })?;
    let open = |flags| Connection::open_with_flags(path, flags);
    let connection = open(OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    let version = schema::check(&connection, path)?;
    if version == schema::MIGRATIONS.len() {
        return Ok(connection);
    }
    // Made by an earlier version: read as it would be after an upgrade, in a copy.
    let mut copy = Connection::open_in_memory()?;
    rusqlite::backup::Backup::new(&connection, &mut copy)?.run_to_completion(
        10_000,
        Duration::ZERO,
        None,
    )?;
    schema::migrate(&mut copy, path)?;
    Ok(copy)
}

/// The lock of the one process that writes; the system gives it back however the process ends.
fn lock(path: &Path) -> Result<File, StoreError> {
    let place = path.with_extension("lock");
    let failed = |source| StoreError::File { path: place.clone(), source };
    let options = OpenOptions::new().create(true).append(true).mode(0o600).to_owned();
    let file = options.open(&place).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
