//! Imagined indexes, by HypoPG. They live in the server's session, seen by no one else.

use deadpool_postgres::{Object, Transaction};
use insight::advisor::definition;
use model::{IndexCandidate, Sample, WhatIf};
use tokio_postgres::types::Type;

use crate::explain::explain;
use crate::transaction::begin_as;
use crate::{CatalogError, CatalogSettings, quote_identifier};

/// HypoPG as it is installed in a database.
#[derive(Debug)]
pub(crate) struct HypoPg {
    /// Its schema, quoted.
    schema: String,
}

impl HypoPg {
    /// Looks HypoPG up; none where the role may not use its schema.
    ///
    /// Cancel-safe.
    pub(crate) async fn find(transaction: &Transaction<'_>) -> Result<Option<Self>, CatalogError> {
        let row = transaction
            .query_typed_opt(
                "SELECT n.nspname FROM pg_catalog.pg_extension e \
                 JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
                 WHERE e.extname = 'hypopg' AND has_schema_privilege(n.oid, 'USAGE')",
                &[],
            )
            .await?;
        row.map(|row| {
            let schema: String = row.try_get(0)?;
            Ok(Self { schema: quote_identifier(&schema) })
        })
        .transpose()
    }

    /// Forgets every imagined index of the session. A ROLLBACK does not.
    ///
    /// Cancel-safe: whoever plans next on this connection resets first.
    pub(crate) async fn reset(&self, transaction: &Transaction<'_>) -> Result<(), CatalogError> {
        Ok(transaction.batch_execute(&format!("SELECT {}.hypopg_reset()", self.schema)).await?)
    }

    /// Plans `sample` as if `candidate`, and no other imagined index, existed.
    ///
    /// Cancel-safe, as [`Self::reset`] is.
    pub(crate) async fn try_candidate(
        &self,
        connection: &mut Object,
        settings: &CatalogSettings,
        sample: &Sample,
        candidate: &IndexCandidate,
    ) -> Result<WhatIf, CatalogError> {
        let transaction = begin_as(connection, settings, sample).await?;
        self.reset(&transaction).await?;
        let created = transaction
            .query_typed_one(
                &format!(
                    "SELECT indexrelid, indexname FROM {}.hypopg_create_index($1)",
                    self.schema
                ),
                &[(&definition(candidate), Type::TEXT)],
            )
            .await?;
        let index: u32 = created.try_get(0)?;
        let name: String = created.try_get(1)?;
        let plan = explain(&transaction, sample).await?;
        let size = transaction
            .query_typed_one(
                &format!("SELECT {}.hypopg_relation_size($1)", self.schema),
                &[(&index, Type::OID)],
            )
            .await?;
        self.reset(&transaction).await?;
        transaction.rollback().await?;
        Ok(WhatIf {
            candidate: candidate.clone(),
            cost: plan.cost,
            used: plan.indexes.contains(&name),
            bytes: u64::try_from(size.try_get::<_, i64>(0)?).unwrap_or(0),
        })
    }
}
