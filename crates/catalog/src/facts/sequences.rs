//! Sequences, and how far they are.

use deadpool_postgres::Object;
use model::{SequenceColumn, SequenceFacts};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::transaction::begin_read_only;
use crate::{CatalogError, CatalogSettings};

/// Sequences read of one database.
const MOST: i64 = 2_000;

/// Reads the sequences. It waits (for as long as `lock_timeout`) where one is being altered.
///
/// Cancel-safe: the transaction rolls back.
pub(super) async fn read_sequences(
    connection: &mut Object,
    settings: &CatalogSettings,
) -> Result<Vec<SequenceFacts>, CatalogError> {
    let transaction = begin_read_only(connection, settings).await?;
    let rows =
        transaction.query_typed(include_str!("sequences.sql"), &[(&MOST, Type::INT8)]).await?;
    transaction.rollback().await?;
    rows.iter().map(sequence).collect()
}

fn sequence(row: &Row) -> Result<SequenceFacts, CatalogError> {
    let owner: Option<String> = row.try_get(10)?;
    let column = match owner {
        Some(name) => Some(SequenceColumn {
            schema: row.try_get(8)?,
            table: row.try_get(9)?,
            name,
            type_name: row.try_get(11)?,
        }),
        None => None,
    };
    Ok(SequenceFacts {
        schema: row.try_get(0)?,
        name: row.try_get(1)?,
        increment: row.try_get(2)?,
        least: row.try_get(3)?,
        most: row.try_get(4)?,
        cycles: row.try_get(5)?,
        readable: row.try_get(6)?,
        last: row.try_get(7)?,
        column,
    })
}
