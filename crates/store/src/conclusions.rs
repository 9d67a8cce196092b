//! What the detectors said, as it is kept.

use model::{Finding, FixResult, NotChecked, Published};
use serde::{Deserialize, Serialize};

/// What was found at one tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Conclusions {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What became of earlier findings whose fix was made.
    pub results: Vec<FixResult>,
    /// Detectors that ran to their end.
    pub checked: Vec<String>,
    /// Checks that could not be made.
    pub not_checked: Vec<NotChecked>,
}

impl Conclusions {
    /// Those of a tick.
    #[must_use]
    pub fn of(published: &Published) -> Self {
        Self {
            findings: published.findings.clone(),
            results: published.results.clone(),
            checked: published.checked.clone(),
            not_checked: published.not_checked.clone(),
        }
    }
}
