//! The columns of tables, with what pg_stats says of them.

use std::collections::HashMap;

use deadpool_postgres::Object;
use tokio_postgres::types::Type;

use super::rows::{TableRow, column};
use crate::transaction::begin_read_only;
use crate::{CatalogError, CatalogSettings};

/// Tables asked about in one statement, each of which has `statement_timeout` to itself.
const TABLES_AT_ONCE: usize = 250;

/// Fills in the columns of `tables`. Waits for no lock. After a failure the tables that were read
/// until then keep their columns.
///
/// Cancel-safe: the transaction rolls back.
pub(super) async fn read_columns(
    connection: &mut Object,
    settings: &CatalogSettings,
    tables: &mut [TableRow],
) -> Result<(), CatalogError> {
    let transaction = begin_read_only(connection, settings).await?;
    for some in tables.chunks_mut(TABLES_AT_ONCE) {
        let oids: Vec<u32> = some.iter().map(|table| table.oid).collect();
        let positions: HashMap<u32, usize> =
            oids.iter().enumerate().map(|(position, oid)| (*oid, position)).collect();
        let query = include_str!("columns.sql");
        for row in &transaction.query_typed(query, &[(&oids, Type::OID_ARRAY)]).await? {
            if let Some(position) = positions.get(&row.try_get::<_, u32>(0)?) {
                some[*position].facts.columns.push(column(row)?);
            }
        }
    }
    Ok(transaction.rollback().await?)
}
