//! Two windows: what got worse.

use std::collections::{BTreeMap, BTreeSet};

use model::{FingerprintId, QueryStats, Snapshot, WindowStats};

use super::select::{Merged, totals};
use super::{seconds_of, window_of};
use crate::numbers::{rounded, share};
use crate::view::{Change, ChangeSign, Pace, WindowComparison};

/// Executions below which neither a rate nor a percentile means something.
const CALLS_LEAST: u64 = 20;
/// A new statement is worth a line from so many executions on.
const NEW_CALLS_LEAST: u64 = 5;
/// A rate that is so many times the one before is a step.
const RATE_STEP: f64 = 2.0;
/// A p95 that is so many times the one before is a step.
const P95_STEP: f64 = 1.5;
/// And it must rise by so much, ms: less is within the noise of a network.
const P95_STEP_MS: f64 = 1.0;
/// Failures, as a share of calls, must rise by so much.
const ERRORS_STEP: f64 = 0.01;
/// And there must be so many of them.
const ERRORS_LEAST: u64 = 3;
/// What one more failure counts for, ms of a client's time.
const FAILURE_MS: f64 = 1_000.0;
/// Changes listed.
const CHANGES_MOST: usize = 50;

type Statements = BTreeMap<FingerprintId, Merged>;

pub(super) fn compare(
    snapshot: &Snapshot,
    (before_window, before): (&WindowStats, &Statements),
    (after_window, after): (&WindowStats, &Statements),
    wanted: impl Fn(FingerprintId) -> bool,
) -> WindowComparison {
    let (before_s, after_s) = (seconds_of(before_window), seconds_of(after_window));
    let ids: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    let (mut worse, mut faster, mut gone) = (Vec::new(), 0, 0);
    for id in ids.into_iter().filter(|id| wanted(*id)) {
        let earlier = before.get(&id).map(|merged| pace(&merged.stats, before_s));
        let Some(later) = after.get(&id).map(|merged| pace(&merged.stats, after_s)) else {
            gone += 1;
            continue;
        };
        faster += u64::from(earlier.as_ref().is_some_and(|earlier| {
            enough(earlier, &later) && later.p95_ms * P95_STEP <= earlier.p95_ms
        }));
        // The others row holds ever other statements.
        if id == FingerprintId::OTHERS {
            continue;
        }
        let signs = signs(earlier.as_ref(), &later);
        if signs.is_empty() {
            continue;
        }
        let text = snapshot.shapes.get(&id).map_or("", |shape| &*shape.text).to_owned();
        let harm_ms_per_s = rounded(harm(earlier.as_ref(), &later, before_s, after_s));
        worse.push(Change {
            fingerprint: id,
            text,
            signs,
            before: earlier,
            after: later,
            harm_ms_per_s,
        });
    }
    worse.sort_by(|a, b| b.harm_ms_per_s.total_cmp(&a.harm_ms_per_s));
    worse.truncate(CHANGES_MOST);
    WindowComparison {
        baseline: window_of(before_window),
        totals: totals(before),
        worse,
        faster,
        gone,
    }
}

fn pace(stats: &QueryStats, seconds: f64) -> Pace {
    let seconds = seconds.max(1.0);
    Pace {
        calls: stats.calls,
        calls_per_s: rounded(stats.calls as f64 / seconds),
        failed: stats.failed(),
        mean_ms: rounded(stats.total.mean_ms()),
        p95_ms: rounded(stats.total.quantile_ms(0.95)),
        total_ms_per_s: rounded(stats.total.sum_ms() / seconds),
    }
}

fn enough(before: &Pace, after: &Pace) -> bool {
    before.calls >= CALLS_LEAST && after.calls >= CALLS_LEAST
}

fn signs(before: Option<&Pace>, after: &Pace) -> Vec<ChangeSign> {
    let mut signs = Vec::new();
    let failures = |pace: &Pace| share(pace.failed as f64, pace.calls as f64);
    match before {
        None if after.calls >= NEW_CALLS_LEAST => signs.push(ChangeSign::New),
        Some(before) => {
            if after.calls >= CALLS_LEAST && after.calls_per_s >= before.calls_per_s * RATE_STEP {
                signs.push(ChangeSign::RateStep);
            }
            if enough(before, after)
                && after.p95_ms >= before.p95_ms * P95_STEP
                && after.p95_ms - before.p95_ms >= P95_STEP_MS
            {
                signs.push(ChangeSign::P95Step);
            }
        }
        None => {}
    }
    let failed_before = before.map_or(0.0, failures);
    if after.failed >= ERRORS_LEAST && failures(after) >= failed_before + ERRORS_STEP {
        signs.push(ChangeSign::Errors);
    }
    signs
}

fn harm(before: Option<&Pace>, after: &Pace, before_s: f64, after_s: f64) -> f64 {
    let failed_per_s = |failed: u64, seconds: f64| failed as f64 / seconds.max(1.0);
    let earlier_ms = before.map_or(0.0, |before| before.total_ms_per_s);
    let earlier_failed = before.map_or(0.0, |before| failed_per_s(before.failed, before_s));
    let more_failed = (failed_per_s(after.failed, after_s) - earlier_failed).max(0.0);
    after.total_ms_per_s - earlier_ms + more_failed * FAILURE_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(calls: u64, per_s: f64, p95_ms: f64, failed: u64) -> Pace {
        let total_ms_per_s = per_s * p95_ms / 2.0;
        Pace { calls, calls_per_s: per_s, failed, mean_ms: p95_ms / 2.0, p95_ms, total_ms_per_s }
    }

    #[test]
    fn each_way_of_getting_worse_has_its_sign() {
        let before = at(600, 1.0, 10.0, 0);
        let signs_of = |after: Pace| signs(Some(&before), &after);
        assert_eq!(signs_of(at(1_200, 2.0, 10.0, 0)), [ChangeSign::RateStep]);
        assert_eq!(signs_of(at(600, 1.0, 15.0, 0)), [ChangeSign::P95Step]);
        assert_eq!(signs_of(at(600, 1.0, 10.0, 6)), [ChangeSign::Errors]);
        assert_eq!(signs(None, &at(5, 0.1, 1.0, 0)), [ChangeSign::New]);
    }

    #[test]
    fn what_stays_below_the_steps_is_quiet() {
        let before = at(600, 1.0, 10.0, 0);
        assert_eq!(signs(Some(&before), &at(1_100, 1.9, 14.9, 5)), []);
        assert_eq!(signs(Some(&at(600, 1.0, 0.2, 0)), &at(600, 1.0, 0.9, 0)), [], "microseconds");
        assert_eq!(signs(Some(&before), &at(19, 9.0, 90.0, 2)), [], "too few calls");
        assert_eq!(signs(None, &at(4, 0.1, 1.0, 0)), []);
    }

    #[test]
    fn failures_count_as_harm_even_where_they_are_fast() {
        let failing = harm(Some(&at(600, 1.0, 10.0, 0)), &at(600, 1.0, 1.0, 600), 600.0, 600.0);
        let slower = harm(Some(&at(600, 1.0, 10.0, 0)), &at(600, 1.0, 500.0, 0), 600.0, 600.0);
        assert!(failing > slower, "{failing} {slower}");
    }
}
