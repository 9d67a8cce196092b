//! Plans of a statement: with several clients' values, without any, and as they changed.

use jiff::Timestamp;

use crate::Sample;

/// What distinguishes plans of one statement: a hash of their nodes, tables and indexes, stable
/// across restarts. Costs, row counts and values are not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanShape(pub u64);

impl std::fmt::Display for PlanShape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Which of a statement's executions a sample stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SampleRank {
    /// Half of the samples were faster.
    Median,
    /// Nineteen of twenty were.
    P95,
    /// None was slower.
    Slowest,
    /// The one whose plan was noted before: whether the plan changed is only told by the same values.
    Earlier,
}

impl SampleRank {
    /// As the report says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::P95 => "p95",
            Self::Slowest => "slowest",
            Self::Earlier => "earlier values",
        }
    }
}

/// An execution, and how long it took.
#[derive(Clone, Debug)]
pub struct RankedSample {
    /// What it stands for.
    pub rank: SampleRank,
    /// Its time in the database, ms.
    pub took_ms: f64,
    /// Text and values.
    pub sample: Sample,
}

/// A plan for the values of one client.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanVariant {
    /// Which execution it was.
    pub rank: SampleRank,
    /// Its time in the database, ms.
    pub took_ms: f64,
    /// The plan.
    pub plan: PlanText,
}

/// A plan to be shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlanText {
    /// What tells it from others.
    pub shape: PlanShape,
    /// Total cost, in the planner's units.
    pub cost: f64,
    /// Rows expected of it; of a statement that writes, rows expected to be written.
    pub rows: f64,
    /// The tree as EXPLAIN prints it, with `$` in place of every value.
    pub text: String,
}

/// A plan that a statement had, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanVersion {
    /// First seen.
    pub since: Timestamp,
    /// Last seen.
    pub until: Timestamp,
    /// The plan as it was first seen.
    pub plan: PlanText,
    /// The values that it was made for. Never shown.
    pub sample: Sample,
}

/// A step of a plan that keeps what it sorts or hashes in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryNode {
    /// `Node Type`: `Sort` or `Hash`.
    pub node: String,
    /// Rows expected.
    pub rows: f64,
    /// What they need, bytes, estimated from the rows' width.
    pub bytes: f64,
}
