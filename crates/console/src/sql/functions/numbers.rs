//! Numbers.

use rusqlite::{Connection, Result};

use super::{number, refused, strict, whole};
use crate::refusal::Refusal;

/// A function of one number.
type OfNumber = (&'static str, fn(f64) -> f64);

pub(super) fn register(connection: &Connection) -> Result<()> {
    let simple: [OfNumber; 6] = [
        ("pg_trunc", f64::trunc),
        ("pg_floor", f64::floor),
        ("pg_ceil", f64::ceil),
        ("pg_sqrt", f64::sqrt),
        ("pg_exp", f64::exp),
        // PostgreSQL rounds halves of float8 to even.
        ("pg_round", f64::round_ties_even),
    ];
    for (name, function) in simple {
        strict(connection, name, 1, move |c| Ok(Some(function(number(c, 0)))))?;
    }
    strict(connection, "pg_round", 2, |c| {
        let scale = 10f64.powi(i32::try_from(whole(c, 1)).unwrap_or_default().clamp(-300, 300));
        let number = number(c, 0);
        let scaled = number * scale;
        // What has more digits than a float8 is as round as it gets.
        Ok(Some(if scaled.is_finite() { scaled.round() / scale } else { number }))
    })?;
    strict(connection, "pg_power", 2, |c| Ok(Some(number(c, 0).powf(number(c, 1)))))?;
    let logarithms: [OfNumber; 2] = [("pg_ln", f64::ln), ("pg_log10", f64::log10)];
    for (name, function) in logarithms {
        strict(connection, name, 1, move |c| {
            let number = number(c, 0);
            if number <= 0.0 {
                let message = "cannot take logarithm of a number that is not above zero";
                return Err(refused(&Refusal::error("2201E", message)));
            }
            Ok(Some(function(number)))
        })?;
    }
    strict(connection, "pg_mod", 2, |c| {
        let (number, divisor) = (number(c, 0), number(c, 1));
        Ok((divisor != 0.0).then(|| number % divisor))
    })
}
