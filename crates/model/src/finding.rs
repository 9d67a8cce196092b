//! What a detector reports, and all that is published at a tick.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{CatalogFacts, FingerprintId, FixResult, Snapshot};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Costs time now.
    Warning,
    /// Users are waiting or failing now.
    Critical,
}

/// How sure the detector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// From statistics alone.
    Low,
    /// The planner's estimate.
    Medium,
    /// Measured, or the planner's estimate with the index in place (HypoPG).
    High,
}

/// One number or text of evidence. The unit is in its name (`_ms`, `_bytes`, `_ratio`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Evidence {
    /// A count.
    Int(i64),
    /// A measure.
    Float(f64),
    /// A name.
    Text(String),
}

impl From<f64> for Evidence {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}
impl From<u64> for Evidence {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}
impl From<&str> for Evidence {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
impl From<String> for Evidence {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

/// What to do about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    /// SQL to run, where SQL is the fix.
    pub sql: Option<String>,
    /// SQL that takes it back.
    pub undo: Option<String>,
    /// The change in the application or configuration, where SQL is not the fix.
    pub advice: Option<String>,
}

/// What a detector reports: seen, why it hurts, what to do, how sure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The detector's name, such as `missing_index`.
    pub detector: String,
    /// How bad.
    pub severity: Severity,
    /// One line: what is wrong, with the names that matter.
    pub title: String,
    /// Why it hurts, in a sentence or two with numbers.
    pub why: String,
    /// The numbers behind it.
    pub evidence: BTreeMap<String, Evidence>,
    /// The statements concerned.
    pub fingerprints: Vec<FingerprintId>,
    /// The tables concerned, `schema.table`.
    pub tables: Vec<String>,
    /// The database concerned, where it is one.
    pub database: Option<String>,
    /// What to do.
    pub fix: Fix,
    /// What the fix is expected to change.
    pub estimate: BTreeMap<String, Evidence>,
    /// How sure.
    pub confidence: Confidence,
    /// The page that explains the detector, relative to docs/.
    pub runbook: String,
    /// What it costs, ms of client time in the window; findings are ordered by it.
    pub harm_ms: f64,
}

/// A check that could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotChecked {
    /// The detector, or what part of it.
    pub check: String,
    /// Why not, and what would make it possible.
    pub why: String,
}

/// Everything that one tick made, behind one pointer, so that all views of it agree.
#[derive(Clone, Debug)]
pub struct Published {
    /// The statistics.
    pub snapshot: Arc<Snapshot>,
    /// The catalogue as last read.
    pub catalog: Arc<CatalogFacts>,
    /// What the detectors said.
    pub findings: Vec<Finding>,
    /// Detectors that ran to their end.
    pub checked: Vec<String>,
    /// Checks that could not be made.
    pub not_checked: Vec<NotChecked>,
    /// What became of earlier findings whose fix was made, the latest first.
    pub results: Vec<FixResult>,
}
