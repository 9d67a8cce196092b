//! Who gets which server connection, and when to open or close one.
//!
//! Pure: the shell tells it what happened and when, and does what it answers. One scheduler a pool.
//! Server connections are in exactly one place: being opened (a count), idle (a list), or out (held
//! by a client, or being cleaned or closed).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use model::ServerId;

/// A client that wants a server connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WaiterId(pub u64);

/// The bounds of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Server connections at most.
    pub size: u32,
    /// Clients in the queue at most; none is no bound of its own.
    pub max_waiting: Option<usize>,
    /// How long a client may stand in the queue.
    pub wait_timeout: Duration,
    /// Idle server connections are closed after this.
    pub idle_timeout: Duration,
    /// Server connections are closed when idle and older than this.
    pub lifetime: Duration,
    /// How long the upstream may be unreachable before clients in the queue are told. Until then
    /// they wait: a restart of the server is not an error.
    pub login_retry: Duration,
}

/// Connections opened at the same time at most: enough to fill a cold pool within a few round
/// trips, too few to storm a server that has just come up.
const MAX_CONNECTING: u32 = 8;
/// The first pause between attempts to reach an upstream that is down; doubled up to a second.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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
    opened: Instant,
    since: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    id: WaiterId,
    since: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Instant,
    next_attempt: Instant,
    pause: Duration,
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
            paused: false,
            ever_connected: false,
            outage: None,
        }
    }

    /// A client wants a server connection, preferably `prefer`, the one it had last.
    pub fn request(&mut self, waiter: WaiterId, prefer: Option<ServerId>, now: Instant) -> Request {
        if !self.paused && self.waiting.is_empty() {
            let preferred =
                prefer.and_then(|server| self.idle.iter().rposition(|idle| idle.server == server));
            let index = preferred.or_else(|| self.idle.len().checked_sub(1));
            if let Some(index) = index {
                self.out += 1;
                return Request::Granted(self.idle.remove(index).server);
            }
        }
        if self.limits.max_waiting.is_some_and(|limit| self.waiting.len() >= limit) {
            return Request::Rejected(Refusal::QueueFull);
        }
        if self.is_unreachable(now) && self.outage.is_some_and(|outage| now < outage.next_attempt) {
            return Request::Rejected(Refusal::Unreachable);
        }
        self.waiting.push_back(Waiter { id: waiter, since: now });
        Request::Queued
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

    /// How many connections are to be opened now; counts them as being opened.
    pub fn connects_due(&mut self, now: Instant) -> u32 {
        if self.outage.is_some_and(|outage| now < outage.next_attempt) || self.paused {
            return 0;
        }
        let wanted = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        let room = self.limits.size.saturating_sub(self.total());
        // While the upstream does not answer, one attempt at a time is enough to find out.
        let at_once = if self.outage.is_some() { 1 } else { MAX_CONNECTING };
        let due = wanted
            .saturating_sub(self.connecting)
            .min(room)
            .min(at_once.saturating_sub(self.connecting));
        self.connecting += due;
        due
    }

    /// A connection was opened. It counts as out: follow with [`Self::freed`].
    pub fn connected(&mut self) {
        self.connecting = self.connecting.saturating_sub(1);
        self.out += 1;
        self.ever_connected = true;
        self.outage = None;
    }

    /// A connection could not be opened. `permanent`: the upstream answered, and waiting does not
    /// help (wrong password, no such database). Returns the clients to be told.
    pub fn connect_failed(&mut self, permanent: bool, now: Instant) -> Vec<WaiterId> {
        self.connecting = self.connecting.saturating_sub(1);
        self.outage = Some(match self.outage {
            None => Outage { since: now, next_attempt: now + FIRST_PAUSE, pause: FIRST_PAUSE },
            // One of several that were under way when the first failed: it says nothing new.
            Some(outage) if now < outage.next_attempt => outage,
            Some(outage) => {
                let pause = (outage.pause * 2).min(LONGEST_PAUSE);
                Outage { since: outage.since, next_attempt: now + pause, pause }
            }
        });
        // Other connections of the pool work: whoever waits gets one of those.
        let alive = self.out > 0 || !self.idle.is_empty();
        if (permanent && !alive) || self.is_unreachable(now) {
            return self.waiting.drain(..).map(|waiter| waiter.id).collect();
        }
        Vec::new()
    }

    fn is_unreachable(&self, now: Instant) -> bool {
        self.outage.is_some_and(|outage| {
            !self.ever_connected || now.duration_since(outage.since) >= self.limits.login_retry
        })
    }

    /// A server connection that was out is clean and can be used again.
    pub fn freed(&mut self, server: ServerId, opened: Instant, now: Instant) -> Freed {
        if let Some(outage) = &mut self.outage {
            // It works with those that there are: only opening more does not.
            outage.since = now;
        }
        if self.total() > self.limits.size || now.duration_since(opened) >= self.limits.lifetime {
            return Freed::Close;
        }
        if !self.paused
            && let Some(waiter) = self.waiting.pop_front()
        {
            return Freed::To(waiter.id);
        }
        self.out = self.out.saturating_sub(1);
        self.idle.push(Idle { server, opened, since: now });
        Freed::Idle
    }

    /// A server connection that was out is closed.
    pub fn closed(&mut self) {
        self.out = self.out.saturating_sub(1);
    }

    /// An idle server connection was found dead: it counts as out until [`Self::closed`]. False if
    /// it is not idle.
    pub fn idle_died(&mut self, server: ServerId) -> bool {
        let Some(index) = self.idle.iter().position(|idle| idle.server == server) else {
            return false;
        };
        self.idle.remove(index);
        self.out += 1;
        true
    }

    /// What is due by now: idle connections too old or idle too long, clients that waited too long.
    pub fn tick(&mut self, now: Instant) -> Due {
        let mut due = Due::default();
        let limits = self.limits;
        let surplus = self.total().saturating_sub(limits.size) as usize;
        self.idle.retain(|idle| {
            let keep = due.close.len() >= surplus
                && now.duration_since(idle.since) < limits.idle_timeout
                && now.duration_since(idle.opened) < limits.lifetime;
            if !keep {
                due.close.push(idle.server);
            }
            keep
        });
        self.out += u32::try_from(due.close.len()).unwrap_or(u32::MAX);
        while let Some(first) = self.waiting.front()
            && now.duration_since(first.since) >= limits.wait_timeout
        {
            due.refuse.push((first.id, Refusal::TimedOut));
            self.waiting.pop_front();
        }
        due
    }

    /// No server connection is given out until [`Self::resume`].
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
        self.connecting + self.out + u32::try_from(self.idle.len()).unwrap_or(u32::MAX)
    }

    /// Idle server connections.
    pub fn idle(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.idle.iter().map(|idle| idle.server)
    }

    /// Connections being opened.
    #[must_use]
    pub fn connecting(&self) -> u32 {
        self.connecting
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

    /// How long the first in the queue has waited.
    #[must_use]
    pub fn longest_wait(&self, now: Instant) -> Duration {
        self.waiting.front().map_or(Duration::ZERO, |first| now.duration_since(first.since))
    }
}
