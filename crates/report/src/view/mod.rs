//! The report as data: what the JSON format holds, and what the other renderers show.
//!
//! Numbers carry their unit in the name, times are RFC 3339 UTC. Fields may be added within one
//! schema number; none is renamed or changes its meaning.

mod comparison;
mod query;
mod traffic;

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::{Finding, FixResult, NotChecked, PoolMode};
use serde::{Deserialize, Serialize};

use crate::options::{FingerprintPrefix, Sort, Tag};

pub use comparison::{Change, ChangeSign, Pace, WindowComparison};
pub use query::{
    Bucket, PlanReport, QueryReport, Remainder, SampleReport, SampleValue, TagReport, TrendPoint,
};
pub use traffic::{ConnectionsReport, HealthReport, TransactionsReport};

/// The name of this make of report.
pub const SCHEMA: &str = "pgweir.report/1";

/// A report on a window of time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// The version of pgweir that measured.
    pub pgweir_version: String,
    /// When the statistics were taken.
    pub generated_at: Timestamp,
    /// What the report is about.
    pub window: Window,
    /// Whose statements, and in which order.
    #[serde(default)]
    pub selection: Selection,
    /// The top causes in plain sentences; one sentence when all is well.
    pub verdict: Vec<String>,
    /// How complete the picture is.
    pub coverage: CoverageReport,
    /// What is wrong, the most harmful first.
    pub findings: Vec<Finding>,
    /// What became of earlier findings whose fix was made, the latest first.
    #[serde(default)]
    pub results: Vec<FixResult>,
    /// What got worse since the time before, where that was asked for.
    #[serde(default)]
    pub comparison: Option<WindowComparison>,
    /// All statements of the window.
    pub totals: TotalsReport,
    /// The same minute by minute, the oldest first.
    #[serde(default)]
    pub trend: Vec<TrendPoint>,
    /// The statements, ordered as `selection.sort` says.
    pub queries: Vec<QueryReport>,
    /// Statements that are not listed in `queries`.
    pub remainder: Option<Remainder>,
    /// Pools.
    pub pools: Vec<PoolReport>,
    /// Transactions.
    #[serde(default)]
    pub transactions: TransactionsReport,
    /// Client connections, whatever was selected.
    #[serde(default)]
    pub connections: ConnectionsReport,
    /// Numbers that say whether all is well, finding or not.
    #[serde(default)]
    pub health: Vec<HealthReport>,
    /// Detectors that ran to their end.
    pub checked: Vec<String>,
    /// Checks that could not be made, with why.
    pub not_checked: Vec<NotChecked>,
}

/// The time that a report is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// From when on data was taken.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Between the two, s.
    pub duration_s: f64,
}

/// How complete the picture is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CoverageReport {
    /// When measuring began.
    pub started_at: Timestamp,
    /// What was measured since then was looked at for faults: with a restart that begins anew.
    #[serde(default)]
    pub examined_since: Option<Timestamp>,
    /// Statements measured in the window.
    pub statements: u64,
    /// Of these, counted in the others row because the limit on fingerprints was reached.
    pub others: u64,
    /// Measurements lost in the window because the analysis fell behind.
    pub dropped: u64,
    /// Fingerprints seen in the window.
    pub fingerprints: u64,
    /// The most fingerprints that are kept.
    pub fingerprint_limit: u64,
    /// Of the window's fingerprints, those that the SQL parser could read.
    pub parsed: u64,
    /// Client connections now.
    pub clients: u64,
    /// `server_version_num` of the upstream; 0 when unknown.
    pub server_version: u32,
    /// When the catalogue was last read.
    pub catalog_read_at: Option<Timestamp>,
    /// What the numbers do not hold, or hold too much of, in plain sentences.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Whose statements a report is about, and in which order they are listed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// Only clients of this database.
    pub database: Option<String>,
    /// Only clients that call themselves so.
    pub application: Option<String>,
    /// Only statements whose comments say this.
    #[serde(default)]
    pub tag: Option<Tag>,
    /// Only statements whose fingerprint begins so are listed.
    pub fingerprint: Option<FingerprintPrefix>,
    /// The order of `queries`.
    pub sort: Sort,
    /// Whether the values that clients bound are shown.
    pub values_shown: bool,
}

/// All statements of the window together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TotalsReport {
    /// Statements done, failed ones included.
    pub calls: u64,
    /// Failed ones.
    pub failed: u64,
    /// Cut off by a disconnect.
    pub lost: u64,
    /// Rows returned or affected.
    pub rows: u64,
    /// Time as the clients saw it, ms.
    pub total_ms: f64,
    /// Of `total_ms`, time waiting for a server connection, ms.
    pub wait_ms: f64,
    /// `total_ms` less `wait_ms`.
    pub database_ms: f64,
    /// Median as the clients saw it, ms.
    pub p50_ms: f64,
    /// 95th percentile, ms.
    pub p95_ms: f64,
    /// 99th percentile, ms.
    pub p99_ms: f64,
}

/// One pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolReport {
    /// Database.
    pub database: String,
    /// User.
    pub user: String,
    /// Mode; none when the pool is gone.
    pub mode: Option<PoolMode>,
    /// Server connections allowed.
    pub size: u32,
    /// Clients that hold a server connection or are idle, now.
    pub clients_active: u32,
    /// Clients in the queue, now.
    pub clients_waiting: u32,
    /// The longest queue seen in the window.
    pub most_waiting: u32,
    /// The most server connections in use.
    pub most_active: u32,
    /// Transactions in the window.
    pub transactions: u64,
    /// Share of the pool's capacity (size times window) in which its connections were held, 0 to 1.
    pub busy_ratio: f64,
    /// Share of looks at the pool that found clients waiting, 0 to 1.
    pub waiting_ratio: f64,
    /// Time that a transaction waited: median, ms.
    pub wait_p50_ms: f64,
    /// The same: 95th percentile, ms.
    pub wait_p95_ms: f64,
    /// The longest, ms.
    pub wait_max_ms: f64,
    /// Time that a transaction held a server connection: 95th percentile, ms.
    pub held_p95_ms: f64,
    /// Attempts to open a server connection that failed, by SQLSTATE.
    pub connect_failures: BTreeMap<String, u64>,
}
