//! From a published tick to the report.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use model::{
    FingerprintId, LabelId, PoolKey, PoolMinute, Published, QueryStats, Snapshot, SqlState,
    WindowStats,
};

use crate::verdict::verdict;
use crate::view::{
    CoverageReport, PoolReport, QueryReport, Remainder, Report, SCHEMA, TotalsReport, Window,
};

/// What a report should hold.
#[derive(Clone, Debug)]
pub struct ReportOptions {
    /// How far back it looks. Minutes are the grain.
    pub since: Duration,
    /// The most queries that it lists.
    pub top: usize,
}

impl Default for ReportOptions {
    fn default() -> Self {
        Self { since: Duration::from_secs(15 * 60), top: 20 }
    }
}

/// What a report says of the process that measured.
#[derive(Clone, Debug)]
pub struct ProcessFacts {
    /// pgweir's version.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
}

/// One fingerprint over all kinds of clients.
#[derive(Default)]
struct Merged {
    stats: QueryStats,
    labels: BTreeSet<LabelId>,
}

impl Report {
    /// The report on the last `options.since` before `published` was taken.
    #[must_use]
    pub fn build(published: &Published, options: &ReportOptions, process: &ProcessFacts) -> Self {
        let snapshot = &published.snapshot;
        let window = snapshot.window(options.since);
        let merged = merge_labels(&window);
        let totals = totals(&merged);
        let mut ordered: Vec<_> = merged.iter().collect();
        ordered.sort_by(|(id_a, a), (id_b, b)| {
            by_number(database_ms(&b.stats), database_ms(&a.stats))
                .then(b.stats.calls.cmp(&a.stats.calls))
                .then(id_a.cmp(id_b))
        });
        let listed = ordered.len().min(options.top);
        let mut report = Self {
            schema: SCHEMA.to_owned(),
            pgweir_version: process.version.clone(),
            generated_at: snapshot.taken_at,
            window: Window {
                since: window.since,
                until: window.until,
                duration_s: rounded(window.until.duration_since(window.since).as_secs_f64()),
            },
            verdict: Vec::new(),
            coverage: coverage(published, &window, &merged, process),
            findings: published.findings.clone(),
            queries: ordered[..listed]
                .iter()
                .map(|(id, merged)| query(published, **id, merged, &totals))
                .collect(),
            remainder: remainder(&ordered[listed..], &totals),
            pools: pools(snapshot, &window),
            totals,
            checked: published.checked.clone(),
            not_checked: published.not_checked.clone(),
        };
        report.findings.sort_by(|a, b| {
            b.severity.cmp(&a.severity).then_with(|| by_number(b.harm_ms, a.harm_ms))
        });
        report.verdict = verdict(&report);
        report
    }
}

fn by_number(a: f64, b: f64) -> Ordering {
    a.total_cmp(&b)
}

/// To a thousandth: a microsecond where the unit is ms. More digits would only look exact.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// Shares to a millionth.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole * 1e6).round() / 1e6 } else { 0.0 }
}

fn database_ms(stats: &QueryStats) -> f64 {
    (stats.total.sum_ms() - stats.wait.sum_ms()).max(0.0)
}

fn merge_labels(window: &WindowStats) -> HashMap<FingerprintId, Merged> {
    let mut merged: HashMap<FingerprintId, Merged> = HashMap::new();
    for (key, stats) in &window.queries {
        let entry = merged.entry(key.fingerprint).or_default();
        entry.stats.merge(stats);
        entry.labels.insert(key.labels);
    }
    merged
}

fn totals(merged: &HashMap<FingerprintId, Merged>) -> TotalsReport {
    let mut all = QueryStats::default();
    for entry in merged.values() {
        all.merge(&entry.stats);
    }
    TotalsReport {
        calls: all.calls,
        failed: all.failed(),
        lost: all.lost,
        rows: all.rows,
        total_ms: rounded(all.total.sum_ms()),
        wait_ms: rounded(all.wait.sum_ms()),
        database_ms: rounded(database_ms(&all)),
        p50_ms: rounded(all.total.quantile_ms(0.5)),
        p95_ms: rounded(all.total.quantile_ms(0.95)),
        p99_ms: rounded(all.total.quantile_ms(0.99)),
    }
}

fn coverage(
    published: &Published,
    window: &WindowStats,
    merged: &HashMap<FingerprintId, Merged>,
    process: &ProcessFacts,
) -> CoverageReport {
    let snapshot = &published.snapshot;
    let known = merged.keys().filter(|id| **id != FingerprintId::OTHERS);
    let parsed = |id: &&FingerprintId| {
        snapshot.shapes.get(id).is_some_and(|shape| shape.parsed == Some(true))
    };
    CoverageReport {
        started_at: process.started_at,
        statements: merged.values().map(|m| m.stats.calls + m.stats.lost).sum(),
        others: merged.get(&FingerprintId::OTHERS).map_or(0, |m| m.stats.calls + m.stats.lost),
        dropped: window.dropped,
        fingerprints: known.clone().count() as u64,
        fingerprint_limit: snapshot.coverage.fingerprint_limit,
        parsed: known.filter(parsed).count() as u64,
        clients: snapshot.clients,
        server_version: published.catalog.server_version,
        catalog_read_at: published.catalog.read_at,
    }
}

fn query(
    published: &Published,
    id: FingerprintId,
    merged: &Merged,
    totals: &TotalsReport,
) -> QueryReport {
    let snapshot = &published.snapshot;
    let stats = &merged.stats;
    let shape = snapshot.shapes.get(&id).cloned().unwrap_or_default();
    let text = if id == FingerprintId::OTHERS { "(others)" } else { &*shape.text };
    let labels: Vec<_> = merged.labels.iter().filter_map(|id| snapshot.labels.get(id)).collect();
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
        class: shape.class.to_owned(),
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
        findings: named_by.into_iter().collect(),
        first_seen: shape.first_seen,
        last_seen: shape.last_seen,
    }
}

fn by_code(errors: &BTreeMap<SqlState, u64>) -> BTreeMap<String, u64> {
    errors.iter().map(|(code, count)| (code.to_string(), *count)).collect()
}

fn remainder(rest: &[(&FingerprintId, &Merged)], totals: &TotalsReport) -> Option<Remainder> {
    if rest.is_empty() {
        return None;
    }
    let sum = |number: fn(&QueryStats) -> u64| rest.iter().map(|(_, m)| number(&m.stats)).sum();
    let sum_ms =
        |number: fn(&QueryStats) -> f64| rest.iter().map(|(_, m)| number(&m.stats)).sum::<f64>();
    let database = sum_ms(database_ms);
    Some(Remainder {
        fingerprints: rest.len() as u64,
        calls: sum(|stats| stats.calls),
        failed: sum(QueryStats::failed),
        rows: sum(|stats| stats.rows),
        total_ms: rounded(sum_ms(|stats| stats.total.sum_ms())),
        database_ms: rounded(database),
        share_of_time: share(database, totals.database_ms),
    })
}

fn pools(snapshot: &Snapshot, window: &WindowStats) -> Vec<PoolReport> {
    let mut keys: BTreeSet<&PoolKey> = window.pools.keys().collect();
    keys.extend(snapshot.pools.iter().map(|status| &status.key));
    let seconds = window.until.duration_since(window.since).as_secs_f64();
    keys.into_iter().map(|key| pool(snapshot, window.pools.get(key), key, seconds)).collect()
}

fn pool(
    snapshot: &Snapshot,
    minutes: Option<&PoolMinute>,
    key: &PoolKey,
    seconds: f64,
) -> PoolReport {
    let now = snapshot.pools.iter().find(|status| status.key == *key);
    let empty = PoolMinute::default();
    let stats = minutes.unwrap_or(&empty);
    let size = now.map_or(stats.size, |status| status.size);
    PoolReport {
        database: key.database.to_string(),
        user: key.user.to_string(),
        mode: now.map(|status| status.mode),
        size,
        clients_active: now.map_or(0, |status| status.clients_active),
        clients_waiting: now.map_or(0, |status| status.clients_waiting),
        most_waiting: stats.most_waiting,
        most_active: stats.most_active,
        transactions: stats.held.count(),
        busy_ratio: share(stats.held.sum_ms(), f64::from(size) * seconds * 1e3).min(1.0),
        waiting_ratio: share(stats.samples_waiting as f64, stats.samples as f64),
        wait_p50_ms: rounded(stats.wait.quantile_ms(0.5)),
        wait_p95_ms: rounded(stats.wait.quantile_ms(0.95)),
        wait_max_ms: rounded(stats.wait.max_ms()),
        held_p95_ms: rounded(stats.held.quantile_ms(0.95)),
        connect_failures: by_code(&stats.connect_failures),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;

    #[test]
    fn listed_queries_and_the_remainder_add_up_to_the_totals() {
        let published = example::busy();
        let options = ReportOptions { top: 1, ..ReportOptions::default() };
        let report = Report::build(&published, &options, &example::process());
        let rest = report.remainder.as_ref().expect("more than one fingerprint ran");
        assert_eq!(report.queries.len(), 1);
        assert_eq!(report.queries[0].calls + rest.calls, report.totals.calls);
        assert_eq!(report.queries[0].failed + rest.failed, report.totals.failed);
        let share = report.queries[0].share_of_time + rest.share_of_time;
        assert!((share - 1.0).abs() < 1e-5, "{share}");
    }

    #[test]
    fn waiting_does_not_decide_the_order() {
        // BEGIN is charged with its transaction's wait; it must not outrank what the server did.
        let report =
            Report::build(&example::busy(), &ReportOptions::default(), &example::process());
        let texts: Vec<_> = report.queries.iter().map(|q| q.text.as_str()).collect();
        assert_eq!(texts.last(), Some(&"BEGIN"));
        let begin = report.queries.last().expect("not empty");
        assert!(begin.wait_ms > report.queries[0].database_ms, "{}", begin.wait_ms);
    }

    #[test]
    fn a_query_says_who_ran_it_and_which_detectors_name_it() {
        let report =
            Report::build(&example::busy(), &ReportOptions::default(), &example::process());
        let query = &report.queries[0];
        assert_eq!(query.users, ["web"]);
        assert_eq!(query.applications, ["checkout", "shop"]);
        assert_eq!(query.findings, ["missing_index"]);
        assert_eq!(query.errors.get("57014"), Some(&2));
    }

    #[test]
    fn a_window_without_statements_is_all_zero_and_finite() {
        let report =
            Report::build(&example::silent(), &ReportOptions::default(), &example::process());
        assert_eq!((report.totals.calls, report.totals.p95_ms), (0, 0.0));
        assert!(report.queries.is_empty() && report.remainder.is_none());
        assert!(serde_json::to_string(&report).is_ok());
    }
}
