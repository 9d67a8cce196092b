//! Rounding, and times that several parts derive alike.

use std::collections::BTreeMap;

use model::{QueryStats, SqlState};

/// To a thousandth: a microsecond where the unit is ms. More digits would only look exact.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// Shares to a millionth.
pub(crate) fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole * 1e6).round() / 1e6 } else { 0.0 }
}

/// Time without waiting for a server connection, ms.
pub(crate) fn database_ms(stats: &QueryStats) -> f64 {
    (stats.total.sum_ms() - stats.wait.sum_ms()).max(0.0)
}

pub(crate) fn by_code(errors: &BTreeMap<SqlState, u64>) -> BTreeMap<String, u64> {
    errors.iter().map(|(code, count)| (code.to_string(), *count)).collect()
}
