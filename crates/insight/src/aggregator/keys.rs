//! Statements with the very same values: those that are tried again after an error, and those that
//! change the same row at the same time.

use std::time::{Duration, Instant};

use model::{ById, ClientId, FingerprintId, Outcome, QueryEvent, QueryStats};
use sql::{Class, Shape};

use super::row::database_time;
use crate::wording::contains_ignoring_case;

/// A call within this time after one that failed with the same values is a retry.
const RETRY_WITHIN: Duration = Duration::from_secs(1);
/// A change of rows that takes this long may have waited for a lock.
const SLOW_CHANGE: Duration = Duration::from_millis(20);
/// Keys followed at one time; beyond it new ones are not, until old ones are forgotten.
const KEYS_LIMIT: usize = 10_000;

/// Follows values that failed of late, and values of slow changes.
#[derive(Debug, Default)]
pub(super) struct KeyTracker {
    keys: ById<(FingerprintId, u64), Seen>,
}

#[derive(Debug)]
struct Seen {
    last: Instant,
    failed: Option<Instant>,
    /// The latest slow change: who, from when to when.
    change: Option<(ClientId, Instant, Instant)>,
}

impl KeyTracker {
    /// Takes a statement, and notes in its row what its key went through.
    pub(super) fn observe(
        &mut self,
        event: &QueryEvent,
        fingerprint: FingerprintId,
        shape: Option<&Shape>,
        row: &mut QueryStats,
    ) {
        let took = database_time(event);
        let failed = matches!(event.outcome, Outcome::Failed(_));
        let change = took >= SLOW_CHANGE && shape.is_some_and(locks_rows);
        let worth_following = (failed || change) && fingerprint != FingerprintId::OTHERS;
        if self.keys.is_empty() && !worth_following {
            return;
        }
        let began = event.finished.checked_sub(took).unwrap_or(event.finished);
        let key = (fingerprint, event.values);
        let room = self.keys.len() < KEYS_LIMIT;
        let seen = match self.keys.get_mut(&key) {
            Some(seen) => seen,
            None if worth_following && room => self.keys.entry(key).or_insert(Seen {
                last: event.finished,
                failed: None,
                change: None,
            }),
            None => return,
        };
        seen.last = seen.last.max(event.finished);
        if let Some(at) = seen.failed.take()
            && began.saturating_duration_since(at) <= RETRY_WITHIN
        {
            row.retries += 1;
        }
        if failed {
            seen.failed = Some(event.finished);
        }
        if change {
            if let Some((client, from, to)) = seen.change
                && client != event.client
            {
                let together = to.min(event.finished).saturating_duration_since(from.max(began));
                if !together.is_zero() {
                    row.contended += 1;
                    row.contended_time += together;
                }
            }
            seen.change = Some((event.client, began, event.finished));
        }
    }

    /// Forgets keys not seen for a while.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.keys.retain(|_, seen| now.saturating_duration_since(seen.last) < RETRY_WITHIN * 5);
    }
}

/// Whether a statement waits for others that have its rows.
fn locks_rows(shape: &Shape) -> bool {
    let says = |words| contains_ignoring_case(shape.text(), words);
    match shape.class {
        Class::Update | Class::Delete | Class::Merge => true,
        Class::Select => says(" for update") || says(" for no key"),
        Class::Insert => says(" do update"),
        _ => false,
    }
}
