//! What findings have in common.

use std::collections::BTreeMap;

use model::{Confidence, Evidence, Finding, Fix, Labels, Severity};

use super::runbook;
use crate::StatementTotals;

/// A finding without evidence and fix, as sure as what was measured is.
pub(super) fn finding(detector: &str, severity: Severity, title: String, why: String) -> Finding {
    Finding {
        detector: detector.to_owned(),
        severity,
        title,
        why,
        evidence: BTreeMap::new(),
        fingerprints: Vec::new(),
        tables: Vec::new(),
        database: None,
        fix: Fix::default(),
        estimate: BTreeMap::new(),
        confidence: Confidence::High,
        runbook: runbook(detector),
        harm_ms: 0.0,
    }
}

/// A finding about one statement, without evidence and fix; it costs what the statement costs.
pub(super) fn about(
    statement: &StatementTotals,
    detector: &str,
    severity: Severity,
    title: String,
    why: String,
) -> Finding {
    Finding {
        fingerprints: vec![statement.fingerprint],
        database: Some(statement.database.to_string()),
        harm_ms: statement.database_ms(),
        ..finding(detector, severity, title, why)
    }
}

/// Evidence by name.
pub(super) fn evidence<const N: usize>(pairs: [(&str, Evidence); N]) -> BTreeMap<String, Evidence> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A change of the application or the configuration.
pub(super) fn change(advice: impl Into<String>) -> Fix {
    Fix { sql: None, undo: None, advice: Some(advice.into()) }
}

/// Who: the application where it has a name, else the user.
pub(super) fn who(labels: &Labels) -> String {
    if labels.application.is_empty() {
        format!("user {}", labels.user)
    } else {
        format!("application {}", labels.application)
    }
}
