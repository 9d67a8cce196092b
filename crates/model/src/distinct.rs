//! How many different values there were, roughly, in 32 bytes.

use std::fmt;

/// Counts different hashes by linear counting (Whang, Vander-Zanden, Taylor, 1990) in 256 bits.
///
/// Within some 10 % up to a few hundred; beyond about a thousand it only knows that there were more.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Distinct([u64; 4]);

const BITS: u32 = 256;

impl Distinct {
    /// The most that can be told from more.
    pub const MOST: u64 = 1_000;

    /// Adds the hash of a value.
    pub fn record(&mut self, hash: u64) {
        // What is called a hash may follow a pattern: mixed (MurmurHash3's last step), or numbers
        // at equal distances would fill all bits at once.
        let mut mixed = (hash ^ (hash >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
        let bit = mixed >> 56;
        if let Some(word) = self.0.get_mut((bit / 64) as usize) {
            *word |= 1 << (bit % 64);
        }
    }

    /// Adds all that `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own |= other;
        }
    }

    /// How many there were; [`Self::MOST`] stands for that and more.
    #[must_use]
    pub fn estimate(&self) -> u64 {
        let free: u32 = self.0.iter().map(|word| word.count_zeros()).sum();
        if free == 0 {
            return Self::MOST;
        }
        let bits = f64::from(BITS);
        let estimate = (bits * (bits / f64::from(free)).ln()).round();
        (estimate as u64).min(Self::MOST)
    }
}

impl fmt::Debug for Distinct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Distinct(~{})", self.estimate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = u64>) -> Distinct {
        let mut distinct = Distinct::default();
        values.into_iter().for_each(|value| distinct.record(value));
        distinct
    }

    #[test]
    fn few_are_counted_well_and_many_are_many() {
        assert_eq!(Distinct::default().estimate(), 0);
        assert_eq!(of([7; 1_000]).estimate(), 1);
        for truth in [5u64, 50, 300] {
            let estimate = of(0..truth).estimate();
            assert!(estimate.abs_diff(truth) * 5 <= truth, "{truth}: {estimate}");
        }
        assert_eq!(of(0..100_000).estimate(), Distinct::MOST);
    }

    #[test]
    fn merging_counts_what_both_have_seen_once() {
        let (mut left, right) = (of(0..20), of(10..30));
        left.merge(&right);
        assert_eq!(left, of(0..30));
    }
}
