//! The past and the minutes in memory, put together.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use model::{Minute, Snapshot};

/// Whether memory has all from `from` on.
pub(super) fn covers(live: &Snapshot, from: Timestamp) -> bool {
    let first = from.as_second().div_euclid(60);
    let front = live.minutes.front().is_some_and(|oldest| oldest.minute <= first);
    front && live.started_at <= from
}

/// The first minute that is taken from memory: the first that is not written, if memory has it.
pub(super) fn memory_from(live: &Snapshot, next: i64) -> i64 {
    let front = live.minutes.front().map_or(i64::MAX, |oldest| oldest.minute);
    next.max(front)
}

/// `past` up to `memory_from`, and `live` from there on, together with what other runs measured then.
pub(super) fn merge(past: Snapshot, live: &Snapshot, memory_from: i64) -> Snapshot {
    let mut minutes: BTreeMap<i64, Arc<Minute>> =
        past.minutes.into_iter().map(|minute| (minute.minute, minute)).collect();
    for minute in live.minutes.iter().filter(|minute| minute.minute >= memory_from) {
        minutes
            .entry(minute.minute)
            .and_modify(|there| {
                let mut both = Minute::clone(minute);
                both.merge(there);
                *there = Arc::new(both);
            })
            .or_insert_with(|| Arc::clone(minute));
    }
    let started_at = match minutes.values().next() {
        Some(_) => past.started_at.min(live.started_at),
        None => live.started_at,
    };
    let (mut shapes, mut labels) = (past.shapes, past.labels);
    for (fingerprint, info) in &live.shapes {
        let first_seen = shapes.get(fingerprint).map(|earlier| earlier.first_seen);
        let mut info = info.clone();
        info.first_seen = first_seen.map_or(info.first_seen, |first| first.min(info.first_seen));
        shapes.insert(*fingerprint, info);
    }
    labels.extend(live.labels.iter().map(|(id, labels)| (*id, Arc::clone(labels))));
    Snapshot {
        taken_at: live.taken_at,
        started_at,
        examined_since: live.examined_since,
        minutes: minutes.into_values().collect(),
        shapes,
        labels,
        pools: live.pools.clone(),
        clients: live.clients,
        open_transactions: live.open_transactions.clone(),
        coverage: live.coverage,
        database_totals: live.database_totals.clone(),
        last_minute: live.last_minute.clone(),
    }
}
