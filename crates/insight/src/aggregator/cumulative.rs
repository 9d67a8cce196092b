//! What is counted since the process started and never forgotten: what a scrape wants.

use std::collections::BTreeMap;

use model::{
    Binned, ConnectionEvent, LabelRegistry, Outcome, PoolKey, PoolTotals, QueryEvent, SqlState,
    TransactionEvent,
};

use super::minute::count_code;
use super::places::{Places, at};

/// Counts since the start, at the places of pools.
#[derive(Debug, Default)]
pub(super) struct Cumulative {
    pools: Vec<PoolTotals>,
    pub(super) refused: BTreeMap<SqlState, u64>,
}

impl Cumulative {
    /// Counts a statement of the pool at the place `pool`.
    pub(super) fn query(&mut self, pool: usize, event: &QueryEvent, total: &Binned) {
        let totals = at(&mut self.pools, pool);
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

    /// Counts a transaction of the pool at the place `pool`.
    pub(super) fn transaction(
        &mut self,
        pool: usize,
        event: &TransactionEvent,
        duration: &Binned,
        wait: &Binned,
    ) {
        let totals = at(&mut self.pools, pool);
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

    pub(super) fn connection(
        &mut self,
        event: &ConnectionEvent,
        places: &mut Places,
        labels: &LabelRegistry,
    ) {
        match event {
            ConnectionEvent::Opened { labels: kind, .. } => {
                at(&mut self.pools, places.pool_of(*kind, labels)).clients_opened += 1;
            }
            ConnectionEvent::Closed { labels: kind, .. } => {
                at(&mut self.pools, places.pool_of(*kind, labels)).clients_closed += 1;
            }
            ConnectionEvent::Refused { sqlstate, .. } => count_code(&mut self.refused, *sqlstate),
            ConnectionEvent::ServerFailed { pool, sqlstate } => {
                let totals = at(&mut self.pools, places.pools.admit(pool.clone()));
                count_code(&mut totals.connect_failures, *sqlstate);
            }
        }
    }

    /// By pool.
    pub(super) fn pools(&self, places: &Places) -> BTreeMap<PoolKey, PoolTotals> {
        let counted =
            places.pools.name(&self.pools).filter(|(_, totals)| **totals != PoolTotals::default());
        counted.map(|(key, totals)| (key.clone(), totals.clone())).collect()
    }
}
