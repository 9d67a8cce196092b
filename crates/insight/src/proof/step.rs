//! A finding is gone and no index was seen to change: did its statements step down, and when?

use std::collections::BTreeSet;

use jiff::Timestamp;
use model::{Basis, Finding, FingerprintId, Measured, Minute, Snapshot};

use super::database_of;
use super::measure::Side;
use crate::workload::database_ms;

/// Executions on either side.
const CALLS_LEAST: u64 = 20;
/// Minutes on either side.
const MINUTES_MOST: usize = 15;
/// A mean or a rate that fell by this factor is a step.
const STEP: f64 = 2.0;
/// So must the share of failures.
const FAILURES_STEP: f64 = 4.0;
/// All other statements must go on at this share of their rate: traffic that ceased is no fix.
const TRAFFIC_LEAST: f64 = 0.5;

/// A step down.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) at: Timestamp,
    pub(super) change: String,
    pub(super) basis: Basis,
    pub(super) before: Measured,
    pub(super) after: Measured,
}

/// The step of the finding's statements, at the minute where it is greatest.
pub(super) fn step(finding: &Finding, snapshot: &Snapshot) -> Option<Step> {
    let statements: BTreeSet<_> = finding.fingerprints.iter().copied().collect();
    if statements.is_empty() {
        return None;
    }
    let minutes: Vec<_> = snapshot.minutes.iter().map(|minute| &**minute).collect();
    let database = finding.database.as_deref();
    (1..minutes.len())
        .filter_map(|at| split(&minutes, at, &statements, database, snapshot))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, step)| step)
}

/// Both sides of a minute, which itself is on the later side; with how great the step is.
fn split(
    minutes: &[&Minute],
    at: usize,
    statements: &BTreeSet<FingerprintId>,
    database: Option<&str>,
    snapshot: &Snapshot,
) -> Option<(f64, Step)> {
    let (earlier, later) = minutes.split_at(at);
    let earlier = &earlier[earlier.len().saturating_sub(MINUTES_MOST)..];
    let later = &later[..later.len().min(MINUTES_MOST)];
    let (before, others_before) = side(earlier, statements, database, snapshot)?;
    let (after, others_after) = side(later, statements, database, snapshot)?;
    if before.calls < CALLS_LEAST || others_after < others_before * TRAFFIC_LEAST {
        return None;
    }
    let failures = |side: &Measured| side.failed as f64 / side.calls.max(1) as f64;
    let enough = after.calls >= CALLS_LEAST;
    let faster = before.database_mean_ms / after.database_mean_ms;
    let rarer = before.calls_per_s / after.calls_per_s.max(1e-3);
    let (gain, basis, change) = if enough && faster >= STEP {
        (faster, Basis::Latency, "the statements got faster; no index was seen to change")
    } else if enough && before.failed > 0 && failures(&before) >= failures(&after) * FAILURES_STEP {
        let gain = failures(&before) / failures(&after).max(1e-4);
        (gain, Basis::Failures, "the statements fail less often")
    } else if rarer >= STEP {
        (rarer, Basis::Calls, "the statements run less often")
    } else {
        return None;
    };
    let step = Step { at: after.since, change: change.to_owned(), basis, before, after };
    Some((gain, step))
}

/// The statements in some minutes, and how many others ran a second.
fn side(
    minutes: &[&Minute],
    statements: &BTreeSet<FingerprintId>,
    database: Option<&str>,
    snapshot: &Snapshot,
) -> Option<(Measured, f64)> {
    let (first, last) = (minutes.first()?, minutes.last()?);
    let at = |minute: i64| Timestamp::from_second(minute.saturating_mul(60)).ok();
    let since = at(first.minute)?.max(snapshot.started_at);
    let until = at(last.minute + 1)?.min(snapshot.taken_at);
    let (mut side, mut all_ms, mut others) = (Side::default(), 0.0, 0);
    for (key, stats) in minutes.iter().flat_map(|minute| &minute.queries) {
        all_ms += database_ms(stats);
        let here = || database_of(snapshot, key.labels).is_some_and(|own| database == Some(&*own));
        if statements.contains(&key.fingerprint) && (database.is_none() || here()) {
            side.add(&stats.total, &stats.wait, stats.failed());
        } else {
            others += stats.calls;
        }
    }
    let seconds = until.duration_since(since).as_secs_f64().max(1.0);
    Some((side.measured(since, until, all_ms), others as f64 / seconds))
}
