//! From a published tick to the report.

mod compare;
mod findings;
mod plans;
mod pools;
mod query;
mod sample;
mod select;
mod traffic;
mod trend;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::{FingerprintId, Published, Snapshot, WindowStats};

pub use plans::plans;

use crate::ReportError;
use crate::numbers::{database_ms, rounded};
use crate::options::{ReportOptions, Sort, Span};
use crate::render::units::{moment, seconds};
use crate::verdict::verdict;
use crate::view::{CoverageReport, Report, SCHEMA, Selection, Window, WindowComparison};
use select::{Merged, Selected};

/// What a report says of the process that measured.
#[derive(Clone, Debug)]
pub struct ProcessFacts {
    /// pgweir's version.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
}

impl Report {
    /// The report that `options` ask for, of what was known when `published` was taken.
    ///
    /// # Errors
    /// [`ReportError::EmptySpan`] when nothing lies between beginning and end.
    pub fn build(
        published: &Published,
        options: &ReportOptions,
        process: &ProcessFacts,
    ) -> Result<Self, ReportError> {
        let snapshot = &published.snapshot;
        let span = options.span(snapshot.taken_at)?;
        let window = window(snapshot, span);
        let selected = Selected::new(snapshot, options);
        let merged = selected.statements(&window);
        let totals = select::totals(&merged);
        let wanted = |id: FingerprintId| {
            options.fingerprint.as_ref().is_none_or(|prefix| prefix.matches(id))
        };
        let listed = ordered(&merged, options, wanted);
        let mut queries: Vec<_> = listed
            .iter()
            .map(|(id, merged)| query::query(published, *id, merged, &totals, options.show_values))
            .collect();
        let rest = merged.iter().filter(|(id, _)| !listed.iter().any(|(listed, _)| listed == *id));
        let remainder = query::remainder(rest.map(|(_, merged)| merged), &totals);
        let trend = trend::trends(snapshot, &window, &selected, &mut queries);
        let mut report = Self {
            schema: SCHEMA.to_owned(),
            pgweir_version: process.version.clone(),
            generated_at: snapshot.taken_at,
            window: window_of(&window),
            selection: selection(options),
            verdict: Vec::new(),
            coverage: coverage(published, &window, &merged, process),
            findings: findings::findings(published, &merged, &selected, options),
            results: findings::results(published, &merged, &selected, options),
            comparison: comparison(&selected, span, options, (&window, &merged), wanted, snapshot),
            trend,
            queries,
            remainder,
            pools: pools::pools(snapshot, &window, &selected),
            transactions: traffic::transactions(&selected.transactions(&window), snapshot),
            connections: traffic::connections(&window),
            health: Vec::new(),
            totals,
            checked: published.checked.clone(),
            not_checked: published.not_checked.clone(),
        };
        notes(&mut report, snapshot, span, options, &selected, &window);
        report.health = traffic::health(&report);
        report.verdict = verdict(&report);
        Ok(report)
    }
}

/// The minutes of a span. One that the span only touches with its end is not in it.
fn window(snapshot: &Snapshot, (since, until): Span) -> WindowStats {
    let on_minute = until.as_second() % 60 == 0 && until.subsec_nanosecond() == 0;
    let last = if on_minute && until < snapshot.taken_at {
        until.checked_sub(SignedDuration::from_secs(1)).unwrap_or(until)
    } else {
        until
    };
    snapshot.between(since, last)
}

fn window_of(window: &WindowStats) -> Window {
    Window { since: window.since, until: window.until, duration_s: rounded(seconds_of(window)) }
}

/// Never below zero: a window may lie before all that is kept.
fn seconds_of(window: &WindowStats) -> f64 {
    window.until.duration_since(window.since).as_secs_f64().max(0.0)
}

fn selection(options: &ReportOptions) -> Selection {
    Selection {
        database: options.database.clone(),
        application: options.application.clone(),
        tag: options.tag.clone(),
        fingerprint: options.fingerprint.clone(),
        sort: options.sort,
        values_shown: options.show_values,
    }
}

/// The statements to list, in order.
fn ordered<'a>(
    merged: &'a BTreeMap<FingerprintId, Merged>,
    options: &ReportOptions,
    wanted: impl Fn(FingerprintId) -> bool,
) -> Vec<(FingerprintId, &'a Merged)> {
    let mut all: Vec<_> = merged
        .iter()
        .filter(|(id, _)| wanted(**id))
        .map(|(id, merged)| (sort_key(options.sort, merged), *id, merged))
        .collect();
    all.sort_by(|(key_a, id_a, a), (key_b, id_b, b)| {
        key_b
            .total_cmp(key_a)
            .then(database_ms(&b.stats).total_cmp(&database_ms(&a.stats)))
            .then(b.stats.calls.cmp(&a.stats.calls))
            .then(id_a.cmp(id_b))
    });
    all.truncate(options.top);
    all.into_iter().map(|(_, id, merged)| (id, merged)).collect()
}

fn sort_key(sort: Sort, merged: &Merged) -> f64 {
    let stats = &merged.stats;
    match sort {
        Sort::Total => database_ms(stats),
        Sort::Mean => stats.total.mean_ms(),
        Sort::P95 => stats.total.quantile_ms(0.95),
        Sort::Max => stats.total.max_ms(),
        Sort::Calls => stats.calls as f64,
        Sort::Errors => stats.failed() as f64,
        Sort::Rows => stats.rows as f64,
        Sort::Bytes => (stats.bytes_received + stats.bytes_sent) as f64,
        Sort::Wait => stats.wait.sum_ms(),
    }
}

/// What got worse since the time before the window.
fn comparison(
    selected: &Selected<'_>,
    (since, _): Span,
    options: &ReportOptions,
    after: (&WindowStats, &BTreeMap<FingerprintId, Merged>),
    wanted: impl Fn(FingerprintId) -> bool,
    snapshot: &Snapshot,
) -> Option<WindowComparison> {
    let before = baseline(snapshot, since, options.compare?);
    let statements = selected.statements(&before);
    Some(compare::compare(snapshot, (&before, &statements), after, wanted))
}

/// The whole minutes before the one that `since` lies in.
fn baseline(snapshot: &Snapshot, since: Timestamp, span: Duration) -> WindowStats {
    let first = Timestamp::from_second(since.as_second().div_euclid(60) * 60).unwrap_or(since);
    let from = SignedDuration::try_from(span).ok().and_then(|span| first.checked_sub(span).ok());
    window(snapshot, (from.unwrap_or(Timestamp::UNIX_EPOCH), first))
}

fn coverage(
    published: &Published,
    window: &WindowStats,
    merged: &BTreeMap<FingerprintId, Merged>,
    process: &ProcessFacts,
) -> CoverageReport {
    let snapshot = &published.snapshot;
    let known = merged.keys().filter(|id| **id != FingerprintId::OTHERS);
    let parsed = |id: &&FingerprintId| {
        snapshot.shapes.get(id).is_some_and(|shape| shape.parsed == Some(true))
    };
    CoverageReport {
        started_at: process.started_at,
        examined_since: Some(snapshot.examined_since),
        statements: merged.values().map(|m| m.stats.calls + m.stats.lost).sum(),
        others: merged.get(&FingerprintId::OTHERS).map_or(0, |m| m.stats.calls + m.stats.lost),
        dropped: window.dropped,
        fingerprints: known.clone().count() as u64,
        fingerprint_limit: snapshot.coverage.fingerprint_limit,
        parsed: known.filter(parsed).count() as u64,
        clients: snapshot.clients,
        server_version: published.catalog.server_version,
        catalog_read_at: published.catalog.read_at,
        notes: Vec::new(),
    }
}

/// How far back the detectors look, unless told otherwise.
const DETECTORS_LOOK_BACK: SignedDuration = SignedDuration::from_mins(15);
/// What a whole minute more or less may make of a window.
pub(crate) const GRAIN: SignedDuration = SignedDuration::from_secs(61);

/// Says in plain words what the numbers do not hold.
fn notes(
    report: &mut Report,
    snapshot: &Snapshot,
    (since, until): Span,
    options: &ReportOptions,
    selected: &Selected<'_>,
    window: &WindowStats,
) {
    let mut notes = Vec::new();
    let late = window.since.duration_since(since);
    if late > GRAIN && window.since > snapshot.started_at {
        notes.push(format!(
            "Statistics are kept since {}; what was asked for before that is gone.",
            moment(window.since),
        ));
    }
    let asked =
        until.duration_since(since).min(snapshot.taken_at.duration_since(snapshot.started_at));
    let ends_early = snapshot.taken_at.duration_since(until) > GRAIN;
    if !report.findings.is_empty() && (ends_early || (asked - DETECTORS_LOOK_BACK).abs() > GRAIN) {
        let looked = snapshot.taken_at.duration_since(snapshot.started_at).min(DETECTORS_LOOK_BACK);
        if ends_early || (asked - looked).abs() > GRAIN {
            notes.push(format!(
                "Findings are of the {} up to {}, whatever window the numbers are of.",
                seconds(looked.as_secs_f64().round()),
                moment(snapshot.taken_at),
            ));
        }
    }
    if let (Some(comparison), Some(asked)) = (&report.comparison, options.compare) {
        let short = asked.as_secs_f64() - comparison.baseline.duration_s;
        if short > GRAIN.as_secs_f64() {
            notes.push(format!(
                "To compare with there are only {} of the {} asked for.",
                seconds(comparison.baseline.duration_s),
                seconds(asked.as_secs_f64()),
            ));
        }
    }
    selected.notes(window, &mut notes);
    if let Some(prefix) = options.fingerprint.as_ref().filter(|_| report.queries.is_empty()) {
        notes.push(format!(
            "No statement whose fingerprint begins with {prefix} ran in this window."
        ));
    }
    report.coverage.notes = notes;
}

#[cfg(test)]
mod tests;
