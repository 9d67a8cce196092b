//! Who waits for whom. Everybody may see locks; what the others run only pg_read_all_stats may.

use deadpool_postgres::Object;
use model::{LockQueue, LockWait, SessionFacts};
use tokio_postgres::types::Type;

use super::version_of;
use crate::facts::rows::moment;
use crate::transaction::begin_read_only;
use crate::{CatalogError, CatalogSettings};

/// Reads who waits for a lock, and for whom; none where nobody does. `normalise` takes the values
/// out of the texts of statements.
///
/// Cancel-safe: the transaction rolls back.
pub(crate) async fn read_locks(
    connection: &mut Object,
    settings: &CatalogSettings,
    normalise: &(dyn Fn(&str) -> String + Sync),
) -> Result<Option<LockQueue>, CatalogError> {
    let transaction = begin_read_only(connection, settings).await?;
    let version = version_of(&transaction).await?;
    let rows = transaction.query_typed(&version.lock_waits(), &[]).await?;
    let mut waits = Vec::with_capacity(rows.len());
    for row in &rows {
        let wait = LockWait {
            pid: row.try_get(0)?,
            blocked_by: row.try_get(1)?,
            lock: row.try_get(2)?,
            mode: row.try_get(3)?,
            table: row.try_get(4)?,
            waited_ms: row.try_get::<_, f64>(5)?.max(0.0) as u64,
        };
        // Whoever got the lock between the two looks at it waits no more.
        if !wait.blocked_by.is_empty() {
            waits.push(wait);
        }
    }
    if waits.is_empty() {
        transaction.rollback().await?;
        return Ok(None);
    }
    let mut pids: Vec<i32> =
        waits.iter().flat_map(|wait| wait.blocked_by.iter().chain([&wait.pid])).copied().collect();
    pids.sort_unstable();
    pids.dedup();
    let rows =
        transaction.query_typed(include_str!("sessions.sql"), &[(&pids, Type::INT4_ARRAY)]).await?;
    transaction.rollback().await?;
    let mut sessions = Vec::with_capacity(rows.len());
    for row in &rows {
        sessions.push(SessionFacts {
            pid: row.try_get(0)?,
            database: row.try_get(1)?,
            user: row.try_get(2)?,
            application: row.try_get(3)?,
            state: row.try_get(4)?,
            transaction_began: moment(row.try_get(5)?),
            statement: normalise(row.try_get(6)?),
            client: None,
            shape: None,
        });
    }
    Ok(Some(LockQueue { at: jiff::Timestamp::now(), waits, sessions }))
}
