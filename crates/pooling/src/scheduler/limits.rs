//! The bounds of a pool, and the age of its connections.

use std::time::{Duration, Instant};

use model::Priority;

/// The bounds of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Server connections at most, the reserve aside.
    pub size: u32,
    /// Server connections kept open even if nobody wants them; never more than `size`.
    pub min_size: u32,
    /// Server connections beyond `size` for clients that have waited for `reserve_timeout`.
    pub reserve_size: u32,
    /// How long a client must have waited before the reserve is used, and how long a connection of
    /// the reserve must have been idle before it is closed. None: the reserve is not used.
    pub reserve_timeout: Option<Duration>,
    /// Clients in the queue at most; none is no bound of its own.
    pub max_waiting: Option<usize>,
    /// A client that has to expect to wait for longer does not join the queue; none is no bound.
    pub max_age: Option<Duration>,
    /// The part of the connections, and of the queue, that clients of low priority may have, in
    /// percent.
    pub low_share: u32,
    /// What the part of the connections is reckoned from: `size`, or a maximum that is shared with
    /// other pools, if that is less.
    pub low_share_of: u32,
    /// How long a client may stand in the queue.
    pub wait_timeout: Duration,
    /// Idle server connections are closed after this.
    pub idle_timeout: Duration,
    /// Server connections are closed when idle and older than this; see [`Age`].
    pub lifetime: Duration,
    /// How long the upstream may be unreachable before clients in the queue are told. Until then
    /// they wait: a restart of the server is not an error.
    pub login_retry: Duration,
    /// Whether the connection that was idle for longest is given out, and not the one used last.
    pub round_robin: bool,
}

impl Limits {
    /// Server connections at most, those of the reserve among them.
    #[must_use]
    pub fn size_with_reserve(&self) -> u32 {
        match self.reserve_timeout {
            Some(_) => self.size.saturating_add(self.reserve_size),
            None => self.size,
        }
    }

    /// Connections that clients of low priority may hold: one at least.
    #[must_use]
    pub fn low_size(&self) -> u32 {
        match self.low_share {
            100.. => u32::MAX,
            share => part(share, self.low_share_of as usize),
        }
    }

    /// Clients of this priority in the queue at most, where there may be so many in all.
    pub(super) fn may_wait(&self, most: usize, priority: Priority) -> usize {
        match priority {
            Priority::Low if self.low_share < 100 => part(self.low_share, most) as usize,
            _ => most,
        }
    }
}

fn part(percent: u32, of: usize) -> u32 {
    let part = of.saturating_mul(percent as usize) / 100;
    u32::try_from(part).unwrap_or(u32::MAX).max(1)
}

/// When a connection was opened, and how much of the pool's lifetime it has: between 80 % and all of
/// it, so that connections opened together are not closed together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Age {
    opened: Instant,
    share: f64,
}

/// The part of the lifetime that is left to chance.
const SPREAD: f64 = 0.2;

impl Age {
    /// `random`: between 0 and 1.
    #[must_use]
    pub fn new(opened: Instant, random: f64) -> Self {
        Self { opened, share: 1.0 - SPREAD * random.clamp(0.0, 1.0) }
    }

    /// Whether its time is over, where the longest time is `lifetime`.
    #[must_use]
    pub fn is_over(self, lifetime: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.opened) >= lifetime.mul_f64(self.share)
    }
}
