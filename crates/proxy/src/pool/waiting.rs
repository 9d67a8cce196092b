//! Clients in the queue, and the answers that they get.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use model::{ClientId, Priority};
use pooling::scheduler::WaiterId;
use wire::error_response::ErrorFields;

use super::{Inner, Lease, Pool};

/// What a client that waits is told in the end.
pub(crate) type Grant = Result<Lease, Box<ErrorFields>>;

/// A client that waits, or that has its answer and has not taken it yet. Under the pool's lock, which
/// those who answer hold anyway: nobody leaves in the moment in which it is answered.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) client: ClientId,
    pub(super) priority: Priority,
    pub(super) since: Instant,
    waker: Option<Waker>,
    answer: Option<Grant>,
}

impl Waiting {
    pub(super) fn new(client: ClientId, priority: Priority, since: Instant) -> Self {
        Self { client, priority, since, waker: None, answer: None }
    }

    /// What it was given and has not taken.
    pub(super) fn into_answer(self) -> Option<Grant> {
        self.answer
    }

    /// It has left the scheduler's queue with this.
    fn answer(&mut self, grant: Grant) {
        self.answer = Some(grant);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Inner {
    /// Answers one that the scheduler's queue does not hold any more.
    pub(super) fn answer(&mut self, waiter: WaiterId, grant: Grant) {
        if let Some(waiting) = self.waiters.get_mut(&waiter) {
            waiting.answer(grant);
        }
    }
}

/// A place in the queue. Dropping it gives up the place.
pub(crate) struct Ticket {
    pool: Arc<Pool>,
    waiter: WaiterId,
    /// It has what it waited for.
    is_answered: bool,
}

impl Ticket {
    pub(super) fn new(pool: Arc<Pool>, waiter: WaiterId) -> Self {
        Self { pool, waiter, is_answered: false }
    }

    /// What came of it. Cancel-safe.
    pub(crate) fn poll_grant(&mut self, cx: &mut Context<'_>) -> Poll<Grant> {
        let mut inner = self.pool.inner.lock();
        if let Some(waiting) = inner.waiters.get_mut(&self.waiter)
            && waiting.answer.is_none()
        {
            match &mut waiting.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        }
        self.is_answered = true;
        let answer = inner.waiters.remove(&self.waiter).and_then(Waiting::into_answer);
        let closed = || Err(Box::new(ErrorFields::error("08006", "the pool was closed")));
        Poll::Ready(answer.unwrap_or_else(closed))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        // A connection that it was given and has not taken goes to the next in the queue.
        if let Some(Ok(lease)) = self.pool.leave_queue(self.waiter) {
            lease.release(Instant::now());
        }
    }
}
