//! Sequences, and how far they are.

use deadpool_postgres::Object;
use model::{SequenceColumn, SequenceFacts};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::transaction::begin_read_only;
use crate::{CatalogError, CatalogSettings};

/// Reads the sequences, and whether there are more of them. It waits (for as long as `lock_timeout`) where one is being altered.
///
/// Cancel-safe: the transaction rolls back.
pub(super) async fn read_sequences(
    connection: &mut Object,
    settings: &CatalogSettings,
) -> Result<(Vec<SequenceFacts>, bool), CatalogError> {
    let transaction = begin_read_only(connection, settings).await?;
    let limit = i64::from(settings.max_sequences) + 1;
    let rows =
        transaction.query_typed(include_str!("sequences.sql"), &[(&limit, Type::INT8)]).await?;
    transaction.rollback().await?;
    let most = settings.max_sequences as usize;
    let sequences: Result<Vec<_>, _> = rows.iter().take(most).map(sequence).collect();
    Ok((sequences?, rows.len() > most))
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
