//! A histogram of durations with fixed buckets, whose counts only ever grow: what a scrape wants.

use std::time::Duration;

/// How many bounds there are.
const BOUNDS: usize = 19;

/// Durations counted by fixed upper bounds, from 100 µs to 100 s.
///
/// Unlike [`Histogram`](crate::Histogram), whose buckets depend on what it has seen, two of these
/// can be subtracted from each other, which is what `rate()` does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    counts: [u64; BOUNDS + 1],
    sum: Duration,
}

impl Buckets {
    /// The upper bounds, seconds; what is above the last is counted too.
    pub const BOUNDS_SECONDS: [f64; BOUNDS] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
        5.0, 10.0, 25.0, 50.0, 100.0,
    ];

    /// The same, nanoseconds.
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

    /// Adds one duration.
    pub fn record(&mut self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = Self::BOUNDS_NS.partition_point(|bound| *bound < ns);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(duration);
    }

    /// Adds all that `other` has.
    pub fn merge(&mut self, other: &Self) {
        for (own, other) in self.counts.iter_mut().zip(other.counts) {
            *own += other;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many durations were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// How many lie in each bucket, the one above the last bound included.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}

#[cfg(test)]
mod tests {
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
    fn the_bounds_are_the_same_in_both_units() {
        for (seconds, ns) in Buckets::BOUNDS_SECONDS.iter().zip(Buckets::BOUNDS_NS) {
            assert_eq!((seconds * 1e9).round() as u64, ns);
        }
    }
}
