//! The tables in SQLite, and how a file of an earlier version is brought up to date.

use std::path::Path;

use rusqlite::Connection;

use crate::error::StoreError;

/// Marks a file as ours (`PRAGMA application_id`): "pgwr".
const APPLICATION_ID: i64 = 0x7067_7772;

/// What each version adds to the one before. Never changed once released: a file says by
/// `PRAGMA user_version` how many of them it has.
pub(super) const MIGRATIONS: &[&str] = &[
    // Times are seconds since the Unix epoch, of runs microseconds. `written` counts how often a
    // period was, `sent` says which of these the fleet's store has.
    "CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        instance TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        version TEXT NOT NULL,
        UNIQUE (instance, started_at)
    ) STRICT;
    CREATE TABLE labels (
        id INTEGER PRIMARY KEY,
        database TEXT NOT NULL,
        user TEXT NOT NULL,
        application TEXT NOT NULL,
        tags TEXT NOT NULL,
        last_seen INTEGER NOT NULL,
        UNIQUE (database, user, application, tags)
    ) STRICT;
    CREATE TABLE fingerprints (
        id INTEGER PRIMARY KEY,
        fingerprint INTEGER NOT NULL UNIQUE,
        text TEXT NOT NULL,
        class TEXT NOT NULL,
        parsed INTEGER,
        strict_ids BLOB NOT NULL,
        shapes BLOB NOT NULL,
        first_seen INTEGER NOT NULL,
        last_seen INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE periods (
        grain_s INTEGER NOT NULL,
        start INTEGER NOT NULL,
        run INTEGER NOT NULL,
        dropped INTEGER NOT NULL,
        written INTEGER NOT NULL,
        sent INTEGER NOT NULL,
        PRIMARY KEY (grain_s, start, run)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX periods_unsent ON periods (start, grain_s, run) WHERE sent < written;
    CREATE TABLE query_minutes (
        start INTEGER NOT NULL,
        run INTEGER NOT NULL,
        fingerprint INTEGER NOT NULL,
        label INTEGER NOT NULL,
        calls INTEGER NOT NULL,
        errors INTEGER NOT NULL,
        total_us INTEGER NOT NULL,
        wait_us INTEGER NOT NULL,
        p95_us INTEGER NOT NULL,
        stats BLOB NOT NULL,
        PRIMARY KEY (start, run, fingerprint, label)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE query_hours (
        start INTEGER NOT NULL,
        run INTEGER NOT NULL,
        fingerprint INTEGER NOT NULL,
        label INTEGER NOT NULL,
        calls INTEGER NOT NULL,
        errors INTEGER NOT NULL,
        total_us INTEGER NOT NULL,
        wait_us INTEGER NOT NULL,
        p95_us INTEGER NOT NULL,
        stats BLOB NOT NULL,
        PRIMARY KEY (start, run, fingerprint, label)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE query_days (
        start INTEGER NOT NULL,
        run INTEGER NOT NULL,
        fingerprint INTEGER NOT NULL,
        label INTEGER NOT NULL,
        calls INTEGER NOT NULL,
        errors INTEGER NOT NULL,
        total_us INTEGER NOT NULL,
        wait_us INTEGER NOT NULL,
        p95_us INTEGER NOT NULL,
        stats BLOB NOT NULL,
        PRIMARY KEY (start, run, fingerprint, label)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE traffic_minutes (
        start INTEGER NOT NULL,
        run INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        label INTEGER NOT NULL,
        stats BLOB NOT NULL,
        PRIMARY KEY (start, run, kind, label)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE traffic_hours (
        start INTEGER NOT NULL,
        run INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        label INTEGER NOT NULL,
        stats BLOB NOT NULL,
        PRIMARY KEY (start, run, kind, label)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE traffic_days (
        start INTEGER NOT NULL,
        run INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        label INTEGER NOT NULL,
        stats BLOB NOT NULL,
        PRIMARY KEY (start, run, kind, label)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE counters (
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;",
    "CREATE TABLE marks (
        at_us INTEGER NOT NULL,
        run INTEGER NOT NULL,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        sent INTEGER NOT NULL,
        PRIMARY KEY (at_us, run, kind, text)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE conclusions (
        at INTEGER NOT NULL,
        run INTEGER NOT NULL,
        taken_at_us INTEGER NOT NULL,
        json TEXT NOT NULL,
        sent INTEGER NOT NULL,
        PRIMARY KEY (at, run)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE plans (
        fingerprint INTEGER NOT NULL,
        database TEXT NOT NULL,
        since_us INTEGER NOT NULL,
        until_us INTEGER NOT NULL,
        shape INTEGER NOT NULL,
        cost REAL NOT NULL,
        rows REAL NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (fingerprint, database, since_us)
    ) STRICT, WITHOUT ROWID;",
];

/// Whether the file can be read: ours, and of no later version. Says its version.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<usize, StoreError> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let not_ours = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => StoreError::NotOurs { path: path.to_owned() },
        _ => StoreError::Sqlite(error),
    };
    let version = number("PRAGMA user_version").map_err(not_ours)?;
    let id = number("PRAGMA application_id")?;
    let empty = number("SELECT count(*) FROM sqlite_schema")? == 0;
    if !empty && id != APPLICATION_ID {
        return Err(StoreError::NotOurs { path: path.to_owned() });
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(StoreError::TooNew {
            place: path.display().to_string(),
            found: version,
            known: MIGRATIONS.len() as i64,
        }),
    }
}

/// Brings the tables up to date.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let version = check(connection, path)?;
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(version) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", at as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}
