//! Two windows: what got worse.

use model::FingerprintId;
use serde::{Deserialize, Serialize};

use super::{TotalsReport, Window};

/// What changed for the worse from one window to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowComparison {
    /// The window before.
    pub baseline: Window,
    /// All statements of the window before.
    pub totals: TotalsReport,
    /// The statements that got worse, the most harmful first.
    pub worse: Vec<Change>,
    /// Statements whose p95 fell by a third or more.
    pub faster: u64,
    /// Statements seen before that did not run since.
    pub gone: u64,
}

/// A statement that got worse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Which.
    pub fingerprint: FingerprintId,
    /// Its normalised text.
    pub text: String,
    /// In what way.
    pub signs: Vec<ChangeSign>,
    /// Before; none where it did not run.
    pub before: Option<Pace>,
    /// Since.
    pub after: Pace,
    /// What it costs: more time of clients, ms a second, with a second for each failure more.
    pub harm_ms_per_s: f64,
}

/// In what way a statement got worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeSign {
    /// It did not run before.
    New,
    /// It runs at least twice as often.
    RateStep,
    /// Its p95 rose by half or more.
    P95Step,
    /// It fails more often.
    Errors,
}

/// How a statement ran in one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pace {
    /// Statements done, failed ones included.
    pub calls: u64,
    /// The same by the second.
    pub calls_per_s: f64,
    /// Failed ones.
    pub failed: u64,
    /// Mean as the clients saw it, ms.
    pub mean_ms: f64,
    /// 95th percentile, ms.
    pub p95_ms: f64,
    /// Time of clients, ms a second.
    pub total_ms_per_s: f64,
}
