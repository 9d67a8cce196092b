//! One statement, and the rest of them.

use std::collections::{BTreeMap, BTreeSet};

use model::{FingerprintId, Histogram, Published, QueryStats, Snapshot};

use super::plans::plans;
use super::sample::sample;
use super::select::Merged;
use crate::numbers::{by_code, database_ms, rounded, share};
use crate::view::{Bucket, QueryReport, Remainder, TagReport, TotalsReport};

/// Tags of one statement that are listed.
const TAGS_MOST: usize = 20;

pub(super) fn query(
    published: &Published,
    id: FingerprintId,
    merged: &Merged,
    totals: &TotalsReport,
    show_values: bool,
) -> QueryReport {
    let snapshot = &published.snapshot;
    let stats = &merged.stats;
    let shape = snapshot.shapes.get(&id).cloned().unwrap_or_default();
    let text = if id == FingerprintId::OTHERS { "(others)" } else { &*shape.text };
    let labels: Vec<_> = merged.labels.keys().filter_map(|id| snapshot.labels.get(id)).collect();
    let names = |name: fn(&model::Labels) -> &str| {
        let names: BTreeSet<_> = labels.iter().map(|l| name(l)).filter(|n| !n.is_empty()).collect();
        names.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let named_by: BTreeSet<_> = published
        .findings
        .iter()
        .filter(|finding| finding.fingerprints.contains(&id))
        .map(|finding| finding.detector.clone())
        .collect();
    QueryReport {
        fingerprint: id,
        strict_ids: shape.strict_ids.clone(),
        text: text.to_owned(),
        summary: shape.summary.to_string(),
        class: shape.class.to_string(),
        calls: stats.calls,
        failed: stats.failed(),
        errors: by_code(&stats.errors),
        lost: stats.lost,
        rows: stats.rows,
        bytes: stats.bytes_received + stats.bytes_sent,
        received_bytes: stats.bytes_received,
        sent_bytes: stats.bytes_sent,
        total_ms: rounded(stats.total.sum_ms()),
        database_ms: rounded(database_ms(stats)),
        share_of_time: share(database_ms(stats), totals.database_ms),
        mean_ms: rounded(stats.total.mean_ms()),
        p50_ms: rounded(stats.total.quantile_ms(0.5)),
        p95_ms: rounded(stats.total.quantile_ms(0.95)),
        p99_ms: rounded(stats.total.quantile_ms(0.99)),
        max_ms: rounded(stats.total.max_ms()),
        first_byte_p95_ms: rounded(stats.first_byte.quantile_ms(0.95)),
        wait_ms: rounded(stats.wait.sum_ms()),
        wait_p95_ms: rounded(stats.wait.quantile_ms(0.95)),
        databases: names(|l| &l.database),
        users: names(|l| &l.user),
        applications: names(|l| &l.application),
        tags: tags(merged, snapshot),
        findings: named_by.into_iter().collect(),
        trend: Vec::new(),
        distribution: distribution(&stats.total),
        sample: sample(&shape, show_values),
        plans: plans(id, &published.catalog),
        first_seen: shape.first_seen,
        last_seen: shape.last_seen,
    }
}

/// What the statement's comments say, the most frequent first.
fn tags(merged: &Merged, snapshot: &Snapshot) -> Vec<TagReport> {
    let mut counted: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (id, calls) in &merged.labels {
        let Some(labels) = snapshot.labels.get(id) else { continue };
        for (name, value) in labels.tags.iter() {
            *counted.entry((name, value)).or_default() += calls;
        }
    }
    let mut tags: Vec<_> = counted
        .into_iter()
        .map(|((name, value), calls)| TagReport {
            name: name.to_owned(),
            value: value.to_owned(),
            calls,
        })
        .collect();
    tags.sort_by_key(|tag| std::cmp::Reverse(tag.calls));
    tags.truncate(TAGS_MOST);
    tags
}

/// Executions by latency, in steps of 1, 2, 5, 10 from the shortest to the longest.
fn distribution(latencies: &Histogram) -> Vec<Bucket> {
    let (shortest, longest) = (latencies.min_ms(), latencies.max_ms());
    let mut buckets = Vec::new();
    let mut before = 0;
    // From 1 µs to some three hours.
    for step in 0..30 {
        let bound = [1.0, 2.0, 5.0][step % 3] * 10f64.powi(step as i32 / 3 - 3);
        if bound < shortest {
            continue;
        }
        let calls = latencies.count_up_to(bound);
        buckets.push(Bucket { up_to_ms: rounded(bound), calls: calls.saturating_sub(before) });
        before = calls;
        if bound >= longest {
            break;
        }
    }
    if latencies.count() == 0 { Vec::new() } else { buckets }
}

/// What is not listed.
pub(super) fn remainder<'a>(
    rest: impl Iterator<Item = &'a Merged> + Clone,
    totals: &TotalsReport,
) -> Option<Remainder> {
    let fingerprints = rest.clone().count() as u64;
    if fingerprints == 0 {
        return None;
    }
    let sum = |number: fn(&QueryStats) -> u64| rest.clone().map(|m| number(&m.stats)).sum();
    let sum_ms =
        |number: fn(&QueryStats) -> f64| rest.clone().map(|m| number(&m.stats)).sum::<f64>();
    let database = sum_ms(database_ms);
    Some(Remainder {
        fingerprints,
        calls: sum(|stats| stats.calls),
        failed: sum(QueryStats::failed),
        rows: sum(|stats| stats.rows),
        total_ms: rounded(sum_ms(|stats| stats.total.sum_ms())),
        database_ms: rounded(database),
        share_of_time: share(database, totals.database_ms),
    })
}
