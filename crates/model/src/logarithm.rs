//! Which bucket of a histogram a number falls into.

/// Relative error of percentiles.
const RELATIVE_ERROR: f64 = 0.01;
/// The ratio of a bucket's ends.
pub(crate) const GAMMA: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);

/// 1 / log₂ γ.
const SCALE: f64 = 34.656_203_751_888_33;

/// The bucket of a positive number of µs: ⌊log_γ(us)⌋. Of the shortest and the longest Duration: -35
/// and 2,908.
///
/// A logarithm costs more than all else that is done with a duration. So it is taken from the number's
/// exponent and a polynomial in its mantissa, and exactly only where the two might come to different
/// buckets.
pub(crate) fn bucket_of(us: f64) -> i16 {
    /// The polynomial's error, times [`SCALE`], is a tenth of this.
    const MARGIN: f64 = 1e-3;
    let bits = us.to_bits();
    let exponent = ((bits >> 52) & 0x7FF) as i32 - 1023;
    let mantissa = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000);
    let rough = SCALE * (f64::from(exponent) + log2_of_mantissa(mantissa));
    let towards_zero = rough as i32;
    let floor = towards_zero - i32::from(rough < f64::from(towards_zero));
    let past = rough - f64::from(floor);
    if (MARGIN..1.0 - MARGIN).contains(&past) {
        return floor as i16;
    }
    (us.ln() / GAMMA.ln()).floor() as i16
}

/// log₂ of a number from 1 up to 2, by a polynomial that meets it at Chebyshev's nodes: off by 2.5e-6
/// at most.
fn log2_of_mantissa(mantissa: f64) -> f64 {
    const COEFFICIENTS: [f64; 7] = [
        -0.024_568_534_745_257_248,
        0.117_613_084_066_513,
        -0.272_697_564_852_697_14,
        0.454_508_492_199_679_8,
        -0.717_312_780_264_863_3,
        1.442_453_526_210_602_6,
        0.000_002_443_438_720_356_461,
    ];
    COEFFICIENTS.iter().fold(0.0, |sum, coefficient| sum * (mantissa - 1.0) + coefficient)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(us: f64) -> i16 {
        (us.ln() / GAMMA.ln()).floor() as i16
    }

    #[test]
    fn the_bucket_is_that_of_the_logarithm() {
        // From half a microsecond to as many years as a Duration has.
        let mut us = 0.5_f64;
        while us < 1e25 {
            assert_eq!(bucket_of(us), exact(us), "{us}");
            us *= 1.000_31;
        }
    }

    #[test]
    fn at_the_ends_of_a_bucket_too() {
        for bucket in -30..2_900 {
            let end = GAMMA.powi(bucket);
            for past in [0.0, 1e-15, 1e-9, 1e-6, 2e-5, 5e-5] {
                for us in [end * (1.0 - past), end * (1.0 + past)] {
                    assert_eq!(bucket_of(us), exact(us), "{us}");
                }
            }
        }
    }

    #[test]
    fn the_scale_is_that_of_gamma() {
        let us = 1_234.5_f64;
        let polynomial = log2_of_mantissa(us / 1024.0) + 10.0;
        assert!((polynomial - us.log2()).abs() < 2.5e-6);
        assert!((SCALE - 1.0 / GAMMA.log2()).abs() < 1e-9);
    }
}
