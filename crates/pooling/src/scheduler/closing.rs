//! When to close connections: too old, too many, idle for too long, wanted elsewhere.

use std::time::{Duration, Instant};

use model::ServerId;

use super::opening::count;
use super::{Due, Refusal, Scheduler};

/// A pool as [`crate::quota`] sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Connections that were idle for a while: nobody would miss them.
    pub idle: u32,
    /// Connections on their way out.
    pub closing: u32,
}

impl Scheduler {
    /// What is due by now: idle connections too old or idle too long, clients that waited too long.
    /// `warm`: whether the pool is to be kept at its minimum.
    pub fn tick(&mut self, warm: bool, now: Instant) -> Due {
        let mut due = Due::default();
        let limits = self.limits;
        let least = if warm { limits.min_size.min(limits.size) } else { 0 };
        let most = limits.size_with_reserve();
        let reserve_timeout = limits.reserve_timeout.unwrap_or(Duration::ZERO);
        let mut left = self.total();
        self.idle.retain(|idle| {
            let idle_for = now.duration_since(idle.since);
            let keep = left <= most
                && (left <= limits.size || idle_for < reserve_timeout)
                && (left <= least || idle_for < limits.idle_timeout)
                && !idle.age.is_over(limits.lifetime, now);
            if !keep {
                left -= 1;
                due.close.push(idle.server);
            }
            keep
        });
        self.note_closing(due.close.len());
        let overdue = self.queue.take_overdue(limits.wait_timeout, now);
        due.refuse.extend(overdue.into_iter().map(|waiter| (waiter, Refusal::TimedOut)));
        if !self.paused {
            due.grant = self.hand_out(now);
        }
        due
    }

    /// Other pools under the same maximum want so many of its connections, all told: returns the
    /// idle ones to close now; the rest is closed as it comes free. Said again, the number replaces
    /// the one before.
    pub fn give_up(&mut self, number: u32) -> Vec<ServerId> {
        let now = self.idle.len().min(number as usize);
        // Those that were idle for longest come first.
        let close: Vec<_> = self.idle.drain(..now).map(|idle| idle.server).collect();
        self.note_closing(close.len());
        self.to_give_up = number - count(now);
        close
    }

    /// Connections that were idle and are now out, to be closed.
    fn note_closing(&mut self, number: usize) {
        self.out += count(number);
        self.closing += count(number);
    }

    /// An idle server connection was found dead: it counts as out until [`Self::closed`]. False if
    /// it is not idle.
    pub fn idle_died(&mut self, server: ServerId) -> bool {
        let Some(index) = self.idle.iter().position(|idle| idle.server == server) else {
            return false;
        };
        self.idle.remove(index);
        self.note_closing(1);
        true
    }

    /// A server connection that a client held is not there any more; [`Self::closed`] follows, or
    /// [`Self::took_its_place`] has gone before.
    pub fn lost(&mut self, server: ServerId) {
        self.low.remove(server);
    }

    /// A client got another connection for the one that it held.
    pub fn took_its_place(&mut self, old: ServerId, new: ServerId) {
        if self.low.remove(old) {
            self.low.add(new);
        }
    }

    /// A server connection that was out is closed.
    pub fn closed(&mut self) {
        self.out = self.out.saturating_sub(1);
        // Perhaps one that broke, and not one that was told to: then this is behind by one until
        // that one is closed too.
        self.closing = self.closing.saturating_sub(1);
    }

    /// What other pools may hope for from this one. `grace`: how long a connection must have been
    /// idle to count.
    #[must_use]
    pub fn standing(&self, grace: Duration, now: Instant) -> Standing {
        let idle = self.idle.iter().filter(|idle| now.duration_since(idle.since) >= grace);
        Standing { idle: count(idle.count()), closing: self.closing }
    }
}
