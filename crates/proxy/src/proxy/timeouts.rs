//! The clock of the clients' timeouts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Shared, TICK};
use crate::pool::Pool;

/// Idle clients are looked at ten times within their timeout, but no more seldom than this.
const SELDOM: Duration = Duration::from_secs(1);

impl Shared {
    /// Wakes the clients whose timeouts seem to be over. No query has a timer: this looks at those
    /// that hold a server connection, and at the idle ones now and then.
    pub(super) fn ring_overdue(&self, pools: &[Arc<Pool>], now: Instant) {
        let mut idle_timeout: Option<Duration> = None;
        for pool in pools {
            let timeouts = pool.timeouts();
            self.clients.ring(&pool.perhaps_overdue(&timeouts, now), &timeouts, now);
            if let Some(timeout) = timeouts.client_idle {
                idle_timeout = Some(idle_timeout.map_or(timeout, |least| least.min(timeout)));
            }
        }
        let Some(timeout) = idle_timeout else { return };
        let mut next = self.next_look_at_idle.lock();
        if now >= *next {
            *next = now + (timeout / 10).clamp(TICK, SELDOM);
            drop(next);
            self.clients.ring_all(now);
        }
    }
}
