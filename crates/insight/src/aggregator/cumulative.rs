//! What is counted since the process started and never forgotten: what a scrape wants.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::{
    Binned, ById, ConnectionEvent, HeldLabels, LabelId, LabelRegistry, Labels, Outcome, PoolKey,
    PoolTotals, QueryEvent, SqlState, TransactionEvent,
};

use super::admitted::{ADMITTED_LIMIT, Admitted};
use super::minute::count_code;

/// Counts since the start, by kind of client; kinds are bounded by the label registry.
#[derive(Debug, Default)]
pub(super) struct Cumulative {
    by_labels: ById<LabelId, Box<PoolTotals>>,
    /// What was counted of kinds that are forgotten.
    of_forgotten: BTreeMap<PoolKey, PoolTotals>,
    connect_failures: HashMap<PoolKey, BTreeMap<SqlState, u64>>,
    pub(super) refused: BTreeMap<SqlState, u64>,
    /// The pools told apart.
    admitted: Admitted<PoolKey>,
}

impl Cumulative {
    pub(super) fn query(&mut self, event: &QueryEvent, total: &Binned) {
        let totals = self.by_labels.entry(event.labels).or_default();
        totals.rows += event.rows;
        match event.outcome {
            Outcome::Lost => totals.lost += 1,
            Outcome::Done => totals.statements.record_binned(total),
            Outcome::Failed(code) => {
                totals.statements.record_binned(total);
                count_code(&mut totals.errors, code);
            }
        }
    }

    pub(super) fn transaction(
        &mut self,
        event: &TransactionEvent,
        duration: &Binned,
        wait: &Binned,
    ) {
        let totals = self.by_labels.entry(event.labels).or_default();
        totals.transactions.record_binned(duration);
        totals.waits.record_binned(wait);
        totals.pinned_transactions += u64::from(event.pinned.is_some());
        totals.idle_in_transaction += event.idle;
        totals.client_parses += u64::from(event.client_parses);
        totals.server_parses += u64::from(event.server_parses);
        totals.binds += u64::from(event.binds);
        totals.bytes_received += event.bytes_received;
        totals.bytes_sent += event.bytes_sent;
    }

    pub(super) fn connection(&mut self, event: &ConnectionEvent) {
        match event {
            ConnectionEvent::Opened { labels, .. } => {
                self.by_labels.entry(*labels).or_default().clients_opened += 1;
            }
            ConnectionEvent::Closed { labels, .. } => {
                self.by_labels.entry(*labels).or_default().clients_closed += 1;
            }
            ConnectionEvent::Refused { sqlstate, .. } => count_code(&mut self.refused, *sqlstate),
            ConnectionEvent::ServerFailed { pool, sqlstate } => {
                let failures = &mut self.connect_failures;
                let room = failures.len() < ADMITTED_LIMIT || failures.contains_key(pool);
                let key = if room { pool.clone() } else { others() };
                count_code(failures.entry(key).or_default(), *sqlstate);
            }
        }
    }

    /// The registry has forgotten a kind: what was counted of it stays with its pool.
    pub(super) fn forget(&mut self, kind: &HeldLabels) {
        let Some(totals) = self.by_labels.remove(&kind.id()) else { return };
        let key = self.admitted.admit(pool_of(kind), &others());
        self.of_forgotten.entry(key).or_default().merge(&totals);
    }

    /// By pool. One that is told apart stays so, so that no count ever moves from one to another.
    pub(super) fn pools(&mut self, labels: &LabelRegistry) -> BTreeMap<PoolKey, PoolTotals> {
        let (mut pools, others) = (self.of_forgotten.clone(), others());
        // Those that came first are told apart first.
        let mut kinds: Vec<_> = self.by_labels.iter().collect();
        kinds.sort_unstable_by_key(|(id, _)| **id);
        for (id, totals) in kinds {
            let key = self.admitted.admit(pool_of(&labels.get(*id)), &others);
            pools.entry(key).or_default().merge(totals);
        }
        for (key, codes) in &self.connect_failures {
            let failed = PoolTotals { connect_failures: codes.clone(), ..PoolTotals::default() };
            let key = self.admitted.admit(key.clone(), &others);
            pools.entry(key).or_default().merge(&failed);
        }
        pools
    }
}

fn pool_of(labels: &Labels) -> PoolKey {
    PoolKey { database: Arc::clone(&labels.database), user: Arc::clone(&labels.user) }
}

/// What stands for the pools beyond the bound.
fn others() -> PoolKey {
    let others: Arc<str> = Arc::from("(others)");
    PoolKey { database: Arc::clone(&others), user: others }
}
