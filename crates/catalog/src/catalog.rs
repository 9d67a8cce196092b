//! The catalogue, as the rest of pgweir asks it.

use std::collections::HashMap;
use std::time::Instant;

use deadpool_postgres::Object;
use jiff::Timestamp;
use model::{
    CatalogFacts, DatabaseFacts, LockQueue, PlanAnswer, PlanQuestion, PlanVariant, ServerFacts,
    Unavailable,
};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::back_off::BackOff;
use crate::carry_over::{carry_over, carry_over_server, first_seen};
use crate::connections::{Connections, give_back};
use crate::explain::{explain, explain_alone};
use crate::facts::{Reading, read_database};
use crate::generic::explain_generic;
use crate::plan_tree::Plan;
use crate::server::{read_locks, read_server};
use crate::transaction::{begin_as, begin_read_only};
use crate::what_if::HypoPg;
use crate::{CatalogError, CatalogSettings, Upstream};

/// Imagined indexes tried for one question.
const MAX_CANDIDATES: usize = 5;

/// All its hosts, as `a:5432,b:5432`.
fn server_name(upstream: &Upstream) -> String {
    let hosts: Vec<_> =
        upstream.hosts.iter().map(|(host, port)| format!("{host}:{port}")).collect();
    hosts.join(",")
}

/// What the upstream knows of its databases, and what its planner thinks.
pub struct Catalog {
    user: String,
    /// Host and port, by which the server is known in the facts.
    server: String,
    settings: CatalogSettings,
    connections: Connections,
    /// Held while planning, so that one statement is planned at a time.
    back_off: Mutex<BackOff>,
    /// By database, the tables that the role may read, as object ids in order.
    readable: parking_lot::Mutex<HashMap<String, Vec<u32>>>,
}

impl Catalog {
    /// Connects to nothing yet.
    #[must_use]
    pub fn new(upstream: Upstream, settings: CatalogSettings) -> Self {
        Self {
            connections: Connections::new(&upstream, settings),
            server: server_name(&upstream),
            user: upstream.user,
            settings,
            back_off: Mutex::default(),
            readable: parking_lot::Mutex::default(),
        }
    }

    /// Reads the facts of `databases`; plans of `previous` whose tables have the same indexes as
    /// before are carried over.
    ///
    /// What could not be read is told in `unavailable`. A database whose reading failed for a
    /// reason that may pass keeps the facts of `previous`.
    ///
    /// Cancel-safe.
    pub async fn read(&self, databases: &[String], previous: &CatalogFacts) -> CatalogFacts {
        self.connections.tidy(databases);
        let mut facts = CatalogFacts {
            read_at: previous.read_at,
            server_version: previous.server_version,
            ..CatalogFacts::default()
        };
        let mut unreachable = None;
        for database in databases {
            let outcome = match &unreachable {
                // All are on one server: do not wait for it once per database.
                Some(reason) => Err(CatalogError::Unreachable { reason: String::clone(reason) }),
                None => self.read_one(database).await,
            };
            let known = previous.databases.get(database);
            match outcome {
                Ok(mut reading) => {
                    reading.facts.server.clone_from(&self.server);
                    first_seen(&mut reading.facts, Timestamp::now());
                    if let Some(known) = known {
                        carry_over(known, &mut reading.facts);
                    }
                    if self.has_other_rights(database, reading.readable).await {
                        reading.facts.plans.retain(|_, plan| plan.problem.is_none());
                    }
                    facts.read_at = Some(Timestamp::now());
                    facts.server_version = reading.server_version;
                    facts.unavailable.append(&mut reading.unavailable);
                    facts.databases.insert(database.clone(), reading.facts);
                }
                Err(error) => {
                    let kept = known.filter(|_| error.is_passing());
                    facts.unavailable.push(self.unavailable(database, &error, kept.is_some()));
                    if let Some(kept) = kept {
                        facts.databases.insert(database.clone(), DatabaseFacts::clone(kept));
                    }
                    if let CatalogError::Unreachable { reason } = error {
                        unreachable = Some(reason);
                    }
                }
            }
        }
        self.read_server_into(&mut facts, previous).await;
        facts
    }

    /// Whether the role may read other tables of the database now than when it was read before: then
    /// what failed is worth another attempt.
    async fn has_other_rights(&self, database: &str, readable: Vec<u32>) -> bool {
        let before = self.readable.lock().insert(database.to_owned(), readable.clone());
        let changed = before.is_some_and(|before| before != readable);
        if changed {
            self.back_off.lock().await.forget(database);
        }
        changed
    }

    /// Reads the server through the first database that could be read.
    async fn read_server_into(&self, facts: &mut CatalogFacts, previous: &CatalogFacts) {
        let Some(database) = facts.databases.keys().next() else { return };
        let known = previous.servers.get(&self.server);
        let server = match self.read_server(database).await {
            Ok(mut server) => {
                if let Some(known) = known {
                    carry_over_server(known, &mut server);
                }
                server
            }
            Err(error) => {
                facts.unavailable.push(Unavailable {
                    what: format!("server {}", self.server),
                    why: error.to_string(),
                });
                known.cloned().unwrap_or_default()
            }
        };
        facts.servers.insert(self.server.clone(), server);
    }

    /// Who waits for a lock on the server right now, and for whom, as seen from `database`; none
    /// where nobody does. `normalise` takes the values out of the texts of statements.
    ///
    /// Cancel-safe.
    ///
    /// # Errors
    /// Why the server could not be asked.
    pub async fn lock_queue(
        &self,
        database: &str,
        normalise: &(dyn Fn(&str) -> String + Sync),
    ) -> Result<Option<LockQueue>, CatalogError> {
        let limit = self.settings.transaction_timeout();
        let mut connection = self.connections.take(database).await?;
        let reading = read_locks(&mut connection, &self.settings, normalise);
        let outcome = timeout(limit, reading).await;
        give_back(connection, outcome)
    }

    /// By which name the server is known in the facts.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    async fn read_server(&self, database: &str) -> Result<ServerFacts, CatalogError> {
        let mut connection = self.connections.take(database).await?;
        let reading = read_server(&mut connection, &self.settings);
        let outcome = timeout(self.settings.transaction_timeout(), reading).await;
        give_back(connection, outcome)
    }

    /// Asks the planner, without executing anything; one question at a time.
    ///
    /// A statement that failed twice rests for a while, longer after each further failure: its problem is
    /// the answer at once. It is planned again when the tables that the role may read have changed.
    ///
    /// Cancel-safe.
    pub async fn plan(&self, question: &PlanQuestion) -> PlanAnswer {
        let mut back_off = self.back_off.lock().await;
        let asked_at = Some(Timestamp::now());
        let (database, fingerprint) = (question.database.as_str(), question.fingerprint);
        let now = Instant::now();
        if let Some(problem) = back_off.resting(database, fingerprint, now) {
            let problem = Some(problem.to_owned());
            return PlanAnswer { asked_at, problem, ..PlanAnswer::default() };
        }
        match self.ask(question).await {
            Ok(answer) => {
                back_off.succeeded(database, fingerprint);
                PlanAnswer { asked_at, ..answer }
            }
            Err(error) => {
                let problem = error.redacted();
                tracing::debug!(database, %fingerprint, problem, "a statement was not planned");
                if error.blames_statement() {
                    back_off.failed(database, fingerprint, &problem, now);
                }
                PlanAnswer { asked_at, problem: Some(problem), ..PlanAnswer::default() }
            }
        }
    }

    /// Runs one statement of DDL, such as CREATE INDEX CONCURRENTLY, on a connection of its own,
    /// outside a transaction and for as long as it takes.
    ///
    /// Dropping the future does not stop the statement on the server.
    ///
    /// # Errors
    /// What the server refused, or why it was not reached.
    pub async fn execute(&self, database: &str, sql: &str) -> Result<(), CatalogError> {
        let client = self.connections.open(database).await?;
        client.batch_execute("SET statement_timeout = 0").await?;
        Ok(client.batch_execute(sql).await?)
    }

    /// A connection that nobody else uses.
    pub(crate) async fn open(
        &self,
        database: &str,
    ) -> Result<tokio_postgres::Client, CatalogError> {
        self.connections.open(database).await
    }

    async fn read_one(&self, database: &str) -> Result<Reading, CatalogError> {
        let mut connection = self.connections.take(database).await?;
        let reading = read_database(&mut connection, database, &self.user, &self.settings);
        let outcome = timeout(self.settings.transaction_timeout(), reading).await;
        give_back(connection, outcome)
    }

    async fn ask(&self, question: &PlanQuestion) -> Result<PlanAnswer, CatalogError> {
        let limit = self.settings.transaction_timeout();
        let mut connection = self.connections.take(&question.database).await?;
        let asking = self.plan_as_is(&mut connection, question);
        let outcome = timeout(limit, asking).await;
        let (plan, hypopg) = match outcome {
            Ok(Ok(planned)) => planned,
            failed => return give_back(connection, failed).map(|_| PlanAnswer::default()),
        };
        let mut answer = PlanAnswer {
            cost: Some(plan.cost),
            scans: plan.scans,
            memory: plan.memory,
            rows: plan.rows,
            plan: Some(plan.text),
            ..PlanAnswer::default()
        };
        if !self.plan_others(&mut connection, question, &mut answer).await {
            drop(Object::take(connection));
            return Ok(answer);
        }
        let Some(hypopg) = hypopg else {
            return Ok(answer);
        };
        for candidate in question.candidates.iter().take(MAX_CANDIDATES) {
            let trying =
                hypopg.try_candidate(&mut connection, &self.settings, &question.sample, candidate);
            match timeout(limit, trying).await {
                Ok(Ok(what_if)) => answer.what_if.push(what_if),
                // Such as a type that a B-tree does not take: the next may do.
                Ok(Err(error)) if !error.spoils_connection() => {
                    let problem = error.redacted();
                    tracing::debug!(table = candidate.table, problem, "an index was not tried");
                }
                failed => {
                    drop(give_back(connection, failed));
                    break;
                }
            }
        }
        Ok(answer)
    }

    /// The plans with other executions' values, and with none. False where the connection cannot
    /// be used any more.
    async fn plan_others(
        &self,
        connection: &mut Object,
        question: &PlanQuestion,
        answer: &mut PlanAnswer,
    ) -> bool {
        let limit = self.settings.transaction_timeout();
        for ranked in &question.ranked {
            let asking = explain_alone(connection, &self.settings, &ranked.sample);
            match timeout(limit, asking).await {
                Ok(Ok(plan)) => answer.variants.push(PlanVariant {
                    rank: ranked.rank,
                    took_ms: ranked.took_ms,
                    plan: plan.text,
                }),
                Ok(Err(error)) if !error.spoils_connection() => {}
                _ => return false,
            }
        }
        let asking = explain_generic(connection, &self.settings, &question.sample);
        match timeout(limit, asking).await {
            Ok(Ok(plan)) => answer.generic = plan.map(|plan| plan.text),
            Ok(Err(error)) if !error.spoils_connection() => {
                let problem = error.redacted();
                tracing::debug!(problem, "a statement has no generic plan");
            }
            _ => return false,
        }
        true
    }

    /// The plan with the indexes there are, and HypoPG where it is installed.
    async fn plan_as_is(
        &self,
        connection: &mut Object,
        question: &PlanQuestion,
    ) -> Result<(Plan, Option<HypoPg>), CatalogError> {
        let transaction = begin_read_only(connection, &self.settings).await?;
        let hypopg = HypoPg::find(&transaction).await?;
        if let Some(hypopg) = &hypopg {
            hypopg.reset(&transaction).await?;
        }
        transaction.rollback().await?;
        // Only the statement itself is looked at with the client's search path.
        let transaction = begin_as(connection, &self.settings, &question.sample).await?;
        let plan = explain(&transaction, &question.sample).await?;
        transaction.rollback().await?;
        Ok((plan, hypopg))
    }

    fn unavailable(&self, database: &str, error: &CatalogError, kept: bool) -> Unavailable {
        let mut why = error.to_string();
        if let Some(remedy) = error.remedy(database, &self.user) {
            why.push_str("; ");
            why.push_str(&remedy);
        }
        if kept {
            why.push_str("; what was read before is used");
        }
        tracing::debug!(database, why, "the catalogue was not read");
        Unavailable { what: format!("catalogue of {database}"), why }
    }
}
