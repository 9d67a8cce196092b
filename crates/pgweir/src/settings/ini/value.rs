//! From a value as PgBouncer writes it to one that our checks take.

use std::path::Path;

use super::keys::KeyKind;
use super::lines::find_file;
use super::table::{IniSetting, Kind};
use crate::settings::values::Raw;

/// A value of `[pgbouncer]`. What is not as it should be is left to the check of the setting that it
/// becomes.
pub(super) fn raw(kind: Kind, text: &str, path: &Path) -> Raw {
    match (kind, number(text)) {
        (Kind::Number, Some(number)) => Raw::Integer(number),
        (Kind::Flag, Some(number)) => Raw::Boolean(number != 0),
        (Kind::Mode, Some(mode)) if mode >= 0 => Raw::Text(format!("{mode:04o}")),
        (Kind::Word, _) => Raw::Text(text.to_ascii_lowercase()),
        // Our own word for the authorities that the system trusts; an abstract socket is no file.
        (Kind::File, _) if text != "system" && !text.starts_with('@') => {
            Raw::Text(find_file(text, path).display().to_string())
        }
        (Kind::Protocols, _) => Raw::Text(protocols(text)),
        _ => Raw::Text(text.to_owned()),
    }
}

/// A value of a key; none where it says "as for all".
pub(super) fn of_key(kind: KeyKind, text: String) -> Option<Raw> {
    match kind {
        KeyKind::Text => Some(Raw::Text(text)),
        KeyKind::Word => Some(Raw::Text(text.to_ascii_lowercase())),
        KeyKind::Number => match text.parse::<i64>() {
            Ok(-1) => None,
            Ok(number) => Some(Raw::Integer(number)),
            Err(_) => Some(Raw::Text(text)),
        },
    }
}

/// As `strtol` reads it with base 0.
pub(super) fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (base, digits) = match (hexadecimal, digits.strip_prefix('0')) {
        (Some(digits), _) => (16, digits),
        (None, Some(octal)) if !octal.is_empty() => (8, octal),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let number = i64::from_str_radix(digits, base).ok()?;
    Some(if negative { -number } else { number })
}

/// Without the versions that are not offered, if others are there.
fn protocols(text: &str) -> String {
    let names: Vec<&str> = text.split([',', ':']).map(str::trim).collect();
    let offered: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !matches!(*name, "tlsv1" | "tlsv1.0" | "tlsv1.1"))
        .collect();
    if offered.is_empty() { names.join(",") } else { offered.join(",") }
}

/// Whether a value is what holds without it.
pub(super) fn is_default(setting: &IniSetting, text: &str) -> bool {
    let same_number = || Some(text.parse::<f64>().ok()? == setting.default.parse::<f64>().ok()?);
    match setting.kind {
        Kind::Number | Kind::Flag | Kind::Seconds => {
            let flag = || Some((number(text)? != 0) == (number(setting.default)? != 0));
            let same = if setting.kind == Kind::Flag { flag() } else { same_number() };
            same.unwrap_or(false)
        }
        _ => text.is_empty() || text.eq_ignore_ascii_case(setting.default),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, expected) in [
            ("20", Some(20)),
            ("0777", Some(0o777)),
            ("0x10", Some(16)),
            ("0", Some(0)),
            (" -1 ", Some(-1)),
            ("+5", Some(5)),
            ("", None),
            ("20s", None),
            ("1.5", None),
            ("--1", None),
            ("0x", None),
            ("09", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn versions_that_are_broken_are_left_out() {
        assert_eq!(protocols("tlsv1.0, tlsv1.1,tlsv1.2:tlsv1.3"), "tlsv1.2,tlsv1.3");
        assert_eq!(protocols("tlsv1.0"), "tlsv1.0", "which is refused then");
        assert_eq!(protocols("secure"), "secure");
    }

    proptest! {
        #[test]
        fn any_text_is_a_number_or_not(text: String) {
            let _ = number(&text);
        }
    }
}
