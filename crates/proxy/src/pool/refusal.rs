//! What clients are told that get no server connection.

use std::time::Instant;

use model::Priority;
use pooling::quota::Scope;
use pooling::scheduler::{Refusal, WaiterId};
use wire::error_response::ErrorFields;

use super::{Inner, Pool};

/// What helps whoever is told that there is too much to do.
const WHAT_HELPS: &str = "Try again after a pause. SHOW QUERIES and SHOW POOLS in the admin console \
                          say what keeps the server connections busy";

impl Pool {
    /// Tells a client in the queue that it gets none.
    pub(super) fn refuse_waiting(
        &self,
        inner: &mut Inner,
        waiter: WaiterId,
        refusal: Refusal,
        now: Instant,
    ) {
        let Some(waiting) = inner.waiters.get(&waiter) else { return };
        let (priority, since) = (waiting.priority, waiting.since);
        inner.waits.queued(now.duration_since(since), now);
        let error = self.refused(inner, refusal, priority, now);
        inner.answer(waiter, Err(Box::new(error)));
    }

    /// Counts the refusal; gives what the client is told.
    pub(super) fn refused(
        &self,
        inner: &mut Inner,
        refusal: Refusal,
        priority: Priority,
        now: Instant,
    ) -> ErrorFields {
        match refusal {
            Refusal::QueueFull => {
                inner.rejected.queue_full += 1;
                queue_full(inner)
            }
            Refusal::QueueAge => {
                inner.rejected.queue_age += 1;
                queue_age(inner, priority, now)
            }
            Refusal::Displaced => {
                inner.rejected.displaced += 1;
                displaced()
            }
            Refusal::TimedOut => {
                inner.rejected.timed_out += 1;
                self.timed_out(inner)
            }
            Refusal::Unreachable => inner.last_failure.clone().unwrap_or_else(|| {
                ErrorFields::error("08006", "the PostgreSQL server cannot be reached")
            }),
        }
    }

    fn timed_out(&self, inner: &Inner) -> ErrorFields {
        let limits = inner.scheduler.limits();
        let error = ErrorFields::error(
            "53300",
            format!(
                "query_wait_timeout: no server connection was free within {} s",
                limits.wait_timeout.as_secs_f64()
            ),
        );
        if let Some(failure) = &inner.last_failure {
            if failure.sqlstate() == "57P03" {
                // There is room for more, and no server for it: it is this that is to be told.
                let error = ErrorFields::error("57P03", error.message);
                let error = error.with_detail(failure.message.clone());
                return match &failure.hint {
                    Some(hint) => error.with_hint(hint.clone()),
                    None => error,
                };
            }
            return error.with_detail(failure.message.clone());
        }
        error.with_hint(match self.shares.obstacle(self.member) {
            Some((Scope::Database(name), maximum)) => format!(
                "All {maximum} server connections that max_db_connections allows the pools of \
                 database {name} were busy."
            ),
            Some((Scope::User(name), maximum)) => format!(
                "All {maximum} server connections that max_user_connections allows the pools of \
                 user {name} were busy."
            ),
            Some((Scope::OneUser(name), maximum)) => format!(
                "All {maximum} server connections that pool_size allows database {name}, for all \
                 its users together, were busy."
            ),
            None => format!(
                "All {} server connections of the pool were busy. SHOW POOLS and SHOW QUERIES in \
                 the admin console say with what.",
                inner.scheduler.total()
            ),
        })
    }
}

fn queue_full(inner: &Inner) -> ErrorFields {
    let scheduler = &inner.scheduler;
    ErrorFields::error("53300", "too many clients wait for a server connection (max_wait_queue)")
        .with_detail(format!(
            "{} clients wait, {} of them with low priority; the pool has {} server connections.",
            scheduler.waiting(),
            scheduler.waiting_of(Priority::Low),
            scheduler.total()
        ))
        .with_hint(format!(
            "{WHAT_HELPS}. Raise max_wait_queue or default_pool_size, or make the queries faster; \
             low_priority_share is the part of both that clients of low priority may have."
        ))
}

fn queue_age(inner: &mut Inner, priority: Priority, now: Instant) -> ErrorFields {
    let expected = inner.scheduler.expected_wait(priority, now).unwrap_or_default();
    let scheduler = &inner.scheduler;
    let most = scheduler.limits().max_age.unwrap_or_default();
    ErrorFields::error(
        "53300",
        format!(
            "too many clients wait for a server connection: one more would wait for about {:.1} s \
             (max_queue_age)",
            expected.as_secs_f64()
        ),
    )
    .with_detail(format!(
        "{} clients of {priority} priority wait, {} in all; the pool has {} server connections.",
        scheduler.waiting_of(priority),
        scheduler.waiting(),
        scheduler.total()
    ))
    .with_hint(format!(
        "{WHAT_HELPS}. max_queue_age is {} s: whoever would have to wait for longer is refused at \
         once. Make the queries faster, raise default_pool_size, or give priority to what matters \
         ([applications.NAME], [users.NAME]).",
        most.as_secs_f64()
    ))
}

fn displaced() -> ErrorFields {
    ErrorFields::error(
        "53300",
        "too many clients wait for a server connection: one of a higher priority took the place \
         (max_wait_queue)",
    )
    .with_hint(format!("{WHAT_HELPS}. max_wait_queue is how many may wait."))
}
