//! How fast a queue moves: what somebody who joins it now has to expect.

use std::time::{Duration, Instant};

/// How many were served in how much time, while somebody waited. What is older than `memory` counts
/// for less and less, and times in which nobody waited count for nothing: they say nothing of what
/// the pool can do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    served: f64,
    /// Seconds.
    busy: f64,
    /// When this was brought up to date; none while nobody waits.
    at: Option<Instant>,
    /// When somebody waited last.
    ended: Option<Instant>,
}

impl Pace {
    /// Somebody waits, before whom nobody did. `out`: server connections at work. Of these nothing
    /// is known yet but that they will come back: until they do, each counts as one that was served,
    /// so that a burst is not taken for an overload.
    pub(super) fn begin(&mut self, out: u32, memory: Duration, now: Instant) {
        let remembers = self.ended.is_some_and(|ended| now.duration_since(ended) < memory);
        if !remembers {
            *self = Self { served: f64::from(out), ..Self::default() };
        }
        self.at = Some(now);
    }

    /// Somebody was served.
    pub(super) fn served(&mut self, memory: Duration, now: Instant) {
        self.advance(memory, now);
        self.served += 1.0;
    }

    /// Nobody waits any more.
    pub(super) fn end(&mut self, memory: Duration, now: Instant) {
        self.advance(memory, now);
        self.at = None;
        self.ended = Some(now);
    }

    fn advance(&mut self, memory: Duration, now: Instant) {
        let Some(at) = self.at.replace(now) else {
            self.at = None;
            return;
        };
        let memory = memory.as_secs_f64();
        let kept = (-now.duration_since(at).as_secs_f64() / memory).exp();
        self.served *= kept;
        self.busy = self.busy * kept + memory * (1.0 - kept);
    }

    /// How long somebody has to wait with so many in front.
    pub(super) fn expected(&mut self, ahead: usize, memory: Duration, now: Instant) -> Duration {
        self.advance(memory, now);
        let seconds = match self.served {
            // Nothing has come back in all the time, and nothing was out.
            served if served <= 0.0 => self.busy,
            served => (ahead as f64 + 1.0) * self.busy / served,
        };
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const MEMORY: Duration = Duration::from_secs(1);

    #[test]
    fn it_is_what_was_served_in_the_time() {
        let mut now = Instant::now();
        let mut pace = Pace::default();
        pace.begin(10, MEMORY, now);
        for _ in 0..2_000 {
            now += 2 * MS;
            pace.served(MEMORY, now);
        }
        let expected = pace.expected(49, MEMORY, now);
        assert!((95 * MS..105 * MS).contains(&expected), "50 at 500 a second: {expected:?}");
        // Idle time does not count.
        pace.end(MEMORY, now);
        now += 900 * MS;
        pace.begin(10, MEMORY, now);
        assert!(pace.expected(49, MEMORY, now) < 105 * MS);
    }

    #[test]
    fn a_burst_is_no_overload() {
        let now = Instant::now();
        let mut pace = Pace::default();
        pace.begin(10, MEMORY, now);
        // 50 come at once, and the first come back after 5 ms.
        assert!(pace.expected(50, MEMORY, now + 5 * MS) < 30 * MS);
    }

    #[test]
    fn a_queue_that_stands_is_noticed() {
        let mut now = Instant::now();
        let mut pace = Pace::default();
        pace.begin(10, MEMORY, now);
        for _ in 0..1_000 {
            now += 2 * MS;
            pace.served(MEMORY, now);
        }
        let before = pace.expected(9, MEMORY, now);
        let later = pace.expected(9, MEMORY, now + 5_000 * MS);
        assert!(before < 25 * MS && later > 2_000 * MS, "{before:?}, {later:?}");
        let mut cold = Pace::default();
        cold.begin(0, MEMORY, now);
        let waited = cold.expected(0, MEMORY, now + 500 * MS);
        assert!((300 * MS..=500 * MS).contains(&waited), "nothing has come: {waited:?}");
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let mut now = Instant::now();
        let mut pace = Pace::default();
        pace.begin(1, MEMORY, now);
        now += 10_000 * MS;
        pace.served(MEMORY, now);
        pace.end(MEMORY, now);
        assert!(pace.expected(9, MEMORY, now) > 5_000 * MS);
        now += 2 * MEMORY;
        pace.begin(10, MEMORY, now);
        assert!(pace.expected(9, MEMORY, now + MS) < 2 * MS);
    }
}
