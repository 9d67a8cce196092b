//! Before and after, of the same statements.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Effect, Finding, FingerprintId, Histogram, Measured, Published, Snapshot, WindowStats,
};
use sql::ShapeRegistry;

use super::database_of;
use crate::advisor::facts_of;
use crate::{Watch, Workload};

/// Executions on either side, below which nothing is said.
const CALLS_LEAST: u64 = 10;
/// Means that differ by less than this factor are the same: two measurements differ by as much.
const DIFFERENCE: f64 = 1.25;
/// Another statement is slower from this factor on.
const SLOWER: f64 = 1.5;
/// And by so much, ms.
const SLOWER_MS: f64 = 0.1;
/// Other statements that are looked at.
const OTHERS_MOST: usize = 50;

/// How a statement went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    calls: u64,
    /// Mean without waiting, ms.
    pub(super) mean_ms: f64,
}

impl Pace {
    pub(super) fn is_slower_in(self, now: &Measured) -> bool {
        let enough = self.calls >= CALLS_LEAST * 2 && now.calls >= CALLS_LEAST * 2;
        let more_ms = now.database_mean_ms - self.mean_ms;
        enough && now.database_mean_ms >= self.mean_ms * SLOWER && more_ms >= SLOWER_MS
    }
}

/// What the window holds of the finding's statements, or of `others` where it names none.
pub(super) fn before(
    finding: &Finding,
    window: &WindowStats,
    workload: &Workload,
    others: &BTreeMap<FingerprintId, Pace>,
) -> Measured {
    let wanted = |id: FingerprintId| {
        if finding.fingerprints.is_empty() {
            others.contains_key(&id)
        } else {
            finding.fingerprints.contains(&id)
        }
    };
    let mut side = Side::default();
    let database = finding.database.as_deref();
    for statement in &workload.statements {
        if wanted(statement.fingerprint) && database.is_none_or(|name| name == &*statement.database)
        {
            let stats = &statement.stats;
            side.add(&stats.total, &stats.wait, stats.failed());
        }
    }
    side.measured(window.since, window.until, workload.database_ms)
}

/// What was measured of `statements` since a watch began.
pub(super) fn after(
    watch: &Watch,
    spent_ms: f64,
    statements: &BTreeSet<FingerprintId>,
    database: Option<&str>,
    snapshot: &Snapshot,
) -> Measured {
    let mut side = Side::default();
    for (key, stats) in &watch.rows {
        let its_own = || database_of(snapshot, key.labels);
        if statements.contains(&key.fingerprint)
            && database.is_none_or(|name| its_own().is_some_and(|own| name == &*own))
        {
            side.add(&stats.total, &stats.wait, stats.failed);
        }
    }
    side.measured(watch.since, snapshot.taken_at, spent_ms)
}

/// Sums of one side.
#[derive(Default)]
pub(super) struct Side {
    total: Histogram,
    wait_ms: f64,
    failed: u64,
}

impl Side {
    pub(super) fn add(&mut self, total: &Histogram, wait: &Histogram, failed: u64) {
        self.total.merge(total);
        self.wait_ms += wait.sum_ms();
        self.failed += failed;
    }

    pub(super) fn measured(
        &self,
        since: jiff::Timestamp,
        until: jiff::Timestamp,
        all_ms: f64,
    ) -> Measured {
        let calls = self.total.count();
        let seconds = until.duration_since(since).as_secs_f64().max(1.0);
        let database_ms = (self.total.sum_ms() - self.wait_ms).max(0.0);
        let share = if all_ms > 0.0 { (database_ms / all_ms).min(1.0) } else { 0.0 };
        Measured {
            since,
            until,
            calls,
            calls_per_s: rounded(calls as f64 / seconds),
            failed: self.failed,
            mean_ms: rounded(self.total.mean_ms()),
            database_mean_ms: rounded(database_ms / calls.max(1) as f64),
            p95_ms: rounded(self.total.quantile_ms(0.95)),
            share_of_time: (share * 1e6).round() / 1e6,
        }
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// What the change did, by the mean without waiting: the queue has other reasons.
pub(super) fn effect(before: &Measured, after: &Measured) -> Effect {
    if before.calls < CALLS_LEAST || after.calls < CALLS_LEAST {
        return Effect::Measuring;
    }
    let (was, is) = (before.database_mean_ms, after.database_mean_ms);
    if is * DIFFERENCE <= was {
        Effect::Better
    } else if was * DIFFERENCE <= is {
        Effect::Worse
    } else {
        Effect::Same
    }
}

/// How the statements on the finding's tables go, the finding's own left out unless it names none.
pub(super) fn paces(
    finding: &Finding,
    tick: &Published,
    workload: &Workload,
    shapes: &ShapeRegistry,
) -> BTreeMap<FingerprintId, Pace> {
    let tables: BTreeSet<_> =
        finding.tables.iter().filter_map(|table| table.split_once('.')).collect();
    let database = finding.database.as_deref();
    workload
        .statements
        .iter()
        .filter(|statement| !finding.fingerprints.contains(&statement.fingerprint))
        .filter(|statement| database.is_none_or(|name| name == &*statement.database))
        .filter(|statement| {
            let facts = facts_of(statement.fingerprint, &tick.snapshot, &tick.catalog, shapes);
            facts.is_some_and(|facts| {
                facts.tables.iter().any(|table| {
                    tables.iter().any(|(schema, name)| {
                        *name == table.name
                            && table.schema.as_deref().is_none_or(|own| own == *schema)
                    })
                })
            })
        })
        .take(OTHERS_MOST)
        .map(|statement| {
            let mean_ms = rounded(statement.mean_database_ms());
            (statement.fingerprint, Pace { calls: statement.stats.calls, mean_ms })
        })
        .collect()
}
