//! Numbers (manual, 4.1.2.6): decimal, with fraction and exponent, or 0x, 0o, 0b; underscores
//! between digits.

use crate::bytes::{self, ByteClass};
use crate::lexer::Literal;

/// The end and the type of the number that begins at `start`, with a digit or with a point before a
/// digit.
#[inline]
pub(crate) fn number(text: &[u8], start: usize) -> (usize, Literal) {
    let mut end = start;
    while byte(text, end).is_ascii_digit() {
        end += 1;
    }
    // What makes a number of another kind continues with a letter, an underscore or a point. Nearly
    // all numbers end here.
    let ends = !matches!(bytes::class(byte(text, end)), ByteClass::Letter | ByteClass::Dot);
    if ends && end - start < 10 {
        return (end, Literal::Integer);
    }
    long_number(text, start)
}

fn long_number(text: &[u8], start: usize) -> (usize, Literal) {
    let radix = match (byte(text, start), byte(text, start + 1) | 0x20) {
        (b'0', b'x') => Some(16),
        (b'0', b'o') => Some(8),
        (b'0', b'b') => Some(2),
        _ => None,
    };
    if let Some(radix) = radix {
        let (end, value) = digits(text, start + 2, radix);
        if end > start + 2 {
            return (end, whole(value));
        }
    }
    let (mut end, value) = digits(text, start, 10);
    let mut literal = whole(value);
    // `1..10` is a range of PL/pgSQL, not the number `1.`
    if byte(text, end) == b'.' && byte(text, end + 1) != b'.' {
        end = digits(text, end + 1, 10).0;
        literal = Literal::Numeric;
    }
    if byte(text, end) | 0x20 == b'e' {
        let sign = usize::from(matches!(byte(text, end + 1), b'+' | b'-'));
        let exponent_end = digits(text, end + 1 + sign, 10).0;
        if exponent_end > end + 1 + sign {
            end = exponent_end;
            literal = Literal::Numeric;
        }
    }
    (end, literal)
}

#[inline(always)]
fn byte(text: &[u8], at: usize) -> u8 {
    // 0 is no part of a number, so it can stand for the end.
    text.get(at).copied().unwrap_or(0)
}

/// The end of the digits at `at`, and their value; none if it is beyond 64 bits.
fn digits(text: &[u8], mut at: usize, radix: u32) -> (usize, Option<u64>) {
    let mut value = Some(0u64);
    loop {
        if let Some(digit) = char::from(byte(text, at)).to_digit(radix) {
            value = value
                .and_then(|value| value.checked_mul(u64::from(radix)))
                .and_then(|value| value.checked_add(u64::from(digit)));
        } else if byte(text, at) != b'_' || !char::from(byte(text, at + 1)).is_digit(radix) {
            return (at, value);
        }
        at += 1;
    }
}

fn whole(value: Option<u64>) -> Literal {
    match value {
        Some(value) if i32::try_from(value).is_ok() => Literal::Integer,
        Some(value) if i64::try_from(value).is_ok() => Literal::BigInteger,
        _ => Literal::Numeric,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_types() {
        use Literal::{BigInteger, Integer, Numeric};
        for (text, rest, literal) in [
            ("1", "", Integer),
            ("1)", ")", Integer),
            ("2147483647", "", Integer),
            ("2147483648", "", BigInteger),
            ("0000000000001", "", Integer),
            ("9223372036854775807", "", BigInteger),
            ("9223372036854775808", "", Numeric),
            ("99999999999999999999999", "", Numeric),
            ("1.5", "", Numeric),
            ("1.", "", Numeric),
            (".5", "", Numeric),
            ("1..2", "..2", Integer),
            ("1e5", "", Numeric),
            ("1.5E-5x", "x", Numeric),
            ("1e", "e", Integer),
            ("1e+", "e+", Integer),
            ("1_000_000", "", Integer),
            ("1_", "_", Integer),
            ("1__0", "__0", Integer),
            ("0x7FFFFFFF", "", Integer),
            ("0xFFFFFFFF", "", BigInteger),
            ("0xg", "xg", Integer),
            ("0o17", "", Integer),
            ("0b102", "2", Integer),
        ] {
            let found = number(text.as_bytes(), 0);
            assert_eq!((&text[found.0..], found.1), (rest, literal), "{text}");
        }
    }
}
