//! The tables in PostgreSQL, made by the first instance that comes.

use tokio_postgres::{Client, Transaction};

use crate::error::StoreError;

/// Instances that come at once make the tables one after the other; `pgwr` in ASCII.
const LOCK: i64 = 0x7067_7772;

/// What each version adds to the one before. Never changed once released.
const MIGRATIONS: &[&str] = &["CREATE TABLE pgweir.runs (
        run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        instance text NOT NULL,
        started_at timestamptz NOT NULL,
        version text NOT NULL,
        UNIQUE (instance, started_at)
    );
    CREATE TABLE pgweir.labels (
        label bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        database text NOT NULL,
        \"user\" text NOT NULL,
        application text NOT NULL,
        tags text NOT NULL,
        UNIQUE (database, \"user\", application, tags)
    );
    CREATE TABLE pgweir.fingerprints (
        fingerprint text PRIMARY KEY,
        text text NOT NULL,
        class text NOT NULL,
        parsed boolean,
        strict_ids text[] NOT NULL,
        shapes text[] NOT NULL,
        first_seen timestamptz NOT NULL,
        last_seen timestamptz NOT NULL
    );
    CREATE TABLE pgweir.periods (
        grain_s integer NOT NULL,
        start timestamptz NOT NULL,
        run bigint NOT NULL REFERENCES pgweir.runs ON DELETE CASCADE,
        dropped bigint NOT NULL,
        PRIMARY KEY (grain_s, start, run)
    );
    CREATE TABLE pgweir.query_rollups (
        grain_s integer NOT NULL,
        start timestamptz NOT NULL,
        run bigint NOT NULL REFERENCES pgweir.runs ON DELETE CASCADE,
        fingerprint text NOT NULL,
        label bigint NOT NULL,
        calls bigint NOT NULL,
        errors bigint NOT NULL,
        rows bigint NOT NULL,
        bytes_received bigint NOT NULL,
        bytes_sent bigint NOT NULL,
        total_ms double precision NOT NULL,
        database_ms double precision NOT NULL,
        wait_ms double precision NOT NULL,
        p50_ms double precision NOT NULL,
        p95_ms double precision NOT NULL,
        p99_ms double precision NOT NULL,
        max_ms double precision NOT NULL,
        stats bytea NOT NULL,
        PRIMARY KEY (grain_s, start, run, fingerprint, label)
    );
    CREATE TABLE pgweir.traffic_rollups (
        grain_s integer NOT NULL,
        start timestamptz NOT NULL,
        run bigint NOT NULL REFERENCES pgweir.runs ON DELETE CASCADE,
        kind text NOT NULL,
        label bigint NOT NULL,
        stats bytea NOT NULL,
        PRIMARY KEY (grain_s, start, run, kind, label)
    );
    CREATE TABLE pgweir.marks (
        at timestamptz NOT NULL,
        run bigint NOT NULL REFERENCES pgweir.runs ON DELETE CASCADE,
        kind text NOT NULL,
        text text NOT NULL,
        PRIMARY KEY (at, run, kind, text)
    );
    CREATE TABLE pgweir.conclusions (
        slot timestamptz NOT NULL,
        run bigint NOT NULL REFERENCES pgweir.runs ON DELETE CASCADE,
        taken_at timestamptz NOT NULL,
        conclusions jsonb NOT NULL,
        PRIMARY KEY (slot, run)
    );"];

/// The version of the tables that are there; 0 where there are none.
pub(super) async fn version(client: &Client) -> Result<i64, StoreError> {
    let there = client.query_one("SELECT to_regclass('pgweir.schema_version') IS NOT NULL", &[]);
    if !there.await?.get::<_, bool>(0) {
        return Ok(0);
    }
    let row = client.query_opt("SELECT version::bigint FROM pgweir.schema_version", &[]).await?;
    Ok(row.map_or(0, |row| row.get(0)))
}

/// Refuses tables of a later version.
pub(super) fn check(version: i64, place: &str) -> Result<(), StoreError> {
    let known = MIGRATIONS.len() as i64;
    if version > known {
        return Err(StoreError::TooNew { place: place.to_owned(), found: version, known });
    }
    Ok(())
}

/// Makes the tables, or brings them up to date. Not cancel-safe: a connection on which it was
/// cancelled must be closed.
pub(super) async fn migrate(client: &mut Client, place: &str) -> Result<(), StoreError> {
    let present = version(client).await?;
    check(present, place)?;
    if present == MIGRATIONS.len() as i64 {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    apply(&transaction).await?;
    transaction.commit().await?;
    Ok(())
}

async fn apply(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    transaction
        .batch_execute(
            "CREATE SCHEMA IF NOT EXISTS pgweir;
             CREATE TABLE IF NOT EXISTS pgweir.schema_version (version integer NOT NULL)",
        )
        .await?;
    let sql = "SELECT coalesce(max(version), 0)::bigint FROM pgweir.schema_version";
    let present: i64 = transaction.query_one(sql, &[]).await?.get(0);
    let present = usize::try_from(present).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(present) {
        transaction.batch_execute(migration).await?;
    }
    if present < MIGRATIONS.len() {
        transaction.execute("DELETE FROM pgweir.schema_version", &[]).await?;
        let sql = "INSERT INTO pgweir.schema_version VALUES ($1)";
        transaction.execute(sql, &[&(MIGRATIONS.len() as i32)]).await?;
    }
    Ok(())
}
