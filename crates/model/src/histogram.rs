//! A mergeable histogram of durations.

use std::time::Duration;

use crate::Binned;
use crate::binned::{bucket_of_ns, in_ns};
use crate::logarithm::GAMMA;

/// Durations in microseconds, as a DDSketch (Masson, Rim, Lee: "DDSketch", VLDB 2019).
///
/// Percentiles are within 1 % of a true value; count, sum, minimum and maximum are exact. Histograms
/// merge without further error, in whatever order. Only buckets that hold something are kept, so
/// that a history of them is small.
#[derive(Clone, Default)]
pub struct Histogram {
    /// Bucket and count, ascending, no bucket empty. Bucket `k` is of γᵏ to γᵏ⁺¹ µs.
    buckets: Vec<(i16, u64)>,
    /// Durations too short for a bucket.
    zeros: u64,
    /// Where in `buckets` one was found by looking for it; the others are looked for from there.
    anchor: u16,
    count: u64,
    /// As all durations here, ns: of some five centuries at most.
    sum: u64,
    shortest: u64,
    longest: u64,
}

/// What a [`Histogram`] holds, for whoever keeps one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistogramParts {
    /// Bucket and count, ascending, no bucket empty.
    pub buckets: Vec<(i16, u64)>,
    /// Durations too short for a bucket.
    pub zeros: u64,
    /// Sum of all.
    pub sum: Duration,
    /// The shortest.
    pub shortest: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Histogram {
    /// Adds one duration.
    pub fn record(&mut self, duration: Duration) {
        let ns = in_ns(duration);
        self.record_in(bucket_of_ns(ns), ns);
    }

    /// Adds one duration whose place is known.
    pub fn record_binned(&mut self, duration: &Binned) {
        self.record_in(duration.bucket, duration.ns);
    }

    fn record_in(&mut self, bucket: Option<i16>, ns: u64) {
        match bucket {
            Some(bucket) => self.count_in(bucket),
            None => self.zeros += 1,
        }
        self.shortest = if self.count == 0 { ns } else { self.shortest.min(ns) };
        self.longest = self.longest.max(ns);
        self.count += 1;
        self.sum = self.sum.saturating_add(ns);
    }

    /// Buckets that are filled mostly lie side by side, so that one tells where the others are.
    fn count_in(&mut self, bucket: i16) {
        let anchor = self.buckets.get(usize::from(self.anchor)).map_or(0, |(key, _)| *key);
        let guess = i32::from(self.anchor) + i32::from(bucket) - i32::from(anchor);
        let guessed = usize::try_from(guess).ok().and_then(|at| self.buckets.get_mut(at));
        match guessed {
            Some((key, count)) if *key == bucket => *count = count.saturating_add(1),
            _ => self.anchor = u16::try_from(self.add(bucket, 1)).unwrap_or(0),
        }
    }

    /// Gives where the bucket is.
    fn add(&mut self, bucket: i16, count: u64) -> usize {
        match self.buckets.binary_search_by_key(&bucket, |(key, _)| *key) {
            Ok(at) => {
                if let Some((_, present)) = self.buckets.get_mut(at) {
                    *present = present.saturating_add(count);
                }
                at
            }
            Err(at) => {
                self.buckets.insert(at, (bucket, count));
                at
            }
        }
    }

    /// Adds all that `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            self.clone_from(other);
            return;
        }
        self.merge_buckets(&other.buckets);
        self.zeros = self.zeros.saturating_add(other.zeros);
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.shortest = self.shortest.min(other.shortest);
        self.longest = self.longest.max(other.longest);
    }

    /// Where all of the buckets are there, as in a sum of many, they are added in place; few new ones
    /// are put in one by one, many by going through both once.
    fn merge_buckets(&mut self, other: &[(i16, u64)]) {
        if self.has_buckets(other) {
            let mut own = self.buckets.iter_mut();
            for (bucket, count) in other {
                if let Some((_, present)) = own.find(|(key, _)| key == bucket) {
                    *present = present.saturating_add(*count);
                }
            }
            return;
        }
        if other.len() <= 4 {
            for (bucket, count) in other {
                self.add(*bucket, *count);
            }
            return;
        }
        let own = std::mem::take(&mut self.buckets);
        let mut merged = Vec::with_capacity(own.len() + other.len() / 2);
        let (mut left, mut right) = (own.iter().peekable(), other.iter().peekable());
        loop {
            let next = match (left.peek(), right.peek()) {
                (Some(a), Some(b)) if a.0 == b.0 => (a.0, a.1.saturating_add(b.1)),
                (Some(a), Some(b)) => {
                    if a.0 < b.0 {
                        **a
                    } else {
                        **b
                    }
                }
                (Some(one), None) | (None, Some(one)) => **one,
                (None, None) => break,
            };
            left.next_if(|one| one.0 == next.0);
            right.next_if(|one| one.0 == next.0);
            merged.push(next);
        }
        self.buckets = merged;
    }

    fn has_buckets(&self, other: &[(i16, u64)]) -> bool {
        let mut own = self.buckets.iter();
        other.iter().all(|(bucket, _)| own.any(|(key, _)| key == bucket))
    }

    /// What it holds; [`Self::from_parts`] makes it anew.
    #[must_use]
    pub fn parts(&self) -> HistogramParts {
        HistogramParts {
            buckets: self.buckets.clone(),
            zeros: self.zeros,
            sum: self.sum(),
            shortest: self.shortest(),
            longest: self.longest(),
        }
    }

    /// The histogram that holds this; none where buckets are empty or out of order.
    #[must_use]
    pub fn from_parts(parts: HistogramParts) -> Option<Self> {
        let HistogramParts { buckets, zeros, sum, shortest, longest } = parts;
        let ascending = buckets.windows(2).all(|pair| matches!(pair, [a, b] if a.0 < b.0));
        let mut count = zeros;
        for (_, in_bucket) in &buckets {
            count = count.checked_add(*in_bucket).filter(|_| *in_bucket > 0)?;
        }
        if !ascending || shortest > longest {
            return None;
        }
        Some(match count {
            0 => Self::default(),
            _ => {
                let (sum, shortest, longest) = (in_ns(sum), in_ns(shortest), in_ns(longest));
                Self { buckets, zeros, anchor: 0, count, sum, shortest, longest }
            }
        })
    }

    /// Its buckets and their counts, ascending; those too short for a bucket are not in them.
    #[must_use]
    pub fn buckets(&self) -> &[(i16, u64)] {
        &self.buckets
    }

    /// How many durations were too short for a bucket.
    #[must_use]
    pub fn zeros(&self) -> u64 {
        self.zeros
    }

    /// How many durations were added.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of all.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// The shortest; zero when empty.
    #[must_use]
    pub fn shortest(&self) -> Duration {
        Duration::from_nanos(self.shortest)
    }

    /// The longest; zero when empty.
    #[must_use]
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }

    /// Sum of all, ms.
    #[must_use]
    pub fn sum_ms(&self) -> f64 {
        in_ms(self.sum())
    }

    /// The longest, ms; 0 when empty.
    #[must_use]
    pub fn max_ms(&self) -> f64 {
        in_ms(self.longest())
    }

    /// The shortest, ms; 0 when empty.
    #[must_use]
    pub fn min_ms(&self) -> f64 {
        in_ms(self.shortest())
    }

    /// The mean, ms; 0 when empty.
    #[must_use]
    pub fn mean_ms(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum_ms() / self.count as f64 }
    }

    /// The value below which the share `quantile` (0 to 1) of all durations lies, ms; 0 when empty.
    #[must_use]
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        let quantile = quantile.clamp(0.0, 1.0);
        if quantile == 0.0 || self.count == 0 {
            return self.min_ms();
        }
        if quantile == 1.0 {
            return self.max_ms();
        }
        let rank = (quantile * (self.count as f64 - 1.0)) as u64;
        // A bucket's middle may lie outside of what was seen.
        (self.us_at(rank) / 1e3).clamp(self.min_ms(), self.max_ms())
    }

    /// The value of a rank, µs: the middle of its bucket.
    fn us_at(&self, rank: u64) -> f64 {
        let mut below = self.zeros;
        if rank < below {
            return 0.0;
        }
        for (bucket, count) in &self.buckets {
            below = below.saturating_add(*count);
            if rank < below {
                return (f64::from(*bucket) * GAMMA.ln()).exp() * (2.0 * GAMMA / (1.0 + GAMMA));
            }
        }
        self.longest as f64 * 1e-3
    }

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

fn in_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Where one looked last is no part of what it holds.
impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        let plain = |of: &Self| (of.zeros, of.count, of.sum, of.shortest, of.longest);
        plain(self) == plain(other) && self.buckets == other.buckets
    }
}

impl Eq for Histogram {}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Histogram(n={}, p50={:.3} ms)", self.count(), self.quantile_ms(0.5))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

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

    #[test]
    fn parts_make_it_anew_and_wrong_ones_are_refused() {
        let mut histogram = Histogram::default();
        for us in [0, 0, 1, 70, 71, 90_000, 4_000_000_000] {
            histogram.record(Duration::from_micros(us));
        }
        assert_eq!(Histogram::from_parts(histogram.parts()), Some(histogram.clone()));
        let wrong = |change: fn(&mut HistogramParts)| {
            let mut parts = histogram.parts();
            change(&mut parts);
            Histogram::from_parts(parts)
        };
        assert_eq!(wrong(|parts| parts.buckets.reverse()), None);
        assert_eq!(wrong(|parts| parts.buckets[0].1 = 0), None);
        assert_eq!(wrong(|parts| parts.zeros = u64::MAX), None);
        assert_eq!(wrong(|parts| parts.shortest = Duration::MAX), None);
    }

    #[test]
    fn the_order_of_merging_does_not_matter() {
        let of = |from: u64, step: u64| {
            let mut histogram = Histogram::default();
            (0..200).for_each(|n| histogram.record(Duration::from_nanos(from + n * n * step)));
            histogram
        };
        let all = [of(10, 7), of(1_000_003, 11), of(333, 1_013), of(5, 0)];
        let (mut forth, mut back) = (Histogram::default(), Histogram::default());
        all.iter().for_each(|one| forth.merge(one));
        all.iter().rev().for_each(|one| back.merge(one));
        assert_eq!(forth, back);
        assert_eq!(forth.count(), 800);
    }

    proptest! {
        /// Whatever came before, in whatever order, and with merges in between.
        #[test]
        fn a_guessed_bucket_is_the_right_one(
            steps in prop::collection::vec((0u64..1 << 40, 0u32..40, any::<bool>()), 1..300),
        ) {
            let (mut histogram, mut truth) = (Histogram::default(), BTreeMap::new());
            for (ns, shift, merge) in steps {
                let duration = Duration::from_nanos(ns >> shift);
                if merge {
                    let mut other = Histogram::default();
                    other.record(duration);
                    histogram.merge(&other);
                } else {
                    histogram.record_binned(&Binned::new(duration));
                }
                if let Some(bucket) = bucket_of_ns(ns >> shift) {
                    *truth.entry(bucket).or_insert(0) += 1;
                }
            }
            let truth: Vec<(i16, u64)> = truth.into_iter().collect();
            prop_assert_eq!(histogram.buckets(), &truth);
            prop_assert_eq!(Histogram::from_parts(histogram.parts()), Some(histogram));
        }
    }

    #[test]
    fn the_longest_there_is_has_a_bucket() {
        let mut histogram = Histogram::default();
        histogram.record(Duration::MAX);
        histogram.record(Duration::MAX);
        assert_eq!(histogram.count(), 2);
        assert_eq!(histogram.sum(), Duration::from_nanos(u64::MAX));
    }
}
