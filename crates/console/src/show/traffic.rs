//! Traffic by database since the start and in the last complete minute, in PgBouncer's units.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{Snapshot, TransactionStats};

use super::Tick;
use crate::table::{Row, Value};

/// What PgBouncer counts of a database: its eleven columns, in their order.
pub(super) type Counters = [u64; 11];

/// A database's traffic.
pub(super) struct Traffic {
    pub(super) database: Arc<str>,
    /// Counts, bytes and µs since the start.
    pub(super) totals: Counters,
    /// Counts and bytes for each second, and µs for each transaction and query, except waiting,
    /// which is µs for each second.
    pub(super) averages: Counters,
}

impl Traffic {
    /// A row of the database's name and all `groups` of counters.
    pub(super) fn row(&self, groups: &[Counters]) -> Row {
        let name = Value::text(&*self.database);
        [name].into_iter().chain(groups.concat().into_iter().map(Value::Numeric)).collect()
    }
}

/// Traffic of all databases that have a pool or had traffic, by name.
pub(super) fn by_database(tick: &Tick<'_>) -> Vec<Traffic> {
    let snapshot = &tick.published.snapshot;
    let mut totals: BTreeMap<Arc<str>, Counters> = BTreeMap::new();
    for pool in tick.live.pools() {
        totals.insert(pool.key.database, Counters::default());
    }
    for (database, stats) in &snapshot.database_totals {
        totals.insert(Arc::clone(database), sums(stats));
    }
    // In a minute with very many kinds of clients some are counted as others, which have no totals.
    for database in snapshot.last_minute.keys() {
        totals.entry(Arc::clone(database)).or_default();
    }
    let seconds = seconds_of_last_minute(snapshot);
    let traffic = totals.into_iter().map(|(database, totals)| {
        let averages =
            snapshot.last_minute.get(&database).map(|stats| averages(&sums(stats), seconds));
        Traffic { averages: averages.unwrap_or_default(), database, totals }
    });
    traffic.collect()
}

/// Traffic of all databases together: totals and averages.
pub(super) fn of_all(tick: &Tick<'_>) -> (Counters, Counters) {
    let snapshot = &tick.published.snapshot;
    let mut all = TransactionStats::default();
    snapshot.database_totals.iter().for_each(|(_, stats)| all.merge(stats));
    let mut of_late = TransactionStats::default();
    snapshot.last_minute.values().for_each(|stats| of_late.merge(stats));
    (sums(&all), averages(&sums(&of_late), seconds_of_last_minute(snapshot)))
}

/// How many seconds of the last minute that is over were measured.
fn seconds_of_last_minute(snapshot: &Snapshot) -> u64 {
    let number = snapshot.taken_at.as_second().div_euclid(60) - 1;
    let begin = Timestamp::from_second(number * 60).unwrap_or(snapshot.taken_at);
    let missed = snapshot.started_at.duration_since(begin).as_secs().clamp(0, 59);
    60 - missed.unsigned_abs()
}

fn sums(stats: &TransactionStats) -> Counters {
    let in_transaction = stats.duration.saturating_sub(stats.wait);
    [
        // Each transaction is given a server connection once.
        stats.transactions,
        stats.transactions,
        stats.statements,
        stats.bytes_received,
        stats.bytes_sent,
        micros(in_transaction),
        micros(in_transaction.saturating_sub(stats.idle)),
        micros(stats.wait),
        stats.client_parses,
        stats.server_parses,
        stats.binds,
    ]
}

fn averages(sums: &Counters, seconds: u64) -> Counters {
    let [_, transactions, queries, _, _, in_transaction, in_query, ..] = *sums;
    let mut averages = sums.map(|sum| sum / seconds.max(1));
    averages[5] = in_transaction / transactions.max(1);
    averages[6] = in_query / queries.max(1);
    averages
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
