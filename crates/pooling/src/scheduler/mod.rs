//! Who gets which server connection, and when to open or close one.
//!
//! Pure: the shell tells it what happened and when, and does what it answers. One scheduler a pool.
//! Server connections are in exactly one place: being opened (a count), idle (a list), or out (held
//! by a client, or being cleaned or closed).

mod closing;
mod limits;
mod opening;
mod outage;

use std::collections::VecDeque;
use std::time::Instant;

use model::ServerId;

pub use closing::Standing;
pub use limits::{Age, Limits};
pub use opening::Wanted;

use opening::count;
use outage::Outage;

/// A client that wants a server connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WaiterId(pub u64);

/// The answer to a client that wants a server connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// It gets this one, now.
    Granted(ServerId),
    /// It waits; see [`Scheduler::connects_due`].
    Queued,
    /// It is refused.
    Rejected(Refusal),
}

/// Why a client does not get a server connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The queue is at its bound.
    QueueFull,
    /// The upstream has not been reachable for `login_retry`, or never was.
    Unreachable,
    /// It stood in the queue for `wait_timeout`.
    TimedOut,
}

/// What becomes of a server connection that comes free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freed {
    /// It goes to this client, the first in the queue.
    To(WaiterId),
    /// It is idle.
    Idle,
    /// It is to be closed; call [`Scheduler::closed`] when it is.
    Close,
}

#[derive(Clone, Copy, Debug)]
struct Idle {
    server: ServerId,
    age: Age,
    since: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    id: WaiterId,
    since: Instant,
}

/// The decisions of one pool.
#[derive(Debug)]
pub struct Scheduler {
    limits: Limits,
    /// The most recently used last: it is the one given out, so that a pool too large shrinks.
    idle: Vec<Idle>,
    waiting: VecDeque<Waiter>,
    connecting: u32,
    out: u32,
    /// Of those out, the ones that were told to close.
    closing: u32,
    /// Connections that other pools want, to be closed as they come free.
    to_give_up: u32,
    paused: bool,
    ever_connected: bool,
    outage: Option<Outage>,
}

/// What is due at a tick.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Idle server connections to close; call [`Scheduler::closed`] for each when it is.
    pub close: Vec<ServerId>,
    /// Clients to refuse.
    pub refuse: Vec<(WaiterId, Refusal)>,
}

impl Scheduler {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            idle: Vec::new(),
            waiting: VecDeque::new(),
            connecting: 0,
            out: 0,
            closing: 0,
            to_give_up: 0,
            paused: false,
            ever_connected: false,
            outage: None,
        }
    }

    /// A client wants a server connection, preferably `prefer`, the one it had last.
    pub fn request(&mut self, waiter: WaiterId, prefer: Option<ServerId>, now: Instant) -> Request {
        if !self.paused
            && self.waiting.is_empty()
            && let Some(index) = self.next_idle(prefer)
        {
            self.out += 1;
            return Request::Granted(self.idle.remove(index).server);
        }
        if self.limits.max_waiting.is_some_and(|limit| self.waiting.len() >= limit) {
            return Request::Rejected(Refusal::QueueFull);
        }
        if self.is_unreachable(now) && self.outage.is_some_and(|outage| outage.is_pausing(now)) {
            return Request::Rejected(Refusal::Unreachable);
        }
        self.waiting.push_back(Waiter { id: waiter, since: now });
        Request::Queued
    }

    /// Which of the idle ones is given out.
    fn next_idle(&self, prefer: Option<ServerId>) -> Option<usize> {
        if self.limits.round_robin {
            return (!self.idle.is_empty()).then_some(0);
        }
        let preferred =
            prefer.and_then(|server| self.idle.iter().rposition(|idle| idle.server == server));
        preferred.or_else(|| self.idle.len().checked_sub(1))
    }

    /// A granted server connection turned out dead: takes another idle one, if there is one. The
    /// dead one stays `out` until [`Self::closed`].
    pub fn another(&mut self) -> Option<ServerId> {
        let idle = self.idle.pop()?;
        self.out += 1;
        Some(idle.server)
    }

    /// The client of a granted or dead connection goes to the head of the queue.
    pub fn requeue_first(&mut self, waiter: WaiterId, now: Instant) {
        self.waiting.push_front(Waiter { id: waiter, since: now });
    }

    /// A client does not want to wait any longer. False if it was not in the queue: it has been
    /// given a connection, or an answer.
    pub fn cancel_wait(&mut self, waiter: WaiterId) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.id != waiter);
        self.waiting.len() < before
    }

    /// A server connection that was out is clean and can be used again.
    pub fn freed(&mut self, server: ServerId, age: Age, now: Instant) -> Freed {
        if let Some(outage) = &mut self.outage {
            // It works with those that there are: only opening more does not.
            outage.since = now;
        }
        let wanted_elsewhere = self.to_give_up > 0;
        let too_many = self.total() > self.limits.size_with_reserve();
        let too_old = age.is_over(self.limits.lifetime, now);
        if wanted_elsewhere || too_many || too_old || self.paused {
            self.to_give_up = self.to_give_up.saturating_sub(1);
            self.closing += 1;
            return Freed::Close;
        }
        if let Some(waiter) = self.waiting.pop_front() {
            return Freed::To(waiter.id);
        }
        self.out = self.out.saturating_sub(1);
        self.idle.push(Idle { server, age, since: now });
        Freed::Idle
    }

    /// No server connection is given out until [`Self::resume`], and those that come free are to be
    /// closed; the idle ones are the caller's to close.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Server connections are given out again: returns who gets which.
    pub fn resume(&mut self) -> Vec<(WaiterId, ServerId)> {
        self.paused = false;
        let mut grants = Vec::new();
        while let (Some(waiter), Some(idle)) = (self.waiting.front(), self.idle.last()) {
            grants.push((waiter.id, idle.server));
            self.waiting.pop_front();
            self.idle.pop();
            self.out += 1;
        }
        grants
    }

    /// Changes the bounds; surplus connections are closed as they come free.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Whether PAUSE holds it.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Server connections in all states.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.connecting + self.out + count(self.idle.len())
    }

    /// Idle server connections.
    pub fn idle(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.idle.iter().map(|idle| idle.server)
    }

    /// Connections held, being cleaned or being closed.
    #[must_use]
    pub fn out(&self) -> u32 {
        self.out
    }

    /// Clients in the queue.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}
