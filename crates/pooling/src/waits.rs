//! How long clients waited for a server connection, over the last minute.

use std::time::{Duration, Instant};

/// The minute is kept in slices; the oldest is forgotten as a whole.
const SLICES: usize = 6;
const SLICE: Duration = Duration::from_secs(10);
/// Waits are told apart to an eighth of their power of two, from 2⁶ µs to 2²⁸ µs (four minutes).
const PARTS: usize = 8;
const FIRST_POWER: u32 = 6;
const LAST_POWER: u32 = 28;
const BUCKETS: usize = (LAST_POWER - FIRST_POWER) as usize * PARTS;

/// How long clients of one pool waited, over the last minute. Adding one is a few instructions; one
/// that nobody waited in takes next to no memory.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    slices: [Slice; SLICES],
    newest: usize,
    /// When the newest slice began; none before the first wait.
    began: Option<Instant>,
}

#[derive(Clone, Debug, Default)]
struct Slice {
    at_once: u64,
    queued: u64,
    /// Empty until somebody waits.
    buckets: Vec<u32>,
}

impl Waits {
    /// A client got its server connection at once. As cheap as a counter: it is put into the slice
    /// of the last look at the clock.
    pub fn at_once(&mut self) {
        self.slices[self.newest].at_once += 1;
    }

    /// A client stood in the queue for so long.
    pub fn queued(&mut self, wait: Duration, now: Instant) {
        self.advance(now);
        let slice = &mut self.slices[self.newest];
        slice.queued += 1;
        if slice.buckets.is_empty() {
            slice.buckets.resize(BUCKETS, 0);
        }
        if let Some(bucket) = slice.buckets.get_mut(bucket_of(wait)) {
            *bucket = bucket.saturating_add(1);
        }
    }

    /// Forgets what is older than a minute. To be called every few seconds.
    pub fn advance(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let passed = now.saturating_duration_since(began).as_secs() / SLICE.as_secs();
        for _ in 0..passed.min(SLICES as u64) {
            self.newest = (self.newest + 1) % SLICES;
            self.slices[self.newest] = Slice::default();
        }
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        self.began = began.checked_add(SLICE.saturating_mul(passed)).or(Some(now));
    }

    /// What 95 of 100 requests of the last minute did not wait longer than, within 7 %; those that
    /// were served at once waited for nothing.
    #[must_use]
    pub fn p95(&self) -> Duration {
        let at_once: u64 = self.slices.iter().map(|slice| slice.at_once).sum();
        let queued: u64 = self.slices.iter().map(|slice| slice.queued).sum();
        let rank = ((at_once + queued) * 95).div_ceil(100);
        let mut below = at_once;
        if rank <= below {
            return Duration::ZERO;
        }
        for bucket in 0..BUCKETS {
            let here = self.slices.iter().filter_map(|slice| slice.buckets.get(bucket));
            below += here.map(|count| u64::from(*count)).sum::<u64>();
            if below >= rank {
                return middle_of(bucket);
            }
        }
        middle_of(BUCKETS - 1)
    }
}

fn bucket_of(wait: Duration) -> usize {
    let us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX).max(1 << FIRST_POWER);
    let power = us.ilog2();
    let part = (us >> (power - PARTS.ilog2())) as usize % PARTS;
    ((power - FIRST_POWER) as usize * PARTS + part).min(BUCKETS - 1)
}

fn middle_of(bucket: usize) -> Duration {
    let (power, part) = (FIRST_POWER as usize + bucket / PARTS, bucket % PARTS);
    let width = 1_u64 << (power - PARTS.ilog2() as usize);
    Duration::from_micros((PARTS + part) as u64 * width + width / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn nobody_waited() {
        let mut waits = Waits::default();
        assert_eq!(waits.p95(), Duration::ZERO);
        waits.at_once();
        waits.advance(Instant::now());
        assert_eq!(waits.p95(), Duration::ZERO);
    }

    #[test]
    fn those_served_at_once_count() {
        let now = Instant::now();
        let mut waits = Waits::default();
        for _ in 0..95 {
            waits.at_once();
        }
        for _ in 0..5 {
            waits.queued(100 * MS, now);
        }
        assert_eq!(waits.p95(), Duration::ZERO);
        waits.queued(100 * MS, now);
        assert!(waits.p95() > 90 * MS);
    }

    #[test]
    fn a_minute_later_it_is_forgotten() {
        let now = Instant::now();
        let mut waits = Waits::default();
        waits.queued(100 * MS, now);
        waits.advance(now + 49_999 * MS);
        assert!(waits.p95() > Duration::ZERO);
        waits.advance(now + 60_000 * MS);
        assert_eq!(waits.p95(), Duration::ZERO);
        waits.queued(100 * MS, now + 1_000_000 * MS);
        assert!(waits.p95() > Duration::ZERO);
    }

    proptest! {
        #[test]
        fn the_percentile_is_near_the_true_one(
            mut waits_us in prop::collection::vec(64..200_000_000_u64, 1..200),
        ) {
            let now = Instant::now();
            let mut waits = Waits::default();
            for us in &waits_us {
                waits.queued(Duration::from_micros(*us), now);
            }
            waits_us.sort_unstable();
            let truth = waits_us[(waits_us.len() * 95).div_ceil(100) - 1] as f64;
            let said = waits.p95().as_micros() as f64;
            prop_assert!((said / truth - 1.0).abs() <= 0.07, "{said} for {truth}");
        }
    }
}
