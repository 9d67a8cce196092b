//! A histogram of durations with fixed buckets, whose counts only ever grow: what a scrape wants.

use std::time::Duration;

use crate::Binned;
use crate::binned::in_ns;

/// How many bounds there are.
const BOUNDS: usize = 19;

/// Durations counted by fixed upper bounds, from 100 µs to 100 s.
///
/// Unlike [`Histogram`](crate::Histogram), whose buckets depend on what it has seen, two of these
/// can be subtracted from each other, which is what `rate()` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    counts: [u64; BOUNDS + 1],
    /// ns. Time adds up over all clients: 64 bits would be full after three weeks of ten thousand.
    sum: u128,
}

impl Buckets {
    /// The upper bounds, seconds; what is above the last is counted too.
    pub const BOUNDS_SECONDS: [f64; BOUNDS] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
        5.0, 10.0, 25.0, 50.0, 100.0,
    ];

    /// Adds one duration.
    pub fn record(&mut self, duration: Duration) {
        let ns = in_ns(duration);
        self.count_in(slot_of(ns), ns);
    }

    /// Adds one duration whose place is known.
    pub fn record_binned(&mut self, duration: &Binned) {
        self.count_in(duration.slot, duration.ns);
    }

    fn count_in(&mut self, slot: u8, ns: u64) {
        if let Some(count) = self.counts.get_mut(usize::from(slot)) {
            *count += 1;
        }
        self.sum += u128::from(ns);
    }

    /// Adds all that `other` has.
    pub fn merge(&mut self, other: &Self) {
        for (own, other) in self.counts.iter_mut().zip(other.counts) {
            *own += other;
        }
        self.sum += other.sum;
    }

    /// How many durations were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> Duration {
        let seconds = u64::try_from(self.sum / 1_000_000_000).unwrap_or(u64::MAX);
        Duration::new(seconds, (self.sum % 1_000_000_000) as u32)
    }

    /// How many lie in each bucket, the one above the last bound included.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}

/// [`Buckets::BOUNDS_SECONDS`], nanoseconds.
const BOUNDS_NS: [u64; BOUNDS] = [
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    25_000_000_000,
    50_000_000_000,
    100_000_000_000,
];

/// How many bounds are below each power of two: where to begin to look.
const BELOW: [u8; 64] = {
    let mut below = [0; 64];
    let mut octave = 0;
    while octave < 64 {
        while (below[octave] as usize) < BOUNDS && BOUNDS_NS[below[octave] as usize] < 1 << octave {
            below[octave] += 1;
        }
        octave += 1;
    }
    below
};

/// Where a number of nanoseconds is counted. No two bounds are in one octave.
pub(crate) fn slot_of(ns: u64) -> u8 {
    let octave = 63 - (ns | 1).leading_zeros();
    let below = BELOW.get(octave as usize).copied().unwrap_or(0);
    let next = BOUNDS_NS.get(usize::from(below)).copied().unwrap_or(u64::MAX);
    below + u8::from(next < ns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut buckets = Buckets::default();
        for us in [0, 100, 101, 1_000_000, 100_000_000, 100_000_001] {
            buckets.record(Duration::from_micros(us));
        }
        let counts = buckets.counts();
        assert_eq!((counts[0], counts[1], counts[12], counts[18], counts[19]), (2, 1, 1, 1, 1));
        assert_eq!((buckets.count(), buckets.sum().as_micros()), (6, 201_000_202));
        let mut twice = buckets;
        twice.merge(&buckets);
        assert_eq!(twice.count(), 12);
    }

    #[test]
    fn what_thousands_of_clients_wait_for_months_is_summed() {
        let year = Duration::from_secs(365 * 86_400);
        let mut buckets = Buckets::default();
        (0..10_000).for_each(|_| buckets.record(year));
        assert_eq!(buckets.sum(), year * 10_000);
    }

    proptest! {
        #[test]
        fn a_place_known_before_is_the_same(ns in 0..u64::MAX, shift in 0u32..63) {
            let duration = Duration::from_nanos(ns >> shift);
            let (mut buckets, mut binned) = (Buckets::default(), Buckets::default());
            buckets.record(duration);
            binned.record_binned(&Binned::new(duration));
            prop_assert_eq!(buckets, binned);
        }
    }

    #[test]
    fn each_duration_is_counted_below_the_first_bound_that_it_does_not_pass() {
        let near = |bound: u64| [bound - 1, bound, bound + 1];
        let powers = (1..64).map(|octave| 1 << octave);
        for ns in BOUNDS_NS.into_iter().chain(powers).flat_map(near).chain([0, u64::MAX]) {
            let slot = BOUNDS_NS.partition_point(|bound| *bound < ns);
            assert_eq!(usize::from(slot_of(ns)), slot, "{ns}");
        }
    }

    #[test]
    fn the_bounds_are_the_same_in_both_units() {
        for (seconds, ns) in Buckets::BOUNDS_SECONDS.iter().zip(BOUNDS_NS) {
            assert_eq!((seconds * 1e9).round() as u64, ns);
        }
    }
}
