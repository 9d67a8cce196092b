//! Reads what is known of a server as a whole.

mod locks;
mod version;

use deadpool_postgres::{Object, Transaction};
use jiff::Timestamp;
use model::{
    CheckpointCounters, HorizonHolder, HorizonKind, ReplicaFacts, ServerFacts, ServerSettings,
    SlotFacts,
};
use tokio_postgres::Row;

use crate::facts::rows::{count, moment};
use crate::transaction::begin_read_only;
use crate::{CatalogError, CatalogSettings};

pub(crate) use locks::read_locks;
use version::ServerVersion;

/// Reads the server that `connection` is to. Waits for no lock.
///
/// Cancel-safe: the transaction rolls back.
pub(crate) async fn read_server(
    connection: &mut Object,
    settings: &CatalogSettings,
) -> Result<ServerFacts, CatalogError> {
    let transaction = begin_read_only(connection, settings).await?;
    let version = version_of(&transaction).await?;
    let row = transaction.query_typed_one(include_str!("server.sql"), &[]).await?;
    let mut facts = server(&row)?;
    let at = facts.read_at.unwrap_or_default();
    let row = transaction.query_typed_one(version.checkpoints(), &[]).await?;
    facts.checkpoints = vec![checkpoints(at, &row)?];
    for row in transaction.query_typed(include_str!("replicas.sql"), &[]).await? {
        facts.replicas.push(replica(&row)?);
    }
    for row in transaction.query_typed(&version.slots(), &[]).await? {
        facts.slots.push(slot(&row)?);
    }
    for row in transaction.query_typed(include_str!("horizon.sql"), &[]).await? {
        facts.horizon.extend(holder(&row)?);
    }
    transaction.rollback().await?;
    Ok(facts)
}

async fn version_of(transaction: &Transaction<'_>) -> Result<ServerVersion, CatalogError> {
    let row = transaction
        .query_typed_one("SELECT current_setting('server_version_num')::int4", &[])
        .await?;
    Ok(ServerVersion(u32::try_from(row.try_get::<_, i32>(0)?).unwrap_or(0)))
}

fn server(row: &Row) -> Result<ServerFacts, CatalogError> {
    Ok(ServerFacts {
        read_at: moment(row.try_get(0)?),
        role: row.try_get(1)?,
        sees_sessions: row.try_get(2)?,
        in_recovery: row.try_get(3)?,
        replay_delay_ms: row.try_get(4)?,
        settings: ServerSettings {
            autovacuum: row.try_get(5)?,
            vacuum_threshold: row.try_get(6)?,
            vacuum_scale_factor: row.try_get(7)?,
            freeze_max_age: count(row.try_get(8)?),
            multixact_freeze_max_age: count(row.try_get(9)?),
            max_wal_bytes: count(row.try_get(10)?),
            checkpoint_timeout_s: row.try_get(11)?,
            shared_buffers_bytes: count(row.try_get(12)?),
        },
        ..ServerFacts::default()
    })
}

fn checkpoints(at: Timestamp, row: &Row) -> Result<CheckpointCounters, CatalogError> {
    Ok(CheckpointCounters { at, timed: count(row.try_get(0)?), requested: count(row.try_get(1)?) })
}

fn replica(row: &Row) -> Result<ReplicaFacts, CatalogError> {
    let lag: Option<f64> = row.try_get(2)?;
    Ok(ReplicaFacts {
        name: row.try_get(0)?,
        state: row.try_get(1)?,
        lag_bytes: lag.map(|bytes| bytes.max(0.0) as u64),
        lag_ms: row.try_get(3)?,
    })
}

fn slot(row: &Row) -> Result<SlotFacts, CatalogError> {
    Ok(SlotFacts {
        name: row.try_get(0)?,
        active: row.try_get(1)?,
        retained_bytes: row.try_get::<_, f64>(2)? as u64,
        wal_status: row.try_get(3)?,
    })
}

/// None where the age is not known.
fn holder(row: &Row) -> Result<Option<HorizonHolder>, CatalogError> {
    let Some(age) = row.try_get::<_, Option<i64>>(4)? else { return Ok(None) };
    Ok(Some(HorizonHolder {
        kind: match row.try_get(0)? {
            "prepared" => HorizonKind::Prepared,
            "slot" => HorizonKind::Slot,
            "standby" => HorizonKind::Standby,
            _ => HorizonKind::Session,
        },
        pid: row.try_get(1)?,
        name: row.try_get(2)?,
        user: row.try_get(3)?,
        age: count(age),
        open_ms: row.try_get(5)?,
        client: None,
    }))
}
