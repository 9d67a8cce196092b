//! The tables that keep a database from forgetting old transaction ids.

use deadpool_postgres::Object;
use model::{DatabaseUpkeep, OldTable};

use super::rows::count;
use crate::transaction::begin_read_only;
use crate::{CatalogError, CatalogSettings};

/// Fills in the oldest tables of a database that is old enough for the question. Waits for no lock.
///
/// Cancel-safe: the transaction rolls back.
pub(super) async fn read_oldest(
    connection: &mut Object,
    settings: &CatalogSettings,
    upkeep: &mut DatabaseUpkeep,
) -> Result<(), CatalogError> {
    if upkeep.frozen_age.max(upkeep.multixact_age) < settings.oldest_from_age {
        return Ok(());
    }
    let transaction = begin_read_only(connection, settings).await?;
    let rows = transaction.query_typed(include_str!("oldest.sql"), &[]).await?;
    transaction.rollback().await?;
    for row in &rows {
        let list = match row.try_get(0)? {
            true => &mut upkeep.oldest_multixact,
            false => &mut upkeep.oldest_frozen,
        };
        let table = OldTable {
            schema: row.try_get(1)?,
            name: row.try_get(2)?,
            age: count(row.try_get(3)?),
            temporary: row.try_get(4)?,
        };
        // A table and its TOAST table are one, and are frozen together.
        let known = |one: &OldTable| (&one.schema, &one.name) == (&table.schema, &table.name);
        if !list.iter().any(known) {
            list.push(table);
        }
    }
    Ok(())
}
