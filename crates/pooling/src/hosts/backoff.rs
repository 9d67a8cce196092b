//! Pauses between attempts that fail: longer each time, and left to chance, so that those who wait
//! do not all come back at once.

use std::time::{Duration, Instant};

/// The first pause; doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A pause after attempts that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pause: Duration,
    until: Instant,
}

impl Backoff {
    /// After the first failure. `random`: between 0 and 1.
    #[must_use]
    pub fn first(now: Instant, random: f64) -> Self {
        Self { pause: FIRST_PAUSE, until: now + jittered(FIRST_PAUSE, random) }
    }

    /// After one more. One of several attempts that were under way when the first failed says
    /// nothing new.
    #[must_use]
    pub fn again(self, now: Instant, random: f64) -> Self {
        if !self.is_over(now) {
            return self;
        }
        let pause = (self.pause * 2).min(LONGEST_PAUSE);
        Self { pause, until: now + jittered(pause, random) }
    }

    /// Somebody makes the attempt that is due: until it is known what came of it, nobody else does.
    #[must_use]
    pub fn claimed(self, now: Instant) -> Self {
        Self { until: now + self.pause, ..self }
    }

    /// No more pause: the next attempt may be made at once.
    #[must_use]
    pub fn cut_short(self, now: Instant) -> Self {
        Self { until: self.until.min(now), ..self }
    }

    /// Whether the next attempt is due.
    #[must_use]
    pub fn is_over(&self, now: Instant) -> bool {
        now >= self.until
    }

    /// How long until the next attempt is due.
    #[must_use]
    pub fn left(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }
}

/// Between half of it and all of it.
pub(super) fn jittered(pause: Duration, random: f64) -> Duration {
    pause.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second_and_are_spread() {
        let mut now = Instant::now();
        let mut backoff = Backoff::first(now, 1.0);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            pauses.push(backoff.left(now).as_millis());
            now += backoff.left(now);
            assert!(backoff.is_over(now));
            backoff = backoff.again(now, 1.0);
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(Backoff::first(now, 0.0).left(now).as_millis(), 25);
    }

    #[test]
    fn failures_of_the_same_moment_count_once() {
        let now = Instant::now();
        let backoff = Backoff::first(now, 1.0);
        assert_eq!(backoff.again(now, 0.3), backoff);
    }
}
