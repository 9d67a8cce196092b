//! Minute by minute.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use model::{FingerprintId, Minute, QueryStats, Snapshot, WindowStats};

use super::select::{Selected, by_minute};
use crate::numbers::{database_ms, rounded};
use crate::view::{QueryReport, TrendPoint};

/// Statements whose trend is kept: an hour of a statement is some 10 kB of JSON.
const STATEMENTS_MOST: usize = 50;

/// Fills in the trend of the first `queries`, and gives that of all statements.
pub(super) fn trends(
    snapshot: &Snapshot,
    window: &WindowStats,
    selected: &Selected<'_>,
    queries: &mut [QueryReport],
) -> Vec<TrendPoint> {
    let most = queries.len().min(STATEMENTS_MOST);
    let listed = &mut queries[..most];
    let apart: BTreeSet<_> = listed.iter().map(|query| query.fingerprint).collect();
    let mut all = Vec::new();
    let mut each: BTreeMap<FingerprintId, Vec<TrendPoint>> = BTreeMap::new();
    let (first, last) = (window.since.as_second().div_euclid(60), last_minute(window));
    for minute in snapshot.minutes.iter().filter(|minute| minute.overlaps(first, last)) {
        let (together, mut alone) = by_minute(selected, minute, &apart);
        all.push(point(minute, &together, snapshot));
        for fingerprint in &apart {
            let stats = alone.remove(fingerprint).unwrap_or_default();
            each.entry(*fingerprint).or_default().push(point(minute, &stats, snapshot));
        }
    }
    for query in listed {
        query.trend = each.remove(&query.fingerprint).unwrap_or_default();
    }
    all
}

/// The minute that the window ends in; one that it only touches is not in it.
fn last_minute(window: &WindowStats) -> i64 {
    let end = window.until.as_second();
    let touches =
        end % 60 == 0 && window.until.subsec_nanosecond() == 0 && window.until > window.since;
    end.div_euclid(60) - i64::from(touches)
}

fn point(minute: &Minute, stats: &QueryStats, snapshot: &Snapshot) -> TrendPoint {
    let at = |second: i64| Timestamp::from_second(second).unwrap_or(snapshot.taken_at);
    let begin = at(minute.minute.saturating_mul(60));
    let end = at(minute.end().saturating_mul(60)).min(snapshot.taken_at);
    let measured = end.duration_since(begin.max(snapshot.started_at)).as_secs_f64();
    TrendPoint {
        minute: begin,
        measured_s: rounded(measured.max(0.0)),
        calls: stats.calls,
        failed: stats.failed(),
        database_ms: rounded(database_ms(stats)),
        p95_ms: rounded(stats.total.quantile_ms(0.95)),
        wait_p95_ms: rounded(stats.wait.quantile_ms(0.95)),
    }
}
