//! How often the upstream is asked, so that asking never becomes a load.

use std::time::{Duration, Instant};

/// A thing that is asked again and again.
pub(super) struct Pace {
    /// The shortest time from one beginning to the next.
    every: Duration,
    /// Asking is at most this share of the time, one in so many.
    rest_factor: u32,
    /// When it may be asked again; none before the first time.
    next: Option<Instant>,
}

/// How many times rarer things are asked while clients queue for a server connection: the server
/// may be at its limit. Not stopped, because that is when the answers are needed most.
pub(super) const SLOWER_WHEN_SATURATED: u32 = 4;

impl Pace {
    pub(super) fn new(every: Duration, rest_factor: u32) -> Self {
        Self { every, rest_factor, next: None }
    }

    /// Whether it is time.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    /// When it may be asked again; none before the first time.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.next
    }

    /// Says that it was asked from `began` to `ended`.
    pub(super) fn done(&mut self, began: Instant, ended: Instant, saturated: bool) {
        let times = if saturated { SLOWER_WHEN_SATURATED } else { 1 };
        let rest = ((ended - began) * self.rest_factor).max(self.every) * times;
        self.next = Some(began + rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_asked_rarely_and_still_rarer_when_clients_queue() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut pace = Pace::new(Duration::from_secs(15), 30);
        assert!(pace.is_due(began), "the first time at once");
        pace.done(began, began, false);
        assert!(!pace.is_due(after(14)) && pace.is_due(after(15)));
        pace.done(began, after(2), false);
        assert!(!pace.is_due(after(59)) && pace.is_due(after(60)));
        assert_eq!(pace.next_due(), Some(after(60)));
        pace.done(began, began, true);
        assert!(!pace.is_due(after(59)) && pace.is_due(after(60)));
    }
}
