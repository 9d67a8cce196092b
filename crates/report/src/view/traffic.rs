//! Transactions, connections, and the numbers of health.

use std::collections::BTreeMap;

use model::{Evidence, FingerprintId};
use serde::{Deserialize, Serialize};

/// Transactions of the clients selected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TransactionsReport {
    /// Transactions over, single statements included.
    pub transactions: u64,
    /// Of these, explicit blocks.
    pub blocks: u64,
    /// Of these, run by clients that kept their server connection (pinned).
    pub pinned: u64,
    /// Statements in them.
    pub statements: u64,
    /// Duration of the blocks: 95th percentile, ms.
    pub block_p95_ms: f64,
    /// The longest block, ms.
    pub block_max_ms: f64,
    /// Share of the time that blocks were open in which the server had nothing to do, 0 to 1.
    pub idle_ratio: f64,
    /// The longest stretch of it, ms.
    pub longest_idle_ms: f64,
    /// The statement before that stretch.
    pub idle_after: Option<FingerprintId>,
}

/// Client connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConnectionsReport {
    /// Logged in.
    pub opened: u64,
    /// Gone.
    pub closed: u64,
    /// Refused, by SQLSTATE.
    pub refused: BTreeMap<String, u64>,
    /// How long those that are gone were logged in: median, ms.
    pub lifetime_p50_ms: f64,
}

/// A number that says whether all is well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthReport {
    /// What it is, with its unit in the name.
    pub name: String,
    /// The number.
    pub value: Evidence,
    /// Whether it is as it should be.
    pub good: bool,
    /// What it means.
    pub meaning: String,
}
