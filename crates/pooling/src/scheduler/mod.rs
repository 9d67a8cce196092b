//! Who gets which server connection, and when to open or close one.
//!
//! Pure: the shell tells it what happened and when, and does what it answers. One scheduler a pool.
//! Server connections are in exactly one place: being opened (a count), idle (a list), or out (held
//! by a client, or being cleaned or closed).

mod admission;
mod closing;
mod limits;
mod low;
mod opening;
mod outage;
mod pace;
mod queue;

use std::time::Instant;

use model::{Priority, ServerId};

pub use closing::Standing;
pub use limits::{Age, Limits};
pub use opening::Wanted;

use low::HeldByLow;
use opening::count;
use outage::Outage;
use queue::{Queue, Waiter};

/// A client that wants a server connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WaiterId(pub u64);

/// The answer to a client that wants a server connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// It gets this one, now.
    Granted(ServerId),
    /// It waits; see [`Scheduler::connects_due`].
    Queued {
        /// One of lower priority, which must leave a full queue for it.
        displaced: Option<WaiterId>,
    },
    /// It is refused.
    Rejected(Refusal),
}

/// Why a client does not get a server connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The queue is at its bound.
    QueueFull,
    /// It would have to wait for longer than `max_age`, as things are.
    QueueAge,
    /// It left a full queue for a client of a higher priority.
    Displaced,
    /// The upstream has not been reachable for `login_retry`, or never was.
    Unreachable,
    /// It stood in the queue for `wait_timeout`.
    TimedOut,
}

/// What becomes of a server connection that comes free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freed {
    /// It goes to this client, whose turn it is.
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

/// The decisions of one pool.
#[derive(Debug)]
pub struct Scheduler {
    limits: Limits,
    /// The most recently used last: it is the one given out, so that a pool too large shrinks.
    idle: Vec<Idle>,
    queue: Queue,
    low: HeldByLow,
    /// What the queue's pace was learned from is over.
    pace_is_old: bool,
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
    /// Clients that get an idle server connection.
    pub grant: Vec<(WaiterId, ServerId)>,
}

impl Scheduler {
    /// An empty pool.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            idle: Vec::new(),
            queue: Queue::default(),
            low: HeldByLow::default(),
            pace_is_old: false,
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
    pub fn request(
        &mut self,
        waiter: WaiterId,
        priority: Priority,
        prefer: Option<ServerId>,
        now: Instant,
    ) -> Request {
        if !self.paused
            && self.queue.lets_pass(priority)
            && (priority != Priority::Low || self.low_room() > 0)
            && let Some(index) = self.next_idle(prefer)
        {
            let server = self.idle.remove(index).server;
            self.give(server, priority);
            return Request::Granted(server);
        }
        self.join(waiter, priority, now)
    }

    /// An idle connection is out now, for a client of this priority.
    fn give(&mut self, server: ServerId, priority: Priority) {
        self.out += 1;
        if priority == Priority::Low {
            self.low.add(server);
        }
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
    pub fn another(&mut self, dead: ServerId) -> Option<ServerId> {
        let was_low = self.low.remove(dead);
        let idle = self.idle.pop()?;
        self.give(idle.server, if was_low { Priority::Low } else { Priority::Normal });
        Some(idle.server)
    }

    /// The client of a granted or dead connection goes to the head of the queue.
    pub fn requeue_first(&mut self, waiter: WaiterId, priority: Priority, now: Instant) {
        let (out, memory) = (self.out_for(priority), self.memory());
        self.queue.push_front(priority, Waiter { id: waiter, since: now }, out, memory);
    }

    /// A client does not want to wait any longer. False if it was not in the queue: it has been
    /// given a connection, or an answer.
    pub fn cancel_wait(&mut self, waiter: WaiterId) -> bool {
        self.queue.remove(waiter)
    }

    /// A server connection that was out is clean and can be used again.
    pub fn freed(&mut self, server: ServerId, age: Age, now: Instant) -> Freed {
        self.low.remove(server);
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
        if let Some((waiter, priority)) = self.next_waiter(now) {
            if priority == Priority::Low {
                self.low.add(server);
            }
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
    pub fn resume(&mut self, now: Instant) -> Vec<(WaiterId, ServerId)> {
        self.paused = false;
        self.pace_is_old = true;
        self.hand_out(now)
    }

    /// Who gets which of the idle connections.
    fn hand_out(&mut self, now: Instant) -> Vec<(WaiterId, ServerId)> {
        let mut grants = Vec::new();
        while let Some(idle) = self.idle.last().copied()
            && let Some((waiter, priority)) = self.next_waiter(now)
        {
            self.idle.pop();
            self.give(idle.server, priority);
            grants.push((waiter.id, idle.server));
        }
        grants
    }

    fn next_waiter(&mut self, now: Instant) -> Option<(Waiter, Priority)> {
        if self.queue.is_empty() {
            return None;
        }
        let (low_too, memory) = (self.low_room() > 0, self.memory());
        self.queue.pop(low_too, memory, now)
    }

    /// Changes the bounds; surplus connections are closed as they come free.
    pub fn set_limits(&mut self, limits: Limits) {
        // Perhaps nobody has kept count of the queue's pace until now.
        self.pace_is_old |= self.limits.max_age != limits.max_age;
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
        self.queue.len()
    }
}
