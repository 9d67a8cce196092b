//! Statements.

use std::collections::BTreeMap;

use jiff::Timestamp;
use model::{FingerprintId, StrictId};
use serde::{Deserialize, Serialize};

/// One fingerprint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryReport {
    /// Its id.
    pub fingerprint: FingerprintId,
    /// Its strict ids.
    pub strict_ids: Vec<StrictId>,
    /// The normalised text.
    pub text: String,
    /// What it does and to which tables, such as `SELECT orders customers`; may be empty.
    #[serde(default)]
    pub summary: String,
    /// Statement class, such as `SELECT`.
    pub class: String,
    /// Statements done, failed ones included.
    pub calls: u64,
    /// Failed ones.
    pub failed: u64,
    /// Failed ones by SQLSTATE.
    pub errors: BTreeMap<String, u64>,
    /// Cut off by a disconnect.
    pub lost: u64,
    /// Rows returned or affected.
    pub rows: u64,
    /// Bytes from and to clients.
    pub bytes: u64,
    /// Of `bytes`, from clients.
    pub received_bytes: u64,
    /// Of `bytes`, to clients.
    pub sent_bytes: u64,
    /// Time as the clients saw it, ms.
    pub total_ms: f64,
    /// `total_ms` less `wait_ms`.
    pub database_ms: f64,
    /// Share of the `database_ms` of all that was selected, 0 to 1.
    pub share_of_time: f64,
    /// Mean as the clients saw it, ms.
    pub mean_ms: f64,
    /// Median, ms.
    pub p50_ms: f64,
    /// 95th percentile, ms.
    pub p95_ms: f64,
    /// 99th percentile, ms.
    pub p99_ms: f64,
    /// Longest, ms.
    pub max_ms: f64,
    /// Time to the answer's first byte, waiting left out: 95th percentile, ms.
    pub first_byte_p95_ms: f64,
    /// Time waiting for a server connection, ms.
    pub wait_ms: f64,
    /// The same: 95th percentile, ms.
    pub wait_p95_ms: f64,
    /// Databases it ran in.
    pub databases: Vec<String>,
    /// Users who ran it.
    pub users: Vec<String>,
    /// Applications that ran it.
    pub applications: Vec<String>,
    /// What the comments of its executions say, the most frequent first; not all of a long list.
    #[serde(default)]
    pub tags: Vec<TagReport>,
    /// Detectors that name it in a finding.
    pub findings: Vec<String>,
    /// Minute by minute, the oldest first; empty beyond the first statements of a long list.
    #[serde(default)]
    pub trend: Vec<TrendPoint>,
    /// How its latencies are spread, as the clients saw them.
    #[serde(default)]
    pub distribution: Vec<Bucket>,
    /// The slowest execution of late.
    #[serde(default)]
    pub sample: Option<SampleReport>,
    /// Its plans: each that differs once, the current one first.
    #[serde(default)]
    pub plans: Vec<PlanReport>,
    /// First seen since pgweir started.
    pub first_seen: Timestamp,
    /// Last seen.
    pub last_seen: Timestamp,
}

/// What comments say (sqlcommenter, Marginalia), such as the controller that sent the statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagReport {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// Executions that say so.
    pub calls: u64,
}

/// Statements that are not listed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remainder {
    /// How many fingerprints.
    pub fingerprints: u64,
    /// Statements done.
    pub calls: u64,
    /// Failed ones.
    pub failed: u64,
    /// Rows.
    pub rows: u64,
    /// Time as the clients saw it, ms.
    pub total_ms: f64,
    /// The same without waiting, ms.
    pub database_ms: f64,
    /// Share of the `database_ms` of all that was selected, 0 to 1.
    pub share_of_time: f64,
}

/// One minute of one statement, or of all; where the report reaches far back, an hour or more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrendPoint {
    /// When it began.
    pub minute: Timestamp,
    /// How much of it was measured, s; less than 60 in the first and the current one.
    pub measured_s: f64,
    /// Statements done, failed ones included.
    pub calls: u64,
    /// Failed ones.
    pub failed: u64,
    /// Time in the database, ms.
    pub database_ms: f64,
    /// 95th percentile as the clients saw it, ms.
    pub p95_ms: f64,
    /// Time waiting for a server connection: 95th percentile, ms.
    pub wait_p95_ms: f64,
}

/// Executions whose latency lies above the bucket before and up to this one's bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// The bound, ms.
    pub up_to_ms: f64,
    /// Executions, within the percentiles' error.
    pub calls: u64,
}

/// One execution. Its values are left out unless `selection.values_shown`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleReport {
    /// How long it took, waiting left out, ms.
    pub took_ms: f64,
    /// When it ended.
    pub at: Option<Timestamp>,
    /// The database.
    pub database: String,
    /// The text as sent, with the values written in it; only where values are shown.
    pub text: Option<String>,
    /// The bound values.
    pub parameters: Vec<SampleValue>,
}

/// A plan, as EXPLAIN prints it, with `$` in place of every value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanReport {
    /// Which one: of the `median`, `p95` or `slowest` execution's values, the `generic` one, the
    /// `current` one, or an `earlier` one.
    pub which: String,
    /// The database.
    pub database: String,
    /// What tells it from others, sixteen hexadecimal digits.
    pub shape: String,
    /// How long that execution took, ms; only where it is of an execution's values.
    pub took_ms: Option<f64>,
    /// When it was first seen; only of the current one and earlier ones.
    pub since: Option<Timestamp>,
    /// When it was last seen.
    pub until: Option<Timestamp>,
    /// Total cost, in the planner's units.
    pub cost: f64,
    /// Rows expected.
    pub rows: f64,
    /// The tree.
    pub text: String,
}

/// A bound value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleValue {
    /// Its type, where the client named it and it is a common one.
    pub type_name: Option<String>,
    /// Its length, bytes; none is NULL.
    pub bytes: Option<u64>,
    /// The value for reading; only where values are shown.
    pub value: Option<String>,
}
