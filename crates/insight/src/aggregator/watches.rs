//! What is measured from one moment on, beside the minutes: a minute is too coarse to tell what was
//! before a change from what came after it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use model::{ById, FingerprintId, Histogram, LabelId, Outcome, QueryEvent, RowKey};

use super::row::database_time;

/// Watches at one time; the caller waits for room.
const WATCHES_LIMIT: usize = 16;

/// Statements that are measured from a moment on.
#[derive(Debug, Default)]
pub struct Watches {
    last: u64,
    watches: BTreeMap<u64, Watch>,
    /// Which watches a statement belongs to.
    of: ById<FingerprintId, Vec<u64>>,
    /// Time in the database since the start.
    spent: Duration,
}

/// What was measured from a moment on.
#[derive(Clone, Debug)]
pub struct Watch {
    /// The moment.
    pub since: Timestamp,
    /// The statements.
    pub rows: HashMap<RowKey, Watched>,
    spent_before: Duration,
}

/// What was measured of one statement by one kind of client.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Failed statements.
    pub failed: u64,
    /// Time as the clients saw it, of all that came to an end.
    pub total: Histogram,
    /// Of that, time waiting for a server connection.
    pub wait: Histogram,
}

impl Watches {
    /// Begins to measure `fingerprints`; none where there is no room.
    pub fn begin(&mut self, fingerprints: &BTreeSet<FingerprintId>, now: Timestamp) -> Option<u64> {
        if self.watches.len() >= WATCHES_LIMIT {
            return None;
        }
        self.last += 1;
        let watch = Watch { since: now, rows: HashMap::new(), spent_before: self.spent };
        self.watches.insert(self.last, watch);
        for fingerprint in fingerprints {
            self.of.entry(*fingerprint).or_default().push(self.last);
        }
        Some(self.last)
    }

    /// What was measured since it began; none where it has ended.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Watch> {
        self.watches.get(&id)
    }

    /// Time that all statements have spent in the database since the watch began, ms.
    #[must_use]
    pub fn spent_ms(&self, watch: &Watch) -> f64 {
        self.spent.saturating_sub(watch.spent_before).as_secs_f64() * 1e3
    }

    /// Ends a watch.
    pub fn end(&mut self, id: u64) {
        self.watches.remove(&id);
        self.of.retain(|_, ids| {
            ids.retain(|one| *one != id);
            !ids.is_empty()
        });
    }

    /// Whether there is room for one more.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.watches.len() < WATCHES_LIMIT
    }

    /// The kinds of clients that were measured.
    pub(super) fn labels(&self) -> impl Iterator<Item = LabelId> {
        self.watches.values().flat_map(|watch| watch.rows.keys().map(|key| key.labels))
    }

    pub(super) fn observe(&mut self, key: RowKey, event: &QueryEvent) {
        self.spent = self.spent.saturating_add(database_time(event));
        let Some(ids) = self.of.get(&key.fingerprint) else { return };
        for id in ids {
            if let Some(watch) = self.watches.get_mut(id) {
                watch.rows.entry(key).or_default().add(event);
            }
        }
    }
}

impl Watched {
    fn add(&mut self, event: &QueryEvent) {
        if event.outcome == Outcome::Lost {
            return;
        }
        self.failed += u64::from(matches!(event.outcome, Outcome::Failed(_)));
        self.total.record(event.total);
        self.wait.record(event.wait);
    }
}
