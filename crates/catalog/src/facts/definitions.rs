//! The SQL that makes an index, of those that one might want to drop: it is how to take the
//! dropping back.

use std::collections::HashSet;

use deadpool_postgres::Object;
use tokio_postgres::types::Type;

use super::rows::IndexRow;
use crate::transaction::begin_read_only;
use crate::{CatalogError, CatalogSettings};

/// Definitions read of one database.
const MOST: usize = 200;

/// Fills in the definitions of indexes that nothing relies on and that are unused, or begin with
/// the same column as another of their table.
///
/// `pg_get_indexdef` waits for whoever has locked the table, so this has a transaction of its own.
///
/// Cancel-safe: the transaction rolls back.
pub(super) async fn read_definitions(
    connection: &mut Object,
    settings: &CatalogSettings,
    indexes: &mut [IndexRow],
) -> Result<(), CatalogError> {
    let mut firsts: HashSet<(u32, &str)> = HashSet::new();
    let mut shared: HashSet<(u32, String)> = HashSet::new();
    for index in indexes.iter() {
        let Some(first) = index.facts.columns.first() else { continue };
        if !firsts.insert((index.table, first)) {
            shared.insert((index.table, first.clone()));
        }
    }
    let wanted: Vec<u32> = indexes
        .iter()
        .filter(|index| !index.facts.unique && !index.facts.relied_on)
        .filter(|index| {
            let first = index.facts.columns.first().cloned().unwrap_or_default();
            index.facts.scans == 0 || shared.contains(&(index.table, first))
        })
        .map(|index| index.oid)
        .take(MOST)
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let transaction = begin_read_only(connection, settings).await?;
    let rows = transaction
        .query_typed(
            "SELECT oid, pg_get_indexdef(oid) FROM unnest($1::oid[]) AS oid",
            &[(&wanted, Type::OID_ARRAY)],
        )
        .await?;
    transaction.rollback().await?;
    for row in &rows {
        let oid: u32 = row.try_get(0)?;
        if let Some(index) = indexes.iter_mut().find(|index| index.oid == oid) {
            index.facts.definition = row.try_get(1)?;
        }
    }
    Ok(())
}
