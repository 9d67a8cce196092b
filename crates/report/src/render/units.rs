//! Numbers for people: the unit that fits, and as many digits as mean something.

use jiff::Timestamp;
use model::Evidence;

/// `1234567` as `1,234,567`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three significant digits: `0.123`, `1.23`, `12.3`, `123`, `1,234`.
#[must_use]
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let size = value.abs();
    if size >= 99.95 {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", count(size.round() as u64));
    }
    let decimals = if size >= 9.995 { 1 } else { 2 };
    let text = format!("{value:.decimals$}");
    if size >= 0.9995 || value == 0.0 {
        // Whole numbers stand without their zeros.
        text.strip_suffix(if decimals == 1 { ".0" } else { ".00" }).unwrap_or(&text).to_owned()
    } else {
        format!("{value:.3}")
    }
}

/// A duration given in ms: `870 µs`, `12.3 ms`, `1.23 s`, `4.5 min`.
#[must_use]
pub fn duration_ms(ms: f64) -> String {
    let size = ms.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if size < 0.0005 {
        "<1 µs".to_owned()
    } else if size < 0.9995 {
        format!("{} µs", number((ms * 1e3).round()))
    } else if size < 999.5 {
        format!("{} ms", number(ms))
    } else {
        seconds(ms / 1e3)
    }
}

/// A duration given in s: `1.23 s`, `15 min`, `2.5 h`.
#[must_use]
pub fn seconds(s: f64) -> String {
    match s {
        s if s < 119.5 => format!("{} s", number(s)),
        s if s < 119.5 * 60.0 => format!("{} min", number(s / 60.0)),
        s => format!("{} h", number(s / 3600.0)),
    }
}

/// A size: `512 B`, `12.3 kB`, `1.5 GB`, with 1 kB = 1024 B as PostgreSQL's `pg_size_pretty`.
#[must_use]
pub fn bytes(size: f64) -> String {
    let mut value = size;
    for unit in ["B", "kB", "MB", "GB"] {
        if value.abs() < 1023.5 {
            return format!("{} {unit}", number(value));
        }
        value /= 1024.0;
    }
    format!("{} TB", number(value))
}

/// A share: `42 %`, `4.2 %`, `<0.1 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value > 0.0 && value < 0.1 {
        "<0.1 %".to_owned()
    } else if value.abs() < 9.95 {
        let text = format!("{value:.1}");
        format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
    } else {
        format!("{value:.0} %")
    }
}

/// A moment, to the second: `2026-11-23 20:15:30 UTC`.
#[must_use]
pub fn moment(time: Timestamp) -> String {
    let whole = Timestamp::from_second(time.as_second()).unwrap_or(time).to_string();
    whole.replace('T', " ").replace('Z', " UTC")
}

/// `server_version_num` as PostgreSQL writes versions: `15.4`.
#[must_use]
pub fn server_version(number: u32) -> String {
    format!("{}.{}", number / 10_000, number % 10_000)
}

/// A text made a sentence: a capital at its beginning and a full stop at its end.
///
/// The capital is left out where the first word is a name with a dot or an underscore.
#[must_use]
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let first_word = text.split_whitespace().next().unwrap_or_default();
    let mut chars = text.chars();
    let mut out = match chars.next() {
        Some(first) if !first_word.contains(['.', '_', '(']) => {
            first.to_uppercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    };
    if !out.ends_with(['.', '!', '?', ':', ';']) {
        out.push('.');
    }
    out
}

type Format = fn(f64) -> String;

/// Endings of names that carry a unit.
const UNITS: [(&str, Format); 4] =
    [("_ms", duration_ms), ("_s", seconds), ("_bytes", bytes), ("_ratio", percent)];

/// A piece of evidence: its name without the unit, and its value with it.
///
/// The unit is the name's ending, as everywhere in the project: `_ms`, `_s`, `_bytes`, `_ratio`.
#[must_use]
pub fn evidence(name: &str, value: &Evidence) -> (String, String) {
    let number_of = |value: &Evidence| match value {
        Evidence::Int(n) => Some(*n as f64),
        Evidence::Float(x) => Some(*x),
        Evidence::Text(_) => None,
    };
    for (ending, format) in UNITS {
        if let (Some(stem), Some(x)) = (name.strip_suffix(ending), number_of(value)) {
            return (stem.replace('_', " "), format(x));
        }
    }
    let text = match value {
        Evidence::Int(n) => number(*n as f64),
        Evidence::Float(x) => number(*x),
        Evidence::Text(text) => text.clone(),
    };
    (name.replace('_', " "), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_fits_and_the_digits_mean_something() {
        let durations = [0.0, 0.0004, 0.87, 0.9996, 1.0, 12.34, 123.4, 999.6, 61_000.0, 9e5, 9e6];
        let shown: Vec<_> = durations.into_iter().map(duration_ms).collect();
        insta::assert_snapshot!(shown.join(", "), @"0, <1 µs, 870 µs, 1 ms, 1 ms, 12.3 ms, 123 ms, 1 s, 61 s, 15 min, 2.50 h");
        let sizes: Vec<_> = [0.0, 512.0, 1024.0, 12_595.0, 1.5e9, 3e13].map(bytes).into();
        insta::assert_snapshot!(sizes.join(", "), @"0 B, 512 B, 1 kB, 12.3 kB, 1.40 GB, 27.3 TB");
        let shares: Vec<_> = [0.0, 0.0001, 0.042, 0.0999, 0.42, 1.0].map(percent).into();
        insta::assert_snapshot!(shares.join(", "), @"0 %, <0.1 %, 4.2 %, 10 %, 42 %, 100 %");
        let numbers: Vec<_> = [0.1234, 1.0, 9.999, 99.96, 1234.5, -0.5, -1234.5].map(number).into();
        insta::assert_snapshot!(numbers.join(", "), @"0.123, 1, 10, 100, 1,235, -0.500, -1,235");
    }

    #[test]
    fn counts_have_thousands_separators() {
        let shown = [0, 999, 1000, 20_000, 1_234_567].map(count);
        assert_eq!(shown, ["0", "999", "1,000", "20,000", "1,234,567"]);
    }

    #[test]
    fn evidence_takes_its_unit_from_its_name() {
        let shown = |name: &str, value: Evidence| {
            let (label, text) = evidence(name, &value);
            format!("{label} {text}")
        };
        assert_eq!(shown("p95_ms", 12.0.into()), "p95 12 ms");
        assert_eq!(shown("index_bytes", 2_097_152u64.into()), "index 2 MB");
        assert_eq!(shown("share_of_time_ratio", 0.25.into()), "share of time 25 %");
        assert_eq!(shown("table_rows", 1_500_000u64.into()), "table rows 1,500,000");
        assert_eq!(shown("sqlstate", "23505".into()), "sqlstate 23505");
    }

    #[test]
    fn a_sentence_keeps_names_as_they_are() {
        assert_eq!(sentence("one index is missing"), "One index is missing.");
        assert_eq!(sentence("public.orders is read whole."), "public.orders is read whole.");
    }
}
