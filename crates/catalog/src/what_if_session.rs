//! A connection of its own on which a workload is planned, again and again, with imagined indexes.

use std::collections::{BTreeMap, HashMap};

use insight::advisor::{Judged, PlanNow, Planner, definition};
use model::IndexCandidate;
use tokio::runtime::Handle;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::explain::{ExplainAnswer, is_plannable};
use crate::plan_tree::Plan;
use crate::{Catalog, CatalogError, CatalogSettings, quote_identifier};

/// More parameters than this are not bound to NULL.
const MOST_PARAMETERS: usize = 1_000;

/// A statement, as it is planned.
#[derive(Clone, Debug)]
enum Planned {
    /// Its text has no parameters.
    Text(String),
    /// It has: it was prepared under this name, and is planned without knowing their values.
    Prepared(String),
}

/// A connection for what-if planning. Imagined indexes live in its session; nobody else sees them,
/// and they go with it. Nothing is executed.
pub struct WhatIfSession {
    client: Client,
    /// HypoPG's schema, quoted; none where it is not installed or not allowed.
    hypopg: Option<String>,
    statements: Vec<Planned>,
    /// What is imagined now: object id and name.
    imagined: BTreeMap<IndexCandidate, (u32, String)>,
}

impl WhatIfSession {
    /// Opens a connection to `database` as the catalogue logs in, read-only and under the limits of
    /// `settings`.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn open(
        catalog: &Catalog,
        database: &str,
        settings: CatalogSettings,
    ) -> Result<Self, CatalogError> {
        let client = catalog.open(database).await?;
        client
            .batch_execute(&format!(
                "SET default_transaction_read_only = on; SET statement_timeout = {}; \
                 SET lock_timeout = {}; SET plan_cache_mode = force_generic_plan",
                settings.statement_timeout.as_millis().max(1),
                settings.lock_timeout.as_millis().max(1),
            ))
            .await?;
        let row = client
            .query_typed_opt(
                "SELECT n.nspname FROM pg_catalog.pg_extension e \
                 JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace \
                 WHERE e.extname = 'hypopg' AND has_schema_privilege(n.oid, 'USAGE')",
                &[],
            )
            .await?;
        let schema = row.map(|row| row.try_get::<_, String>(0)).transpose()?;
        Ok(Self {
            client,
            hypopg: schema.map(|schema| quote_identifier(&schema)),
            statements: Vec::new(),
            imagined: BTreeMap::new(),
        })
    }

    /// Whether indexes can be imagined.
    #[must_use]
    pub fn can_imagine(&self) -> bool {
        self.hypopg.is_some()
    }

    /// Adds a statement, the next in the workload's order, and plans it as things are.
    ///
    /// Not cancel-safe: the order would be lost.
    ///
    /// # Errors
    /// Why it cannot be planned; it keeps its place in the order.
    pub async fn add(&mut self, text: &str) -> Result<PlanNow, CatalogError> {
        let position = self.statements.len();
        self.statements.push(Planned::Text(text.to_owned()));
        if !is_plannable(text) {
            return Err(CatalogError::NotPlannable);
        }
        if has_parameters(text) {
            let prepared = self.prepare(position, text).await?;
            self.statements[position] = Planned::Prepared(prepared);
        }
        let plan = self.explain(position).await?;
        Ok(PlanNow { cost: plan.cost, scans: plan.scans, indexes: plan.indexes })
    }

    /// Prepares a statement whose values are not known; returns what executes it.
    async fn prepare(&self, position: usize, text: &str) -> Result<String, CatalogError> {
        let name = format!("pgweir_advise_{position}");
        // Through the extended protocol, where the server refuses several statements in one text.
        self.client.query_typed(&format!("PREPARE {name} AS {text}"), &[]).await?;
        let row = self
            .client
            .query_typed_one(
                "SELECT cardinality(parameter_types)::int4 FROM pg_catalog.pg_prepared_statements \
                 WHERE name = $1",
                &[(&name, Type::TEXT)],
            )
            .await?;
        let count = usize::try_from(row.try_get::<_, i32>(0)?).unwrap_or(0);
        if count == 0 {
            return Ok(format!("EXECUTE {name}"));
        }
        if count > MOST_PARAMETERS {
            return Err(CatalogError::NotPlannable);
        }
        let values = vec!["NULL"; count].join(", ");
        Ok(format!("EXECUTE {name} ({values})"))
    }

    async fn explain(&self, position: usize) -> Result<Plan, CatalogError> {
        let statement = match &self.statements[position] {
            Planned::Text(text) => text,
            Planned::Prepared(execute) => {
                // A plan that was made once is kept whatever is imagined later.
                self.client.batch_execute("DISCARD PLANS").await?;
                execute
            }
        };
        let text = format!("EXPLAIN (FORMAT JSON) {statement}");
        let row = self.client.query_typed_one(&text, &[]).await?;
        let ExplainAnswer(answer) = row.try_get(0)?;
        answer.as_ref().and_then(Plan::from_explain).ok_or(CatalogError::UnreadablePlan)
    }

    /// Plans a statement as if just these indexes were imagined.
    async fn judge(
        &mut self,
        position: usize,
        indexes: &[&IndexCandidate],
    ) -> Result<Judged, CatalogError> {
        self.imagine(indexes).await?;
        let plan = self.explain(position).await?;
        let names: HashMap<&str, usize> = indexes
            .iter()
            .enumerate()
            .filter_map(|(at, index)| Some((self.imagined.get(*index)?.1.as_str(), at)))
            .collect();
        let mut used: Vec<usize> =
            plan.indexes.iter().filter_map(|name| names.get(name.as_str()).copied()).collect();
        used.sort_unstable();
        used.dedup();
        Ok(Judged { cost: plan.cost, used })
    }

    async fn imagine(&mut self, wanted: &[&IndexCandidate]) -> Result<(), CatalogError> {
        let Some(schema) = self.hypopg.clone() else { return Ok(()) };
        let mut gone: Vec<u32> = Vec::new();
        self.imagined.retain(|index, (oid, _)| {
            let stays = wanted.contains(&index);
            if !stays {
                gone.push(*oid);
            }
            stays
        });
        if !gone.is_empty() {
            let text = format!("SELECT {schema}.hypopg_drop_index(oid) FROM unnest($1) AS oid");
            self.client.query_typed(&text, &[(&gone, Type::OID_ARRAY)]).await?;
        }
        let new: Vec<&IndexCandidate> =
            wanted.iter().copied().filter(|index| !self.imagined.contains_key(*index)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let definitions: Vec<String> = new.iter().map(|index| definition(index)).collect();
        let text = format!(
            "SELECT made.indexrelid, made.indexname \
             FROM unnest($1) WITH ORDINALITY AS wanted (text, place), \
             LATERAL {schema}.hypopg_create_index(wanted.text) AS made ORDER BY wanted.place"
        );
        let rows = self.client.query_typed(&text, &[(&definitions, Type::TEXT_ARRAY)]).await?;
        for (index, row) in new.into_iter().zip(&rows) {
            self.imagined.insert(index.clone(), (row.try_get(0)?, row.try_get(1)?));
        }
        Ok(())
    }

    /// HypoPG's estimate of an index's size, bytes.
    async fn bytes(&mut self, index: &IndexCandidate) -> Result<u64, CatalogError> {
        self.imagine(&[index]).await?;
        let (Some((oid, _)), Some(schema)) = (self.imagined.get(index), &self.hypopg) else {
            return Err(CatalogError::UnreadablePlan);
        };
        let text = format!("SELECT {schema}.hypopg_relation_size($1)");
        let row = self.client.query_typed_one(&text, &[(oid, Type::OID)]).await?;
        Ok(u64::try_from(row.try_get::<_, i64>(0)?).unwrap_or(0))
    }

    /// Forgets every imagined index, after an error left the session in doubt.
    async fn reset(&mut self) {
        self.imagined.clear();
        if let Some(schema) = &self.hypopg {
            let text = format!("SELECT {schema}.hypopg_reset()");
            if let Err(error) = self.client.batch_execute(&text).await {
                tracing::debug!(%error, "the imagined indexes were not forgotten");
            }
        }
    }
}

/// Whether the text has parameters, `$1` and so on; a dollar in a constant makes no difference
/// but that of a plan without knowing it.
fn has_parameters(text: &str) -> bool {
    text.as_bytes().windows(2).any(|pair| pair[0] == b'$' && pair[1].is_ascii_digit())
}

/// A session as the search asks it: one call after the other, waiting for each.
pub struct ImaginedPlanner<'s> {
    session: &'s mut WhatIfSession,
    runtime: Handle,
}

impl<'s> ImaginedPlanner<'s> {
    /// To be used on a thread that may wait, such as within `block_in_place`.
    #[must_use]
    pub fn new(session: &'s mut WhatIfSession, runtime: Handle) -> Self {
        Self { session, runtime }
    }
}

impl Planner for ImaginedPlanner<'_> {
    fn plan(&mut self, statement: usize, indexes: &[&IndexCandidate]) -> Option<Judged> {
        let Self { session, runtime } = self;
        runtime.block_on(async {
            match session.judge(statement, indexes).await {
                Ok(judged) => Some(judged),
                Err(error) => {
                    tracing::debug!(problem = error.redacted(), "a what-if plan failed");
                    session.reset().await;
                    None
                }
            }
        })
    }

    fn bytes(&mut self, index: &IndexCandidate) -> Option<u64> {
        let Self { session, runtime } = self;
        runtime.block_on(async {
            match session.bytes(index).await {
                Ok(bytes) => Some(bytes),
                Err(error) => {
                    tracing::debug!(problem = error.redacted(), "an index cannot be imagined");
                    session.reset().await;
                    None
                }
            }
        })
    }
}
