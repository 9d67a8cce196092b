//! A finding is gone and no index was seen to change: did its statements take a step, down or up, and
//! when?

use std::collections::BTreeSet;

use jiff::Timestamp;
use model::{Basis, Effect, Finding, FingerprintId, Measured, Minute, Snapshot};

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

/// Detectors whose fix is that the statement runs less often, or not at all because another takes its
/// place. Of all others, fewer calls say nothing: a batch job came to its end.
const FEWER_CALLS_ARE_THE_FIX: [&str; 17] = [
    "bind_type_mismatch",
    "chatty_transaction",
    "count_polling",
    "deep_offset",
    "function_on_column",
    "leading_wildcard",
    "n_plus_one",
    "not_in_nullable",
    "notify_misuse",
    "or_across_columns",
    "prepared_churn",
    "repeated_read",
    "retry_storm",
    "select_star",
    "slow_client",
    "unbounded_result",
    "unparameterised_literals",
];

/// Detectors whose findings are about what clients do between their statements: how long these take
/// says nothing of it.
const NOT_OF_STATEMENTS: [&str; 4] =
    ["blocking_chain", "idle_in_transaction", "long_transaction", "pinned_sessions"];

/// A step.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) at: Timestamp,
    pub(super) change: String,
    pub(super) basis: Basis,
    pub(super) effect: Effect,
    pub(super) before: Measured,
    pub(super) after: Measured,
}

/// The step of the finding's statements, at the minute where it is greatest. None where that was before
/// the finding was first found: nobody mends what is not known.
pub(super) fn step(finding: &Finding, first_found: Timestamp, snapshot: &Snapshot) -> Option<Step> {
    let statements: BTreeSet<_> = finding.fingerprints.iter().copied().collect();
    if statements.is_empty() || NOT_OF_STATEMENTS.contains(&finding.detector.as_str()) {
        return None;
    }
    let minutes: Vec<_> = snapshot.minutes.iter().map(|minute| &**minute).collect();
    let known_since = first_found.as_second().div_euclid(60);
    (1..minutes.len())
        .filter_map(|at| split(&minutes, at, &statements, finding, snapshot))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, step)| step)
        .filter(|step| step.at.as_second().div_euclid(60) >= known_since)
}

/// Both sides of a minute, which itself is on the later side; with how great the step is.
fn split(
    minutes: &[&Minute],
    at: usize,
    statements: &BTreeSet<FingerprintId>,
    finding: &Finding,
    snapshot: &Snapshot,
) -> Option<(f64, Step)> {
    let database = finding.database.as_deref();
    let (earlier, later) = minutes.split_at(at);
    let earlier = &earlier[earlier.len().saturating_sub(MINUTES_MOST)..];
    let later = &later[..later.len().min(MINUTES_MOST)];
    let (before, others_before) = side(earlier, statements, database, snapshot)?;
    let (after, others_after) = side(later, statements, database, snapshot)?;
    if before.calls < CALLS_LEAST || others_after < others_before * TRAFFIC_LEAST {
        return None;
    }
    let (gain, basis, change) = gain(&before, &after, &finding.detector)?;
    let effect = if change == SLOWER { Effect::Worse } else { Effect::Better };
    let step = Step { at: after.since, change: change.to_owned(), basis, effect, before, after };
    Some((gain, step))
}

/// What a step up is called.
const SLOWER: &str = "the statements got slower when the finding went";

/// How great the step is, what it is judged by, and what it is called; none where there is none.
fn gain(before: &Measured, after: &Measured, detector: &str) -> Option<(f64, Basis, &'static str)> {
    let failures = |side: &Measured| side.failed as f64 / side.calls.max(1) as f64;
    let enough = after.calls >= CALLS_LEAST;
    let faster = before.database_mean_ms / after.database_mean_ms;
    let slower = after.database_mean_ms / before.database_mean_ms;
    let rarer = before.calls_per_s / after.calls_per_s.max(1e-3);
    if enough && faster >= STEP {
        Some((faster, Basis::Latency, "the statements got faster; no index was seen to change"))
    } else if enough && before.failed > 0 && failures(before) >= failures(after) * FAILURES_STEP {
        let gain = failures(before) / failures(after).max(1e-4);
        Some((gain, Basis::Failures, "the statements fail less often"))
    } else if rarer >= STEP && FEWER_CALLS_ARE_THE_FIX.contains(&detector) {
        Some((rarer, Basis::Calls, "the statements run less often"))
    } else if enough && slower >= STEP {
        Some((slower, Basis::Latency, SLOWER))
    } else {
        None
    }
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
