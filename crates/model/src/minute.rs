//! One minute of statistics.

use std::collections::HashMap;

use crate::{
    ById, ConnectionStats, LabelId, PoolKey, PoolMinute, QueryStats, RowKey, SlowStatement,
    TransactionStats,
};

/// One minute of statistics; from a history also an hour, a day, or the part of one that was asked
/// for.
#[derive(Clone, Debug)]
pub struct Minute {
    /// When it began: whole minutes since the Unix epoch.
    pub minute: i64,
    /// How many minutes it is of; 1 where it was measured.
    pub span_minutes: u32,
    /// Statements.
    pub queries: ById<RowKey, QueryStats>,
    /// Transactions, by kind of client.
    pub transactions: ById<LabelId, TransactionStats>,
    /// Pools.
    pub pools: HashMap<PoolKey, PoolMinute>,
    /// Client connections.
    pub connections: ConnectionStats,
    /// Those that were logged in, by kind of client.
    pub arrivals: ById<LabelId, ConnectionStats>,
    /// Statements that took long, the first some hundred of the minute.
    pub slow: Vec<SlowStatement>,
    /// Events that were dropped because the aggregator fell behind.
    pub dropped: u64,
}

impl Default for Minute {
    fn default() -> Self {
        Self {
            minute: 0,
            span_minutes: 1,
            queries: ById::default(),
            transactions: ById::default(),
            pools: HashMap::new(),
            connections: ConnectionStats::default(),
            arrivals: ById::default(),
            slow: Vec::new(),
            dropped: 0,
        }
    }
}

impl Minute {
    /// The first minute after it.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.minute.saturating_add(i64::from(self.span_minutes))
    }

    /// Whether any of its minutes is between these two, both included.
    #[must_use]
    pub fn overlaps(&self, first: i64, last: i64) -> bool {
        self.minute <= last && self.end() > first
    }

    /// Adds all that `other` has, but for its slow statements, which only the minutes in memory
    /// keep.
    pub fn merge(&mut self, other: &Self) {
        for (key, stats) in &other.queries {
            self.queries.entry(*key).or_default().merge(stats);
        }
        for (labels, stats) in &other.transactions {
            self.transactions.entry(*labels).or_default().merge(stats);
        }
        for (pool, stats) in &other.pools {
            self.pools.entry(pool.clone()).or_default().merge(stats);
        }
        self.connections.merge(&other.connections);
        for (labels, stats) in &other.arrivals {
            self.arrivals.entry(*labels).or_default().merge(stats);
        }
        self.dropped += other.dropped;
    }
}
