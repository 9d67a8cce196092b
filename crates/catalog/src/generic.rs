//! The plan that a prepared statement gets once the server plans it for any values.

use deadpool_postgres::Object;
use model::Sample;
use tokio_postgres::types::Type;

use crate::explain::{is_plannable, plan_of};
use crate::plan_tree::Plan;
use crate::transaction::begin_as;
use crate::{CatalogError, CatalogSettings};

/// The statement's name in the session.
const NAME: &str = "pgweir_generic";

/// Asks for the generic plan of `sample`; none where it has no parameters.
///
/// PREPARE and EXPLAIN EXECUTE under `plan_cache_mode = force_generic_plan`: without it NULLs would
/// give a plan that knows that nothing can match. Works on every version, and, unlike
/// `EXPLAIN (GENERIC_PLAN)`, through the extended protocol, where the server refuses several
/// statements in one text. Nothing is executed.
///
/// Cancel-safe: whoever comes next on this connection deallocates first.
pub(crate) async fn explain_generic(
    connection: &mut Object,
    settings: &CatalogSettings,
    sample: &Sample,
) -> Result<Option<Plan>, CatalogError> {
    let count = sample.parameters.len();
    if count == 0 {
        return Ok(None);
    }
    if !is_plannable(&sample.text) {
        return Err(CatalogError::NotPlannable);
    }
    // A PREPARE outlives a ROLLBACK.
    connection.batch_execute("DEALLOCATE ALL").await?;
    let outcome = ask(connection, settings, sample, count).await;
    if outcome.as_ref().is_err_and(CatalogError::spoils_connection) {
        return outcome.map(Some);
    }
    connection.batch_execute("DEALLOCATE ALL").await?;
    outcome.map(Some)
}

async fn ask(
    connection: &mut Object,
    settings: &CatalogSettings,
    sample: &Sample,
    count: usize,
) -> Result<Plan, CatalogError> {
    let transaction = begin_as(connection, settings, sample).await?;
    transaction.batch_execute("SET LOCAL plan_cache_mode = force_generic_plan").await?;
    let mut oids = sample.parameter_types.to_vec();
    oids.resize(count, 0);
    let types: Vec<String> = transaction
        .query_typed_one(
            // The search path is the client's here: what is ours is named whole.
            "SELECT pg_catalog.array_agg(CASE WHEN oid OPERATOR(pg_catalog.=) 0 THEN 'unknown' \
                    ELSE pg_catalog.format_type(oid, NULL) END ORDER BY place) \
             FROM pg_catalog.unnest($1::pg_catalog.oid[]) WITH ORDINALITY AS t (oid, place)",
            &[(&oids, Type::OID_ARRAY)],
        )
        .await?
        .try_get(0)?;
    let prepare = format!("PREPARE {NAME} ({}) AS {}", types.join(", "), sample.text);
    transaction.query_typed(&prepare, &[]).await?;
    let nulls = vec!["NULL"; count].join(", ");
    let plan = plan_of(&transaction, &format!("EXECUTE {NAME}({nulls})"), &[]).await?;
    transaction.rollback().await?;
    Ok(plan)
}
