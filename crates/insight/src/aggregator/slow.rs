//! Statements that took long, and those that take strong locks: one by one, so that it can be told
//! who waited for whom.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::{
    ById, ClientId, LabelId, Outcome, QueryEvent, RowKey, SlowStatement, TransactionEvent,
};
use sql::{Class, Shape};

use super::row::database_time;
use crate::wording::contains_ignoring_case;

/// A statement that takes this long may have waited for a lock.
const SLOW: Duration = Duration::from_millis(200);
/// Statements kept of a minute.
const MINUTE_LIMIT: usize = 500;
/// Statements with strong locks kept beside these, and followed in open transactions.
const LOCKING_LIMIT: usize = 200;

/// Follows statements whose locks last until their transaction ends.
#[derive(Debug, Default)]
pub(super) struct SlowTracker {
    locking: ById<ClientId, Vec<SlowStatement>>,
    followed: usize,
}

impl SlowTracker {
    /// Takes a statement; `time_of` says when an instant was.
    pub(super) fn observe(
        &mut self,
        event: &QueryEvent,
        key: RowKey,
        shape: Option<&Shape>,
        time_of: impl Fn(Instant) -> Timestamp,
        slow: &mut Vec<SlowStatement>,
    ) {
        let took = database_time(event);
        let locking = event.outcome == Outcome::Done && shape.is_some_and(locks_table);
        if !locking && took < SLOW {
            return;
        }
        let ended = time_of(event.finished);
        let statement = SlowStatement {
            fingerprint: key.fingerprint,
            labels: event.labels,
            client: event.client,
            transaction: event.transaction,
            began: ended.checked_sub(took).unwrap_or(ended),
            ended,
        };
        if !locking {
            if slow.len() < MINUTE_LIMIT {
                slow.push(statement);
            }
        } else if self.followed < LOCKING_LIMIT {
            self.followed += 1;
            self.locking.entry(event.client).or_default().push(statement);
        }
    }

    /// A transaction is over, and the locks that it held are free.
    pub(super) fn ended(
        &mut self,
        event: &TransactionEvent,
        time_of: impl Fn(Instant) -> Timestamp,
        slow: &mut Vec<SlowStatement>,
    ) {
        let Some(statements) = self.locking.remove(&event.client) else {
            return;
        };
        let ended = time_of(event.finished);
        self.followed = self.followed.saturating_sub(statements.len());
        for statement in statements {
            if slow.len() < MINUTE_LIMIT + LOCKING_LIMIT {
                slow.push(SlowStatement { ended, ..statement });
            }
        }
    }

    /// The kinds of clients that are followed.
    pub(super) fn labels(&self) -> impl Iterator<Item = LabelId> {
        self.locking.values().flatten().map(|statement| statement.labels)
    }

    /// The client is gone; its transaction was over before.
    pub(super) fn forget(&mut self, client: ClientId) {
        let gone = self.locking.remove(&client).map_or(0, |statements| statements.len());
        self.followed = self.followed.saturating_sub(gone);
    }
}

/// Whether a statement takes a lock that others' changes or reads of the table must wait for.
fn locks_table(shape: &Shape) -> bool {
    let says = |words| contains_ignoring_case(shape.text(), words);
    let locks = match shape.class {
        Class::Alter | Class::Drop | Class::Truncate | Class::Lock => true,
        Class::Create => says(" index ") || says(" trigger "),
        Class::Vacuum => says("full"),
        Class::Other => says("cluster") || says("reindex"),
        _ => false,
    };
    locks && !says("concurrently")
}
