//! The transaction in which everything but DDL happens.

use deadpool_postgres::{Object, Transaction};

use crate::{CatalogError, CatalogSettings};

/// Begins a read-only transaction under the settings' timeouts. Dropping it rolls it back.
///
/// Cancel-safe: the driver sends the ROLLBACK.
pub(crate) async fn begin_read_only<'connection>(
    connection: &'connection mut Object,
    settings: &CatalogSettings,
) -> Result<Transaction<'connection>, CatalogError> {
    let transaction = connection.build_transaction().read_only(true).start().await?;
    transaction
        .batch_execute(&format!(
            // Compiling a query on the catalogue takes longer than running it, by seconds.
            "SET LOCAL jit = off; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}",
            // 0 would mean no limit.
            settings.statement_timeout.as_millis().max(1),
            settings.lock_timeout.as_millis().max(1),
        ))
        .await?;
    Ok(transaction)
}
