//! Which bucket of a histogram a duration falls into.

use std::f64::consts::LN_2;

/// Relative error of percentiles.
const RELATIVE_ERROR: f64 = 0.01;
/// The ratio of a bucket's ends.
pub(crate) const GAMMA: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);

/// Numbers below are in units of this part of a bucket.
const FRACTION_BITS: u32 = 32;
/// 1 / log₂ γ: buckets in an octave.
const SCALE: i64 = fixed(34.656_203_751_888_33);
/// Where 1 µs is, counted from 1 ns.
const MICROSECOND: i64 = fixed(34.656_203_751_888_33 * 9.965_784_284_662_087);

/// How many parts an octave is cut into, as a power of two.
const PART_BITS: u32 = 8;
const PARTS: usize = 1 << PART_BITS;
/// Where the parts of an octave begin, and the last one ends. A line between them is off by 1e-4 of a
/// bucket at most: (1/256)² / 8 of the second derivative, which is 50 at most.
const PART: [i64; PARTS + 1] = {
    let mut parts = [0; PARTS + 1];
    let mut at = 0;
    while at <= PARTS {
        parts[at] = fixed(34.656_203_751_888_33 * log2(1.0 + at as f64 / PARTS as f64));
        at += 1;
    }
    parts
};

/// The bucket of a number of ns, more than none: ⌊log_γ(µs)⌋. Of 1 ns and of the longest: -346
/// and 1,872.
///
/// A logarithm costs more than all else that is done with a duration. So it is taken from the number's
/// leading bit and a table, and exactly only where the two might come to different buckets.
pub(crate) fn bucket_of(ns: u64) -> i16 {
    /// Ten times what a line between the parts is off by.
    const MARGIN: u32 = fixed(1e-3) as u32;
    let octave = 63 - (ns | 1).leading_zeros();
    // What is behind the leading bit, from the top: first the part, then how far into it.
    let rest = (ns << (63 - octave)) << 1;
    let part = (rest >> (64 - PART_BITS)) as usize;
    let into = (rest << PART_BITS) >> 32;
    // A part is a number of eight bits: both are in the table.
    let (from, to) = match PART.get(part..part + 2) {
        Some(&[from, to]) => (from, to),
        _ => (0, 0),
    };
    let within = from + (((to - from) as u64 * into) >> 32) as i64;
    let place = i64::from(octave) * SCALE + within - MICROSECOND;
    let past = place as u32;
    if (MARGIN..u32::MAX - MARGIN).contains(&past) {
        return (place >> FRACTION_BITS) as i16;
    }
    exact(ns)
}

fn exact(ns: u64) -> i16 {
    ((ns as f64 * 1e-3).ln() / GAMMA.ln()).floor() as i16
}

const fn fixed(number: f64) -> i64 {
    (number * (1_u64 << FRACTION_BITS) as f64) as i64
}

/// log₂ of a number from 1 to 2, by the series of the area tangent: what is left out is below 1e-19.
const fn log2(number: f64) -> f64 {
    let ratio = (number - 1.0) / (number + 1.0);
    let (mut power, mut sum, mut at) = (ratio, 0.0, 1);
    while at < 40 {
        sum += power / at as f64;
        power *= ratio * ratio;
        at += 2;
    }
    2.0 * sum / LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bucket_is_that_of_the_logarithm() {
        // From the shortest to the longest that there is.
        let mut ns = 1.0_f64;
        while ns < u64::MAX as f64 {
            assert_eq!(bucket_of(ns as u64), exact(ns as u64), "{ns}");
            ns *= 1.000_031;
        }
        assert_eq!((bucket_of(1), bucket_of(u64::MAX)), (-346, 1_872));
    }

    #[test]
    fn at_the_ends_of_a_bucket_too() {
        for bucket in 0..1_800 {
            let end = (GAMMA.powi(bucket) * 1e3) as u64;
            for off in [0, 1, 2, 3, 5, end >> 40, end >> 30, end >> 20, end >> 14] {
                for ns in [end - off.min(end - 1), end.saturating_add(off)] {
                    assert_eq!(bucket_of(ns), exact(ns), "{ns}");
                }
            }
        }
    }

    #[test]
    fn the_table_is_of_the_logarithm() {
        for (at, part) in PART.iter().enumerate() {
            let number = 1.0 + at as f64 / PARTS as f64;
            let buckets = number.ln() / GAMMA.ln();
            assert!((*part as f64 / fixed(1.0) as f64 - buckets).abs() < 1e-8, "{number}");
        }
        let microsecond = 1e3_f64.ln() / GAMMA.ln();
        assert!((MICROSECOND as f64 / fixed(1.0) as f64 - microsecond).abs() < 1e-8);
    }
}
