//! What became of a finding: before and after a fix, as measured.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Evidence, FingerprintId, Severity};

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Too little was measured since.
    Measuring,
    /// The statements take less time than before.
    Better,
    /// Neither better nor worse by more than two measurements differ.
    Same,
    /// The statements take more time than before.
    Worse,
}

/// What an effect is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// How long one execution takes.
    #[default]
    Latency,
    /// How often the statements run.
    Calls,
    /// How often they fail.
    Failures,
}

/// What was measured of a group of statements in one stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// From when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Statements done, failed ones included.
    pub calls: u64,
    /// The same by the second.
    pub calls_per_s: f64,
    /// Failed ones.
    pub failed: u64,
    /// Mean as the clients saw it, ms.
    pub mean_ms: f64,
    /// Mean without waiting for a server connection, ms.
    pub database_mean_ms: f64,
    /// 95th percentile as the clients saw it, ms.
    pub p95_ms: f64,
    /// Share of all time in the database, 0 to 1.
    pub share_of_time: f64,
}

/// Another statement that got slower with the change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SideEffect {
    /// Which.
    pub fingerprint: FingerprintId,
    /// Its normalised text.
    pub text: String,
    /// Mean before, without waiting, ms.
    pub before_ms: f64,
    /// Mean after, without waiting, ms.
    pub after_ms: f64,
}

/// A finding whose fix was made: what changed and when, and what it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FixResult {
    /// The finding's detector.
    pub detector: String,
    /// How bad the finding was.
    pub severity: Severity,
    /// The finding's title.
    pub title: String,
    /// The database concerned, where it is one.
    pub database: Option<String>,
    /// The statements concerned.
    pub fingerprints: Vec<FingerprintId>,
    /// The tables concerned, `schema.table`.
    pub tables: Vec<String>,
    /// What was seen to change.
    pub change: String,
    /// When that was first seen.
    pub changed_at: Timestamp,
    /// The last look at which it was not yet so; the change lies between the two.
    pub unchanged_at: Option<Timestamp>,
    /// What it did.
    pub effect: Effect,
    /// What that is judged by.
    pub judged_by: Basis,
    /// As it was.
    pub before: Measured,
    /// As it is.
    pub after: Measured,
    /// What the finding had expected of the fix.
    pub estimate: BTreeMap<String, Evidence>,
    /// SQL that takes the change back, where the finding had it.
    pub undo: Option<String>,
    /// Other statements on the same tables that got slower since.
    pub slower: Vec<SideEffect>,
}
