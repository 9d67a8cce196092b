//! From what is counted to what is served.

mod hosts;
mod itself;
mod pools;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::{FingerprintTotals, Published, Severity, Totals};

use crate::exposition::Exposition;
use crate::families as f;
use crate::health::Readiness;
use crate::live::{Live, ProcessStatus};
use crate::otlp::ExportCounts;

/// All that a scrape is made of.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) totals: Arc<Totals>,
    pub(crate) published: Arc<Published>,
    pub(crate) process: ProcessStatus,
    pub(crate) readiness: Readiness,
    pub(crate) version: Arc<str>,
    pub(crate) started_at: Timestamp,
    /// None where nothing is exported.
    pub(crate) exports: Option<ExportCounts>,
}

impl Sources {
    /// Asks the process. Cancel-safe.
    pub(crate) async fn ask(live: &dyn Live, exports: Option<ExportCounts>) -> Self {
        let totals = live.totals().await;
        // As they were at the last tick: a scrape asks no pool.
        let readiness = Readiness::of(live.is_draining(), &totals.pool_status);
        Self {
            totals,
            published: live.published(),
            process: live.process(),
            readiness,
            version: Arc::from(live.version()),
            started_at: live.started_at(),
            exports,
        }
    }

    /// Everything that is served.
    pub(crate) fn exposition(&self) -> Exposition {
        let mut to = Exposition::default();
        pools::add(&mut to, &self.totals);
        hosts::add(&mut to, &self.totals.host_status, self.totals.taken_at);
        for totals in &self.totals.fingerprints {
            fingerprint(&mut to, totals);
        }
        findings(&mut to, &self.published);
        itself::add(&mut to, self);
        to
    }
}

fn fingerprint(to: &mut Exposition, totals: &FingerprintTotals) {
    let id = &Arc::from(totals.fingerprint.to_string());
    to.add(&f::FINGERPRINT_INFO, [id, &totals.operation, &totals.summary], true);
    to.add(&f::FINGERPRINT_DURATION, [id], totals.statements);
    to.add(&f::FINGERPRINT_ERRORS, [id], totals.failed);
    to.add(&f::FINGERPRINT_ROWS, [id], totals.rows);
}

/// A detector that has looked and found nothing says so: an alert on it can end.
fn findings(to: &mut Exposition, published: &Published) {
    let mut counts: BTreeMap<(&str, Severity), u64> = BTreeMap::new();
    for detector in &published.checked {
        counts.entry((detector, Severity::Warning)).or_default();
    }
    for finding in &published.findings {
        *counts.entry((&finding.detector, finding.severity)).or_default() += 1;
    }
    for ((detector, severity), count) in counts {
        let severity = match severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        };
        to.add(&f::FINDINGS, [&Arc::from(detector), &Arc::from(severity)], count);
    }
}
