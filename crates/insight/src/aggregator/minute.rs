//! The minute that is being measured.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::{
    Binned, ById, ConnectionStats, FingerprintId, Histogram, LabelId, Labels, Minute, PoolKey,
    PoolMinute, QueryStats, RowKey, SqlState, TransactionStats,
};

/// Codes counted apart in one place. A server can be made to raise any of 36⁵ codes.
const CODES_LIMIT: usize = 32;
/// Pools counted apart in one minute. A client can ask for databases that do not exist.
const POOLS_LIMIT: usize = 1_000;

/// A minute whose pools are in part still known by label alone.
#[derive(Clone, Debug)]
pub(super) struct OpenMinute {
    pub(super) minute: Minute,
    held: ById<LabelId, PoolTimes>,
}

#[derive(Clone, Debug, Default)]
struct PoolTimes {
    wait: Histogram,
    held: Histogram,
}

impl OpenMinute {
    pub(super) fn new(minute: i64) -> Self {
        Self { minute: Minute { minute, ..Minute::default() }, held: ById::default() }
    }

    /// Where `wanted` is counted: in its own row while there is room, then in its fingerprint's
    /// row of all other clients, then in the others row.
    pub(super) fn row(
        &mut self,
        wanted: RowKey,
        row_limit: usize,
        fingerprint_limit: usize,
    ) -> (RowKey, &mut QueryStats) {
        let rows = &mut self.minute.queries;
        let others = LabelId::OTHERS;
        let folded = RowKey { fingerprint: wanted.fingerprint, labels: others };
        let key = if rows.len() < row_limit || rows.contains_key(&wanted) {
            wanted
        // One more, for the others row.
        } else if rows.contains_key(&folded) || rows.len() < row_limit + fingerprint_limit + 1 {
            folded
        } else {
            RowKey { fingerprint: FingerprintId::OTHERS, labels: others }
        };
        (key, rows.entry(key).or_default())
    }

    pub(super) fn pool(&mut self, key: &PoolKey) -> &mut PoolMinute {
        let pools = &mut self.minute.pools;
        if pools.len() >= POOLS_LIMIT && !pools.contains_key(key) {
            let others: Arc<str> = Arc::from("(others)");
            return pools
                .entry(PoolKey { database: Arc::clone(&others), user: others })
                .or_default();
        }
        pools.entry(key.clone()).or_default()
    }

    /// Notes how long a transaction waited for a server connection and then held it.
    pub(super) fn held(&mut self, labels: LabelId, wait: &Binned, held: &Binned) {
        let times = self.held.entry(labels).or_default();
        times.wait.record_binned(wait);
        times.held.record_binned(held);
    }

    /// The labels named anywhere in it.
    pub(super) fn labels(&self) -> BTreeSet<LabelId> {
        let mut named = self.held.keys().copied().collect();
        labels(&self.minute, &mut named);
        named
    }

    /// The minute for a snapshot, with the times of transactions charged to their pools and at
    /// most `rows` rows and kinds of clients besides the others.
    pub(super) fn finish(mut self, labels: &HashMap<LabelId, Arc<Labels>>, rows: usize) -> Minute {
        for (id, times) in std::mem::take(&mut self.held) {
            let Some(labels) = labels.get(&id) else {
                continue;
            };
            let key =
                PoolKey { database: Arc::clone(&labels.database), user: Arc::clone(&labels.user) };
            let pool = self.pool(&key);
            pool.wait.merge(&times.wait);
            pool.held.merge(&times.held);
        }
        keep_largest(&mut self.minute, rows);
        self.minute
    }
}

/// Adds the labels named anywhere in `minute`.
pub(super) fn labels(minute: &Minute, named: &mut BTreeSet<LabelId>) {
    named.extend(minute.queries.keys().map(|key| key.labels));
    named.extend(minute.transactions.keys());
    named.extend(minute.arrivals.keys());
    named.extend(minute.slow.iter().map(|statement| statement.labels));
}

/// The kind that a client of the kind `wanted` is counted as: its own while there is room.
pub(super) fn kind<V>(kinds: &ById<LabelId, V>, wanted: LabelId, limit: usize) -> LabelId {
    let room = kinds.len() < limit || kinds.contains_key(&wanted);
    if room { wanted } else { LabelId::OTHERS }
}

/// Whether [`keep_largest`] has something to do.
pub(super) fn is_larger(minute: &Minute, keep: usize) -> bool {
    let lengths = [minute.queries.len(), minute.transactions.len(), minute.arrivals.len()];
    lengths.iter().any(|length| *length > keep + 1)
}

/// Folds all rows and kinds of clients but the `keep` largest of each into the others row.
pub(super) fn keep_largest(minute: &mut Minute, keep: usize) {
    let others = RowKey { fingerprint: FingerprintId::OTHERS, labels: LabelId::OTHERS };
    let time = |row: &QueryStats| (row.total.sum_ms() * 1e3) as u64;
    model::keep_largest(&mut minute.queries, keep, others, time, QueryStats::merge);
    let time = |of: &TransactionStats| of.duration;
    model::keep_largest(
        &mut minute.transactions,
        keep,
        LabelId::OTHERS,
        time,
        TransactionStats::merge,
    );
    let number = |of: &ConnectionStats| of.opened + of.closed;
    model::keep_largest(
        &mut minute.arrivals,
        keep,
        LabelId::OTHERS,
        number,
        ConnectionStats::merge,
    );
}

/// Counts `code`, as `XX000` (internal error) where too many differ.
pub(super) fn count_code(codes: &mut BTreeMap<SqlState, u64>, code: SqlState) {
    let room = codes.len() < CODES_LIMIT || codes.contains_key(&code);
    let counted = if room { code } else { SqlState::from_bytes(b"XX000") };
    *codes.entry(counted).or_default() += 1;
}
