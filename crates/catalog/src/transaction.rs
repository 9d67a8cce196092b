//! The transaction in which everything but DDL happens.

use deadpool_postgres::{Object, Transaction};

use model::{PlannerSetting, Sample};

use crate::{CatalogError, CatalogSettings, quote_identifier};

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

/// The same, with what the sample's client had set. What is refused, such as a role that is not ours
/// to take, is left as it is.
///
/// Cancel-safe, as above.
pub(crate) async fn begin_as<'connection>(
    connection: &'connection mut Object,
    settings: &CatalogSettings,
    sample: &Sample,
) -> Result<Transaction<'connection>, CatalogError> {
    let mut transaction = begin_read_only(connection, settings).await?;
    // The role last: it may not be allowed to set the others.
    let (role, others): (Vec<_>, Vec<_>) =
        sample.settings.iter().partition(|setting| &*setting.name == "role");
    for group in [others, role] {
        if !group.is_empty() {
            set_local(&mut transaction, &group).await?;
        }
    }
    Ok(transaction)
}

async fn set_local(
    transaction: &mut Transaction<'_>,
    settings: &[&PlannerSetting],
) -> Result<(), CatalogError> {
    let statements: Vec<String> = settings
        .iter()
        .map(|one| format!("SET LOCAL {} TO {}", quote_identifier(&one.name), one.source))
        .collect();
    let savepoint = transaction.savepoint("settings").await?;
    match savepoint.batch_execute(&statements.join("; ")).await {
        Ok(()) => savepoint.commit().await?,
        Err(error) if error.as_db_error().is_some() => savepoint.rollback().await?,
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
