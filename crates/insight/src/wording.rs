//! Numbers in sentences.

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: f64) -> String {
    let digits = format!("{:.0}", number.max(0.0));
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `0.8 ms`, `12 ms`, `1.2 s`, `45 s`, `3 min`.
pub(crate) fn duration_ms(ms: f64) -> String {
    match ms {
        ms if ms < 9.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms if ms < 9_950.0 => format!("{:.1} s", ms / 1e3),
        ms if ms < 119_500.0 => format!("{:.0} s", ms / 1e3),
        ms => format!("{} min", count(ms / 60e3)),
    }
}

/// `43 %`, `0.4 %`.
pub(crate) fn percent(share: f64) -> String {
    let value = share * 100.0;
    if value > 0.0 && value < 0.95 { format!("{value:.1} %") } else { format!("{value:.0} %") }
}

/// Whether `text` contains `words`, in capitals or not.
pub(crate) fn contains_ignoring_case(text: &str, words: &str) -> bool {
    let (text, words) = (text.as_bytes(), words.as_bytes());
    words.is_empty() || text.windows(words.len()).any(|part| part.eq_ignore_ascii_case(words))
}

/// `512 bytes`, `64 kB`, `1.5 MB`, `400 MB`, `12 GB`.
pub(crate) fn bytes(number: f64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if number < 1024.0 {
        return format!("{} bytes", count(number));
    }
    let mut value = number;
    let mut unit = "bytes";
    for next in UNITS {
        if value < 1000.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{} {unit}", count(value)) }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_short() {
        let sizes = [512.0, 65_536.0, 1.5 * 1048576.0, 400.0 * 1048576.0, 12.0 * 1073741824.0];
        assert_eq!(sizes.map(bytes), ["512 bytes", "64 kB", "1.5 MB", "400 MB", "12 GB"]);
    }
}
