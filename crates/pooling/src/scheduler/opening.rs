//! When to open connections, and how many.

use std::time::{Duration, Instant};

use super::outage::Outage;
use super::{Scheduler, WaiterId};

/// Connections opened at the same time at most: enough to fill a cold pool within a few round
/// trips, too few to storm a server that has just come up.
const MAX_CONNECTING: u32 = 8;

/// Connections that a pool would open now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// For clients in the queue.
    pub for_queue: u32,
    /// To have as many as `min_size`.
    pub to_keep_warm: u32,
}

impl Scheduler {
    /// What is to be opened now; follow with [`Self::begin_connects`] for what may be. `warm`:
    /// whether the pool is to be kept at its minimum.
    #[must_use]
    pub fn connects_due(&self, warm: bool, now: Instant) -> Wanted {
        if self.total() >= self.limits.size_with_reserve() || self.paused {
            return Wanted::default();
        }
        if self.outage.is_some_and(|outage| outage.is_pausing(now)) {
            return Wanted::default();
        }
        // While the upstream does not answer, one attempt at a time is enough to find out.
        let at_once = if self.outage.is_some() { 1 } else { MAX_CONNECTING };
        let at_once = at_once.saturating_sub(self.connecting);
        let total = self.total();
        let servable = count(self.queue.servable(self.low_room()));
        let unserved = servable.saturating_sub(self.connecting);
        let ordinary = unserved.min(self.limits.size.saturating_sub(total));
        let patient = self.patient(now).saturating_sub(self.connecting + ordinary);
        let room = self.limits.size_with_reserve().saturating_sub(total + ordinary);
        let for_queue = (ordinary + patient.min(room)).min(at_once);
        let least = if warm { self.limits.min_size.min(self.limits.size) } else { 0 };
        let to_keep_warm = least.saturating_sub(total + for_queue).min(at_once - for_queue);
        Wanted { for_queue, to_keep_warm }
    }

    /// Clients that have waited long enough for the reserve, as far as it reaches.
    fn patient(&self, now: Instant) -> u32 {
        let Some(timeout) = self.limits.reserve_timeout else { return 0 };
        let first = self.queue.servable_ones(self.low_room());
        let first = first.take(self.limits.reserve_size as usize);
        count(first.filter(|waiter| now.duration_since(waiter.since) >= timeout).count())
    }

    /// So many connections are being opened from now on.
    pub fn begin_connects(&mut self, number: u32) {
        self.connecting += number;
    }

    /// A connection was opened. It counts as out: follow with [`Self::freed`].
    pub fn connected(&mut self) {
        self.connecting = self.connecting.saturating_sub(1);
        self.out += 1;
        self.ever_connected = true;
        // How fast the queue moved says nothing of what comes after an outage.
        self.pace_is_old |= self.outage.take().is_some();
    }

    /// A connection could not be opened. `permanent`: the upstream answered, and waiting does not
    /// help (wrong password, no such database). `random`, between 0 and 1, spreads the pauses.
    /// Returns the clients to be told.
    pub fn connect_failed(&mut self, permanent: bool, now: Instant, random: f64) -> Vec<WaiterId> {
        self.connecting = self.connecting.saturating_sub(1);
        self.outage = Some(Outage::after_failure(self.outage, now, random));
        // Other connections of the pool work: whoever waits gets one of those.
        let alive = self.out > 0 || !self.idle.is_empty();
        if (permanent && !alive) || self.is_unreachable(now) {
            return self.queue.take_all();
        }
        Vec::new()
    }

    /// Something has changed at the upstream: the next attempt need not wait for its time.
    pub fn try_again(&mut self, now: Instant) {
        if let Some(outage) = &mut self.outage {
            outage.end_pause(now);
        }
    }

    /// Others have reached the upstream: if it cannot be reached now, that may pass.
    pub fn was_reachable(&mut self) {
        self.ever_connected = true;
    }

    pub(super) fn is_unreachable(&self, now: Instant) -> bool {
        self.outage.is_some_and(|outage| {
            !self.ever_connected || now.duration_since(outage.since) >= self.limits.login_retry
        })
    }

    /// Connections being opened.
    #[must_use]
    pub fn connecting(&self) -> u32 {
        self.connecting
    }

    /// How long the one that has waited for longest has waited.
    #[must_use]
    pub fn longest_wait(&self, now: Instant) -> Duration {
        self.queue.longest_wait(now)
    }
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
