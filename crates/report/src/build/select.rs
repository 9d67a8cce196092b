//! Which rows of a window a report is about.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{FingerprintId, LabelId, QueryStats, Snapshot, TransactionStats, WindowStats};

use crate::numbers::{database_ms, rounded};
use crate::options::ReportOptions;
use crate::render::units::count;
use crate::view::TotalsReport;

/// The most names that a note lists.
const NAMES_SHOWN: usize = 8;

/// One fingerprint over all kinds of clients that were selected.
#[derive(Clone, Debug, Default)]
pub(super) struct Merged {
    pub(super) stats: QueryStats,
    pub(super) labels: BTreeMap<LabelId, u64>,
}

/// The clients that were selected.
pub(super) struct Selected<'a> {
    snapshot: &'a Snapshot,
    options: &'a ReportOptions,
}

impl<'a> Selected<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, options: &'a ReportOptions) -> Self {
        Self { snapshot, options }
    }

    /// Whether all clients are.
    pub(super) fn is_everyone(&self) -> bool {
        self.options.database.is_none()
            && self.options.application.is_none()
            && self.options.tag.is_none()
    }

    pub(super) fn has_database(&self, name: &str) -> bool {
        self.options.database.as_deref().is_none_or(|wanted| wanted == name)
    }

    pub(super) fn has(&self, id: LabelId) -> bool {
        if self.is_everyone() {
            return true;
        }
        let Some(labels) = self.snapshot.labels.get(&id) else { return false };
        let wanted = self.options.application.as_deref();
        self.has_database(&labels.database)
            && wanted.is_none_or(|wanted| wanted == &*labels.application)
            && self.options.tag.as_ref().is_none_or(|tag| {
                labels.tags.get(&tag.name).is_some_and(|value| *value == tag.value)
            })
    }

    /// The statements by fingerprint.
    pub(super) fn statements(&self, window: &WindowStats) -> BTreeMap<FingerprintId, Merged> {
        let mut merged: BTreeMap<FingerprintId, Merged> = BTreeMap::new();
        for (key, stats) in window.queries.iter().filter(|(key, _)| self.has(key.labels)) {
            let entry = merged.entry(key.fingerprint).or_default();
            entry.stats.merge(stats);
            *entry.labels.entry(key.labels).or_default() += stats.calls;
        }
        merged
    }

    pub(super) fn transactions(&self, window: &WindowStats) -> TransactionStats {
        let mut all = TransactionStats::default();
        for (_, stats) in window.transactions.iter().filter(|(id, _)| self.has(**id)) {
            all.merge(stats);
        }
        all
    }

    /// What the selection cannot tell apart, and whom it did not find.
    pub(super) fn notes(&self, window: &WindowStats, notes: &mut Vec<String>) {
        if self.is_everyone() {
            return;
        }
        let others: u64 = window
            .queries
            .iter()
            .filter(|(key, _)| key.labels == LabelId::OTHERS)
            .map(|(_, stats)| stats.calls + stats.lost)
            .sum();
        if others > 0 && !self.has(LabelId::OTHERS) {
            notes.push(format!(
                "{} statements are of clients that are no longer told apart; they are not in \
                 these numbers, though some may belong here.",
                count(others),
            ));
        }
        let mut whole = vec!["connections and lost measurements"];
        if self.options.application.is_some() {
            whole.insert(0, "pools");
        }
        notes.push(format!("Not told apart by this selection: {}.", whole.join(", ")));
        self.note_unknown("database", self.options.database.as_deref(), notes, |labels| {
            &labels.database
        });
        self.note_unknown("application", self.options.application.as_deref(), notes, |labels| {
            &labels.application
        });
    }

    fn note_unknown(
        &self,
        what: &str,
        wanted: Option<&str>,
        notes: &mut Vec<String>,
        name: fn(&model::Labels) -> &str,
    ) {
        let Some(wanted) = wanted else { return };
        let seen: BTreeSet<&str> = self.snapshot.labels.values().map(|l| name(l)).collect();
        if seen.contains(wanted) {
            return;
        }
        let mut shown: Vec<_> =
            seen.iter().take(NAMES_SHOWN).map(|name| format!("{name:?}")).collect();
        if seen.len() > NAMES_SHOWN {
            shown.push(format!("{} more", seen.len() - NAMES_SHOWN));
        }
        let shown = if shown.is_empty() { "none".to_owned() } else { shown.join(", ") };
        notes.push(format!("No client of {what} {wanted:?} was seen; seen were: {shown}."));
    }
}

/// All statements together.
pub(super) fn totals(merged: &BTreeMap<FingerprintId, Merged>) -> TotalsReport {
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

/// The statements minute by minute: all of them together, and those of `apart` one by one.
pub(super) fn by_minute(
    selected: &Selected<'_>,
    minute: &model::Minute,
    apart: &BTreeSet<FingerprintId>,
) -> (QueryStats, HashMap<FingerprintId, QueryStats>) {
    let mut all = QueryStats::default();
    let mut each: HashMap<FingerprintId, QueryStats> = HashMap::new();
    let rows = minute.queries.iter().filter(|(key, _)| selected.has(key.labels));
    for (key, stats) in rows {
        all.merge(stats);
        if apart.contains(&key.fingerprint) {
            each.entry(key.fingerprint).or_default().merge(stats);
        }
    }
    (all, each)
}
