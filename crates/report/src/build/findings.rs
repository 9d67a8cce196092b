//! The findings and results that concern what was selected.

use std::collections::BTreeMap;

use model::{Finding, FingerprintId, FixResult, Published};

use super::select::{Merged, Selected};
use crate::options::ReportOptions;

/// What is wrong, the most severe first, within that the most harmful.
pub(super) fn findings(
    published: &Published,
    merged: &BTreeMap<FingerprintId, Merged>,
    selected: &Selected<'_>,
    options: &ReportOptions,
) -> Vec<Finding> {
    let mut findings: Vec<_> = published
        .findings
        .iter()
        .filter(|one| {
            let about = About { database: one.database.as_deref(), statements: &one.fingerprints };
            about.concerns(merged, selected, options)
        })
        .cloned()
        .collect();
    findings
        .sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| b.harm_ms.total_cmp(&a.harm_ms)));
    findings
}

pub(super) fn results(
    published: &Published,
    merged: &BTreeMap<FingerprintId, Merged>,
    selected: &Selected<'_>,
    options: &ReportOptions,
) -> Vec<FixResult> {
    published
        .results
        .iter()
        .filter(|one| {
            let about = About { database: one.database.as_deref(), statements: &one.fingerprints };
            about.concerns(merged, selected, options)
        })
        .cloned()
        .collect()
}

/// What a finding or a result is about.
struct About<'a> {
    database: Option<&'a str>,
    statements: &'a [FingerprintId],
}

impl About<'_> {
    /// Whether it concerns those selected; when in doubt it does.
    fn concerns(
        &self,
        merged: &BTreeMap<FingerprintId, Merged>,
        selected: &Selected<'_>,
        options: &ReportOptions,
    ) -> bool {
        if self.database.is_some_and(|name| !selected.has_database(name)) {
            return false;
        }
        if let Some(prefix) = &options.fingerprint {
            return self.statements.iter().any(|id| prefix.matches(*id));
        }
        options.application.is_none()
            || self.statements.is_empty()
            || self.statements.iter().any(|id| merged.contains_key(id))
    }
}
