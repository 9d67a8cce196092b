//! Who may join the queue, and who is told at once that there is too much to do.
//!
//! A queue in front of a pool that is overloaded helps nobody: everybody waits for as long as their
//! patience lasts, and what is served is served to those that have just given up. So a client that
//! would have to wait for longer than `max_queue_age` is refused while it is early: it costs next to
//! nothing, the client can do something else, and the pool is as busy as before, since the queue that
//! is left never runs dry.
//!
//! How long the wait would be is what is in front, by the pace at which it is served: a queue's
//! length alone says little (50 are nothing to a pool that serves 10,000 a second), and the age of
//! the first in the queue says too late what the last one will have to wait. It is counted for each
//! priority apart, so that those of low priority are refused first: what the urgent ones take, they do
//! not get.

use std::time::{Duration, Instant};

use model::Priority;

use super::queue::Waiter;
use super::{Refusal, Request, Scheduler, WaiterId};

/// What a queue's pace is learned from, at least.
const LEAST_MEMORY: Duration = Duration::from_secs(1);

impl Scheduler {
    /// A client that cannot have a connection now joins the queue, or is refused.
    pub(super) fn join(&mut self, waiter: WaiterId, priority: Priority, now: Instant) -> Request {
        let is_full = match self.limits.max_waiting {
            Some(most) if self.queue.of(priority) >= self.limits.may_wait(most, priority) => {
                return Request::Rejected(Refusal::QueueFull);
            }
            Some(most) => self.queue.len() >= most,
            None => false,
        };
        if is_full && !self.queue.has_below(priority) {
            return Request::Rejected(Refusal::QueueFull);
        }
        if self.is_unreachable(now) && self.outage.is_some_and(|outage| outage.is_pausing(now)) {
            return Request::Rejected(Refusal::Unreachable);
        }
        if self.is_too_slow(priority, now) {
            return Request::Rejected(Refusal::QueueAge);
        }
        let memory = self.memory();
        let displaced = if is_full { self.queue.pop_below(priority, memory, now) } else { None };
        let out = self.out_for(priority);
        self.queue.push(priority, Waiter { id: waiter, since: now }, out, memory);
        Request::Queued { displaced }
    }

    /// Whether one more would have to wait for too long. Not while it is PAUSE or an outage that they
    /// wait for: that is no overload. And somebody must wait, or nobody would learn when it is over.
    fn is_too_slow(&mut self, priority: Priority, now: Instant) -> bool {
        let Some(most) = self.limits.max_age else { return false };
        let nothing_works = self.outage.is_some() && self.out == 0 && self.idle.is_empty();
        if self.paused || nothing_works || self.queue.of(priority) == 0 {
            return false;
        }
        self.expected_wait(priority, now).is_some_and(|expected| expected > most)
    }

    /// How long one more client of this priority has to expect to wait; none where nobody keeps
    /// count, since there is no `max_age`.
    pub fn expected_wait(&mut self, priority: Priority, now: Instant) -> Option<Duration> {
        let memory = self.memory()?;
        if std::mem::take(&mut self.pace_is_old) {
            let out = Priority::ALL.map(|priority| self.out_for(priority));
            self.queue.forget_pace(|priority| out[priority.index()], memory, now);
        }
        Some(self.queue.expected_wait(priority, memory, now))
    }

    /// Clients of this priority in the queue.
    #[must_use]
    pub fn waiting_of(&self, priority: Priority) -> usize {
        self.queue.of(priority)
    }

    /// What the pace of the queue is learned from: long enough to see some served where as many wait
    /// as may.
    pub(super) fn memory(&self) -> Option<Duration> {
        self.limits.max_age.map(|age| age.saturating_mul(2).max(LEAST_MEMORY))
    }

    /// Connections that will come back for those of this priority.
    pub(super) fn out_for(&self, priority: Priority) -> u32 {
        match priority {
            Priority::Low => self.low.count(),
            _ => self.out,
        }
    }

    /// Connections that clients of low priority may have beside those that they hold.
    pub(super) fn low_room(&self) -> u32 {
        self.limits.low_size().saturating_sub(self.low.count())
    }
}
