//! A mergeable histogram of durations.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sketches_ddsketch::{Config, DDSketch};

/// Durations in microseconds, as a DDSketch (Masson, Rim, Lee: "DDSketch", VLDB 2019).
///
/// Percentiles are within 1 % of a true value; count, sum, minimum and maximum are exact. Two
/// histograms of the same make merge without further error.
#[derive(Clone, Serialize, Deserialize)]
pub struct Histogram(DDSketch);

/// Relative error of percentiles.
const RELATIVE_ERROR: f64 = 0.01;
/// Buckets kept: at 1 % they span nine decades, far more than durations need.
const MAX_BUCKETS: u32 = 1024;
/// Durations below this are counted as zero, µs.
const SMALLEST_US: f64 = 0.5;

impl Default for Histogram {
    fn default() -> Self {
        Self(DDSketch::new(Config::new(RELATIVE_ERROR, MAX_BUCKETS, SMALLEST_US)))
    }
}

impl Histogram {
    /// Adds one duration.
    pub fn record(&mut self, duration: Duration) {
        self.0.add(duration.as_secs_f64() * 1e6);
    }

    /// Adds all that `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        // Both have the one configuration above, so that merging cannot be refused; one that was
        // deserialised with another is left out rather than mixed in wrongly.
        let _ = self.0.merge(&other.0);
    }

    /// How many durations were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.count() as u64
    }

    /// Sum of all, ms.
    #[must_use]
    pub fn sum_ms(&self) -> f64 {
        self.0.sum().unwrap_or(0.0) / 1e3
    }

    /// The longest, ms; 0 when empty.
    #[must_use]
    pub fn max_ms(&self) -> f64 {
        self.0.max().unwrap_or(0.0) / 1e3
    }

    /// The shortest, ms; 0 when empty.
    #[must_use]
    pub fn min_ms(&self) -> f64 {
        self.0.min().unwrap_or(0.0) / 1e3
    }

    /// The mean, ms; 0 when empty.
    #[must_use]
    pub fn mean_ms(&self) -> f64 {
        if self.count() == 0 { 0.0 } else { self.sum_ms() / self.0.count() as f64 }
    }

    /// The value below which the share `quantile` (0 to 1) of all durations lies, ms; 0 when empty.
    #[must_use]
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        let value = self.0.quantile(quantile.clamp(0.0, 1.0)).ok().flatten().unwrap_or(0.0);
        // A bucket's middle may lie outside of what was seen.
        (value / 1e3).clamp(self.min_ms(), self.max_ms())
    }
}

impl Histogram {
    /// How many of the durations are at most `ms`, within the percentiles' error.
    #[must_use]
    pub fn count_up_to(&self, ms: f64) -> u64 {
        let count = self.count();
        if count == 0 || ms < self.min_ms() {
            return 0;
        }
        if ms >= self.max_ms() {
            return count;
        }
        // The first rank whose value lies above, by bisection: values grow with their rank.
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            let quantile = (middle as f64 + 0.5) / (count as f64 - 1.0).max(1.0);
            if self.quantile_ms(quantile) <= ms { low = middle + 1 } else { high = middle }
        }
        low
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Histogram(n={}, p50={:.3} ms)", self.count(), self.quantile_ms(0.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_one_percent_and_merge_without_further_error() {
        let (mut all, mut left, mut right) =
            (Histogram::default(), Histogram::default(), Histogram::default());
        for us in 1..=100_000u64 {
            let duration = Duration::from_micros(us);
            all.record(duration);
            if us % 2 == 0 { left.record(duration) } else { right.record(duration) }
        }
        left.merge(&right);
        for quantile in [0.01, 0.5, 0.95, 0.99, 1.0] {
            let truth = 100.0 * quantile;
            assert!((all.quantile_ms(quantile) - truth).abs() <= truth * 0.011, "{quantile}");
            assert_eq!(all.quantile_ms(quantile), left.quantile_ms(quantile));
        }
        assert_eq!((left.count(), left.max_ms(), left.min_ms()), (100_000, 100.0, 0.001));
    }

    #[test]
    fn counts_up_to_a_duration() {
        let mut histogram = Histogram::default();
        for ms in 1..=1000u64 {
            histogram.record(Duration::from_millis(ms));
        }
        for (ms, truth) in [(0.5, 0.0), (10.0, 10.0), (500.0, 500.0), (2_000.0, 1_000.0)] {
            let count = histogram.count_up_to(ms) as f64;
            assert!((count - truth).abs() <= truth * 0.011, "{ms}: {count}");
        }
        let mut two = Histogram::default();
        two.record(Duration::from_millis(1));
        two.record(Duration::from_millis(100));
        assert_eq!((two.count_up_to(5.0), two.count_up_to(100.0)), (1, 2));
        assert_eq!(Histogram::default().count_up_to(1.0), 0);
    }

    #[test]
    fn an_empty_histogram_is_all_zero() {
        let empty = Histogram::default();
        assert_eq!((empty.count(), empty.mean_ms(), empty.quantile_ms(0.99)), (0, 0.0, 0.0));
    }
}
