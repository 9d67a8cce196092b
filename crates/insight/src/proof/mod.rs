//! Proof: when a fix lands, its finding turns into a result, with before and after as measured.
//!
//! Findings are followed over the ticks. Two things end one: its fix is seen in the catalogue (its
//! index appears, or goes where the fix is to drop it; its table is analysed or vacuumed), or it is no
//! longer found and its statements have taken a step, down or up. In the first case the statements are
//! watched from that moment on; in the second the minutes hold both sides.
//!
//! A state machine without a clock: a finding is open, then measured, then done.

mod change;
mod measure;
mod step;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use model::{Effect, Finding, FingerprintId, FixResult, Measured, Published, SideEffect};
use sql::ShapeRegistry;

use crate::{Watches, Workload};
use change::{Change, TableStates, change_of, is_building, states_of};
use measure::{Pace, after, before, effect, paces};

/// How long the statements are measured after a change.
const MEASURED_FOR: SignedDuration = SignedDuration::from_mins(15);
/// How long a result is shown.
const SHOWN_FOR: SignedDuration = SignedDuration::from_hours(12);
/// Results kept.
const RESULTS_MOST: usize = 50;
/// Findings followed.
const OPEN_MOST: usize = 200;
/// A finding that is not found for so long is over, whatever made it so.
const GONE_AFTER: SignedDuration = SignedDuration::from_secs(30);
/// A finding that is over waits so long for its statements to have stepped down.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// How far back the time before a change is measured.
const BEFORE: std::time::Duration = std::time::Duration::from_secs(15 * 60);

/// What makes two findings of different ticks the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    detector: String,
    database: Option<String>,
    /// The fix, where it is SQL; else what the finding is about.
    subject: String,
}

impl Key {
    fn of(finding: &Finding) -> Self {
        let subject = finding.fix.sql.clone().unwrap_or_else(|| {
            // Who holds a pool's connections changes from tick to tick; which pool it is, its title says.
            if finding.detector == "pool_saturation" {
                return finding.title.clone();
            }
            let ids = finding.fingerprints.iter().map(ToString::to_string);
            ids.chain(finding.tables.iter().cloned()).collect::<Vec<_>>().join(" ")
        });
        Self { detector: finding.detector.clone(), database: finding.database.clone(), subject }
    }
}

/// Follows findings, and says what became of them.
#[derive(Debug, Default)]
pub struct Proof {
    open: BTreeMap<Key, Open>,
    measured: VecDeque<Tracked>,
    /// The catalogue that was looked at last.
    catalog_read_at: Option<Timestamp>,
}

/// A finding that stands.
#[derive(Debug)]
struct Open {
    finding: Finding,
    first_found: Timestamp,
    last_found: Timestamp,
    /// As it was when the catalogue was last seen without the fix; none without a catalogue.
    baseline: Option<Baseline>,
}

/// How things were without the fix.
#[derive(Clone, Debug)]
struct Baseline {
    at: Timestamp,
    tables: TableStates,
    measured: Measured,
    /// The other statements on the finding's tables.
    others: BTreeMap<FingerprintId, Pace>,
}

/// A finding whose fix was made.
#[derive(Debug)]
struct Tracked {
    key: Key,
    result: FixResult,
    /// Until when it is measured, and where.
    watch: Option<u64>,
    /// What is measured.
    statements: BTreeSet<FingerprintId>,
    others: BTreeMap<FingerprintId, Pace>,
}

impl Proof {
    /// Takes a tick, and gives the results, the latest first.
    pub fn observe(
        &mut self,
        tick: &Published,
        shapes: &ShapeRegistry,
        watches: &mut Watches,
    ) -> Vec<FixResult> {
        let now = tick.snapshot.taken_at;
        self.open_findings(tick, now);
        let read_anew =
            tick.catalog.read_at.is_some() && tick.catalog.read_at != self.catalog_read_at;
        // A new finding was made from the catalogue as it was read last, which is its baseline.
        let is_new = |open: &Open| open.baseline.is_none();
        let any_new = tick.catalog.read_at.is_some() && self.open.values().any(is_new);
        if any_new || read_anew && !self.open.is_empty() {
            self.look_for_changes(tick, shapes, watches, read_anew);
        }
        self.catalog_read_at = tick.catalog.read_at;
        self.look_for_steps(tick, now);
        self.measure(tick, watches, now);
        self.measured.iter().map(|tracked| tracked.result.clone()).collect()
    }

    fn open_findings(&mut self, tick: &Published, now: Timestamp) {
        for finding in &tick.findings {
            let key = Key::of(finding);
            if self.measured.iter().any(|one| one.key == key && one.watch.is_some()) {
                continue;
            }
            if let Some(open) = self.open.get_mut(&key) {
                open.finding.clone_from(finding);
                open.last_found = now;
            } else if self.open.len() < OPEN_MOST {
                let finding = finding.clone();
                let open = Open { finding, first_found: now, last_found: now, baseline: None };
                self.open.insert(key, open);
            }
        }
    }

    /// Looks for what changed since the catalogue was read last, and notes how things are where
    /// nothing did.
    fn look_for_changes(
        &mut self,
        tick: &Published,
        shapes: &ShapeRegistry,
        watches: &mut Watches,
        read_anew: bool,
    ) {
        let now = tick.snapshot.taken_at;
        let window = tick.snapshot.window(BEFORE);
        let workload = Workload::new(&tick.snapshot, &window);
        let mut fixed = Vec::new();
        for (key, open) in &mut self.open {
            let Some(tables) = states_of(&open.finding, &tick.catalog) else { continue };
            if let Some(baseline) = &open.baseline {
                if !read_anew {
                    continue;
                }
                if let Some(change) = change_of(&open.finding, &baseline.tables, &tables) {
                    fixed.push((key.clone(), change));
                    continue;
                }
                if is_building(&open.finding, &tables) {
                    continue;
                }
            }
            let others = paces(&open.finding, tick, &workload, shapes);
            open.baseline = Some(Baseline {
                at: tick.catalog.read_at.unwrap_or(now),
                measured: before(&open.finding, &window, &workload, &others),
                tables,
                others,
            });
        }
        for (key, change) in fixed {
            if !watches.has_room() {
                return;
            }
            if let Some(open) = self.open.remove(&key) {
                self.track(key, open, change, tick, watches);
            }
        }
    }

    fn track(
        &mut self,
        key: Key,
        open: Open,
        change: Change,
        tick: &Published,
        watches: &mut Watches,
    ) {
        let Some(baseline) = open.baseline else { return };
        let statements: BTreeSet<_> = if open.finding.fingerprints.is_empty() {
            baseline.others.keys().copied().collect()
        } else {
            open.finding.fingerprints.iter().copied().collect()
        };
        let all: BTreeSet<_> = statements.iter().chain(baseline.others.keys()).copied().collect();
        // Nothing to measure, nothing to prove.
        if all.is_empty() || baseline.measured.calls == 0 {
            return;
        }
        let now = tick.snapshot.taken_at;
        let watch = watches.begin(&all, now);
        let changed_at = tick.catalog.read_at.unwrap_or(now);
        let result =
            result(&open.finding, change.0, changed_at, Some(baseline.at), baseline.measured);
        self.keep(Tracked { key, result, watch, statements, others: baseline.others });
    }

    fn keep(&mut self, tracked: Tracked) {
        self.measured.retain(|one| one.key != tracked.key);
        self.measured.push_front(tracked);
        self.measured.truncate(RESULTS_MOST);
    }

    /// Findings that are no longer found: did their statements take a step?
    fn look_for_steps(&mut self, tick: &Published, now: Timestamp) {
        let gone: Vec<_> = self
            .open
            .iter()
            .filter(|(_, open)| now.duration_since(open.last_found) >= GONE_AFTER)
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            let Some(open) = self.open.get(&key) else { continue };
            let over = now.duration_since(open.last_found) >= FORGOTTEN_AFTER;
            if let Some(step) = step::step(&open.finding, open.first_found, &tick.snapshot) {
                let mut result = result(&open.finding, step.change, step.at, None, step.before);
                (result.after, result.judged_by) = (step.after, step.basis);
                result.effect = step.effect;
                let tracked = Tracked {
                    key: key.clone(),
                    result,
                    watch: None,
                    statements: BTreeSet::new(),
                    others: BTreeMap::new(),
                };
                self.open.remove(&key);
                self.keep(tracked);
            } else if over {
                self.open.remove(&key);
            }
        }
    }

    /// Measures on, ends what was measured long enough, and forgets what is old.
    fn measure(&mut self, tick: &Published, watches: &mut Watches, now: Timestamp) {
        for tracked in &mut self.measured {
            let Some(id) = tracked.watch else { continue };
            let Some(watch) = watches.get(id) else { continue };
            let database = tracked.result.database.as_deref();
            let measured = |ids: &BTreeSet<FingerprintId>| {
                after(watch, watches.spent_ms(watch), ids, database, &tick.snapshot)
            };
            let statements = &tracked.statements;
            tracked.result.after = measured(statements);
            tracked.result.effect = effect(&tracked.result.before, &tracked.result.after);
            tracked.result.slower = slower(tracked, tick, measured);
            if now.duration_since(watch.since) >= MEASURED_FOR {
                watches.end(id);
                tracked.watch = None;
            }
        }
        for old in &self.measured {
            if let Some(id) = old.watch.filter(|_| is_old(old, now)) {
                watches.end(id);
            }
        }
        self.measured.retain(|tracked| !is_old(tracked, now));
    }
}

fn is_old(tracked: &Tracked, now: Timestamp) -> bool {
    now.duration_since(tracked.result.changed_at) >= SHOWN_FOR
}

/// Other statements on the same tables that got slower.
fn slower(
    tracked: &Tracked,
    tick: &Published,
    measured: impl Fn(&BTreeSet<FingerprintId>) -> Measured,
) -> Vec<SideEffect> {
    let others = tracked.others.iter().filter(|(id, _)| !tracked.statements.contains(id));
    let mut slower: Vec<_> = others
        .filter_map(|(id, pace)| {
            let now = measured(&BTreeSet::from([*id]));
            pace.is_slower_in(&now).then(|| SideEffect {
                fingerprint: *id,
                text: tick.snapshot.shapes.get(id).map_or("", |shape| &*shape.text).to_owned(),
                before_ms: pace.mean_ms,
                after_ms: now.database_mean_ms,
            })
        })
        .collect();
    slower.sort_by(|a, b| (b.after_ms / b.before_ms).total_cmp(&(a.after_ms / a.before_ms)));
    slower
}

fn result(
    finding: &Finding,
    change: String,
    changed_at: Timestamp,
    unchanged_at: Option<Timestamp>,
    before: Measured,
) -> FixResult {
    FixResult {
        detector: finding.detector.clone(),
        severity: finding.severity,
        title: finding.title.clone(),
        database: finding.database.clone(),
        fingerprints: finding.fingerprints.clone(),
        tables: finding.tables.clone(),
        change,
        changed_at,
        unchanged_at,
        effect: Effect::Measuring,
        judged_by: model::Basis::Latency,
        after: Measured { since: changed_at, until: changed_at, ..Measured::default() },
        before,
        estimate: finding.estimate.clone(),
        undo: finding.fix.undo.clone(),
        slower: Vec::new(),
    }
}

/// A snapshot's name of a database that a label belongs to.
fn database_of(snapshot: &model::Snapshot, labels: model::LabelId) -> Option<Arc<str>> {
    snapshot.labels.get(&labels).map(|labels| Arc::clone(&labels.database))
}

#[cfg(test)]
mod tests;
