//! From a measured minute to rows, and from rows of short times to those of longer ones.

use std::collections::HashMap;
use std::sync::Arc;

use model::{
    ConnectionStats, FingerprintId, LabelId, Labels, Minute, PoolKey, PoolMinute, QueryStats, Tags,
    TransactionStats,
};

use crate::codec;
use crate::error::Damaged;

/// What a row that is not of a statement is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// Transactions by kind of client.
    Transactions,
    /// A pool.
    Pool,
    /// All client connections.
    Connections,
    /// Client connections by kind of client.
    Arrivals,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 4] =
        [Self::Transactions, Self::Pool, Self::Connections, Self::Arrivals];

    /// How rows are marked in SQLite.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Transactions => 1,
            Self::Pool => 2,
            Self::Connections => 3,
            Self::Arrivals => 4,
        }
    }

    /// How rows are marked in PostgreSQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Transactions => "transactions",
            Self::Pool => "pool",
            Self::Connections => "connections",
            Self::Arrivals => "connections by client",
        }
    }
}

/// The statistics of one time, by what they are of in words that outlive the process. Pools are named
/// by labels without an application.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rows {
    pub(crate) queries: HashMap<(FingerprintId, Arc<Labels>), QueryStats>,
    pub(crate) transactions: HashMap<Arc<Labels>, TransactionStats>,
    pub(crate) pools: HashMap<Arc<Labels>, PoolMinute>,
    pub(crate) connections: ConnectionStats,
    pub(crate) arrivals: HashMap<Arc<Labels>, ConnectionStats>,
    pub(crate) dropped: u64,
}

/// The labels of what is told apart no more.
pub(crate) fn others() -> Arc<Labels> {
    let others: Arc<str> = Arc::from("(others)");
    Arc::new(Labels::new(Arc::clone(&others), Arc::clone(&others), others))
}

/// The labels that name a pool.
pub(crate) fn pool_labels(key: &PoolKey) -> Labels {
    Labels::new(Arc::clone(&key.database), Arc::clone(&key.user), "")
}

/// Tags as one text: JSON, or nothing where there are none.
pub(crate) fn text_of_tags(tags: &Tags) -> String {
    if tags.is_empty() {
        return String::new();
    }
    // Names and values are texts: that cannot fail, and without tags it would still be right.
    serde_json::to_string(tags).unwrap_or_default()
}

/// Labels as they were written; tags that cannot be read are left out.
pub(crate) fn labels_of_texts(
    database: Arc<str>,
    user: Arc<str>,
    application: Arc<str>,
    tags: &str,
) -> Labels {
    let tags: Tags = serde_json::from_str(tags).unwrap_or_default();
    Labels { tags: Arc::new(tags), ..Labels::new(database, user, application) }
}

impl Rows {
    /// The rows of a minute as it was measured.
    pub(crate) fn of(minute: &Minute, labels: &HashMap<LabelId, Arc<Labels>>) -> Self {
        let others = others();
        let named = |id: &LabelId| Arc::clone(labels.get(id).unwrap_or(&others));
        let mut rows = Self {
            connections: minute.connections.clone(),
            dropped: minute.dropped,
            ..Self::default()
        };
        for (key, stats) in &minute.queries {
            let key = (key.fingerprint, named(&key.labels));
            rows.queries.entry(key).or_default().merge(stats);
        }
        for (id, stats) in &minute.transactions {
            rows.transactions.entry(named(id)).or_default().merge(stats);
        }
        for (key, stats) in &minute.pools {
            rows.pools.insert(Arc::new(pool_labels(key)), stats.clone());
        }
        for (id, stats) in &minute.arrivals {
            rows.arrivals.entry(named(id)).or_default().merge(stats);
        }
        rows
    }

    /// Takes a row of another kind than a statement's.
    pub(crate) fn add_traffic(
        &mut self,
        kind: Kind,
        labels: &Arc<Labels>,
        stats: &[u8],
    ) -> Result<(), Damaged> {
        let labels = || Arc::clone(labels);
        match kind {
            Kind::Transactions => {
                let stats = codec::decode_transactions(stats)?;
                self.transactions.entry(labels()).or_default().merge(&stats);
            }
            Kind::Pool => {
                let stats = codec::decode_pool(stats)?;
                self.pools.entry(labels()).or_default().merge(&stats);
            }
            Kind::Connections => self.connections.merge(&codec::decode_connections(stats)?),
            Kind::Arrivals => {
                let stats = codec::decode_connections(stats)?;
                self.arrivals.entry(labels()).or_default().merge(&stats);
            }
        }
        Ok(())
    }

    /// The rows of other kinds than a statement's, in their binary form.
    pub(crate) fn traffic(&self) -> Vec<(Kind, Arc<Labels>, Vec<u8>)> {
        let mut rows = Vec::new();
        for (labels, stats) in &self.transactions {
            rows.push((Kind::Transactions, Arc::clone(labels), codec::encode_transactions(stats)));
        }
        for (labels, stats) in &self.pools {
            rows.push((Kind::Pool, Arc::clone(labels), codec::encode_pool(stats)));
        }
        if self.connections != ConnectionStats::default() {
            let stats = codec::encode_connections(&self.connections);
            rows.push((Kind::Connections, others(), stats));
        }
        for (labels, stats) in &self.arrivals {
            rows.push((Kind::Arrivals, Arc::clone(labels), codec::encode_connections(stats)));
        }
        rows
    }

    /// Folds all statements' rows and kinds of clients but the `keep` largest of each into the others
    /// row.
    pub(crate) fn keep_largest(&mut self, keep: usize) {
        let time = |row: &QueryStats| row.total.sum();
        let statement = (FingerprintId::OTHERS, others());
        model::keep_largest(&mut self.queries, keep, statement, time, QueryStats::merge);
        let time = |of: &TransactionStats| of.duration;
        model::keep_largest(&mut self.transactions, keep, others(), time, TransactionStats::merge);
        let number = |of: &ConnectionStats| of.opened + of.closed;
        model::keep_largest(&mut self.arrivals, keep, others(), number, ConnectionStats::merge);
    }
}
