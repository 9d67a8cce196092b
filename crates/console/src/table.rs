//! Tables of typed values, and the two wire formats of a value.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::{BufMut, BytesMut};

use crate::sql::time;

/// A column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int4,
    Int8,
    Float8,
    Numeric,
    Bool,
    Date,
    Timestamptz,
    Interval,
}

impl Kind {
    /// Its OID in pg_type.
    pub(crate) fn oid(self) -> u32 {
        match self {
            Self::Text => 25,
            Self::Int4 => 23,
            Self::Int8 => 20,
            Self::Float8 => 701,
            Self::Numeric => 1700,
            Self::Bool => 16,
            Self::Date => 1082,
            Self::Timestamptz => 1184,
            Self::Interval => 1186,
        }
    }

    /// `typlen`, bytes; -1 for types without a fixed size.
    pub(crate) fn size(self) -> i16 {
        match self {
            Self::Text | Self::Numeric => -1,
            Self::Bool => 1,
            Self::Int4 | Self::Date => 4,
            Self::Int8 | Self::Float8 | Self::Timestamptz => 8,
            Self::Interval => 16,
        }
    }

    /// As `format_type` writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
            Self::Float8 => "double precision",
            Self::Numeric => "numeric",
            Self::Bool => "boolean",
            Self::Date => "date",
            Self::Timestamptz => "timestamp with time zone",
            Self::Interval => "interval",
        }
    }
}

/// A column's name and type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: Kind,
}

impl Column {
    pub(crate) const fn text(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), kind: Kind::Text }
    }

    pub(crate) const fn int4(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), kind: Kind::Int4 }
    }

    pub(crate) const fn int8(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), kind: Kind::Int8 }
    }

    pub(crate) const fn float8(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), kind: Kind::Float8 }
    }

    pub(crate) const fn bool(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), kind: Kind::Bool }
    }

    pub(crate) const fn timestamptz(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), kind: Kind::Timestamptz }
    }

    pub(crate) const fn numeric(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), kind: Kind::Numeric }
    }
}

/// One field of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Text(String),
    Int4(i32),
    Int8(i64),
    Float8(f64),
    /// A whole number; the console counts nothing that is below zero or has fractions as numeric.
    Numeric(u64),
    Bool(bool),
    /// A day, as the µs from the Unix epoch to its beginning in UTC.
    Date(i64),
    /// µs since the Unix epoch.
    Time(i64),
    /// µs.
    Interval(i64),
}

/// A row: as many values as the table has columns, each of its column's kind or NULL.
pub(crate) type Row = Vec<Value>;

/// Columns and rows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
}

/// How a value is put on the wire (PostgreSQL manual, "Formats and Format Codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Binary,
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A count as int4; one beyond its range is shown as the largest int4.
    pub(crate) fn int4(count: impl TryInto<i32>) -> Self {
        Self::Int4(count.try_into().unwrap_or(i32::MAX))
    }

    /// A count as int8; one beyond its range is shown as the largest int8.
    pub(crate) fn int8(count: impl TryInto<i64>) -> Self {
        Self::Int8(count.try_into().unwrap_or(i64::MAX))
    }

    /// A point in time.
    pub(crate) fn time(at: jiff::Timestamp) -> Self {
        Self::Time(at.as_microsecond())
    }

    /// Appends the value in `format`, without its length. NULL has no bytes.
    pub(crate) fn encode(&self, format: Format, out: &mut BytesMut) {
        match format {
            Format::Text => self.encode_text(out),
            Format::Binary => self.encode_binary(out),
        }
    }

    fn encode_text(&self, out: &mut BytesMut) {
        // Writing to a BytesMut cannot fail: it grows.
        let _ = match self {
            Self::Null => Ok(()),
            Self::Text(text) => out.write_str(text),
            Self::Int4(number) => write!(out, "{number}"),
            Self::Int8(number) => write!(out, "{number}"),
            Self::Numeric(number) => write!(out, "{number}"),
            Self::Float8(number) if number.is_infinite() => {
                out.write_str(if *number > 0.0 { "Infinity" } else { "-Infinity" })
            }
            Self::Float8(number) => write!(out, "{number}"),
            Self::Bool(truth) => out.write_str(if *truth { "t" } else { "f" }),
            Self::Date(micros) => out.write_str(&time::date_text(*micros)),
            Self::Time(micros) => out.write_str(&time::timestamp_text(*micros)),
            Self::Interval(micros) => out.write_str(&time::interval_text(*micros)),
        };
    }

    fn encode_binary(&self, out: &mut BytesMut) {
        match self {
            Self::Null => {}
            Self::Text(text) => out.put_slice(text.as_bytes()),
            Self::Int4(number) => out.put_i32(*number),
            Self::Int8(number) => out.put_i64(*number),
            Self::Float8(number) => out.put_f64(*number),
            Self::Numeric(number) => encode_numeric(*number, out),
            Self::Bool(truth) => out.put_u8(u8::from(*truth)),
            Self::Date(micros) => out.put_i32(time::days_since_2000(*micros)),
            Self::Time(micros) => out.put_i64(micros.saturating_sub(time::POSTGRES_EPOCH)),
            Self::Interval(micros) => {
                let (days, rest) = time::days_and_micros(*micros);
                out.put_i64(rest);
                out.put_i32(days);
                // Months: differences of times have none.
                out.put_i32(0);
            }
        }
    }
}

/// `numeric_send`: how many digits to the base of 10,000, the first one's weight, sign, scale, and
/// the digits; zeros at the end are left out.
fn encode_numeric(number: u64, out: &mut BytesMut) {
    const BASE: u64 = 10_000;
    let mut digits = [0i16; 5]; // 10,000^5 is more than 2^64.
    let (mut count, mut rest) = (0i16, number);
    for digit in digits.iter_mut().rev() {
        if rest == 0 {
            break;
        }
        *digit = i16::try_from(rest % BASE).unwrap_or_default();
        rest /= BASE;
        count += 1;
    }
    let first = digits.len() - usize::try_from(count).unwrap_or_default();
    let significant = digits.iter().rposition(|digit| *digit != 0).map_or(first, |last| last + 1);
    let shown = &digits[first..significant];
    out.put_i16(i16::try_from(shown.len()).unwrap_or_default());
    out.put_i16((count - 1).max(0));
    out.put_i16(0);
    out.put_i16(0);
    for digit in shown {
        out.put_i16(*digit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &Value, format: Format) -> Vec<u8> {
        let mut out = BytesMut::new();
        value.encode(format, &mut out);
        out.to_vec()
    }

    /// What `numeric_recv` makes of the bytes.
    fn numeric_value(bytes: &[u8]) -> u128 {
        let words: Vec<u16> =
            bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        let (count, weight) = (usize::from(words[0]), i32::from(words[1]));
        assert_eq!(words.len(), 4 + count);
        assert!(words[4..].iter().all(|digit| *digit < 10_000));
        (0i32..)
            .zip(&words[4..])
            .map(|(place, digit)| {
                u128::from(*digit) * 10_000u128.pow(u32::try_from(weight - place).unwrap())
            })
            .sum()
    }

    #[test]
    fn numeric_is_sent_as_postgres_sends_it() {
        // select encode(numeric_send(n), 'hex')
        assert_eq!(encoded(&Value::Numeric(0), Format::Binary), [0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(encoded(&Value::Numeric(7), Format::Binary), [0, 1, 0, 0, 0, 0, 0, 0, 0, 7]);
        // 123 * 10,000: the zero digit at the end is left out.
        let bytes = encoded(&Value::Numeric(1_230_000), Format::Binary);
        assert_eq!(bytes, [0, 1, 0, 1, 0, 0, 0, 0, 0, 123]);
        for number in [1, 9_999, 10_000, 10_001, 100_000_000, 123_456_789_012, u64::MAX] {
            let bytes = encoded(&Value::Numeric(number), Format::Binary);
            assert_eq!(numeric_value(&bytes), u128::from(number));
        }
    }

    #[test]
    fn text_and_binary_of_the_other_kinds() {
        assert_eq!(encoded(&Value::Int4(-2), Format::Text), b"-2");
        assert_eq!(encoded(&Value::Int4(-2), Format::Binary), (-2i32).to_be_bytes());
        assert_eq!(encoded(&Value::Int8(1 << 40), Format::Binary), (1i64 << 40).to_be_bytes());
        assert_eq!(encoded(&Value::Float8(1.5), Format::Text), b"1.5");
        assert_eq!(encoded(&Value::Float8(f64::NEG_INFINITY), Format::Text), b"-Infinity");
        assert_eq!(encoded(&Value::Float8(f64::NAN), Format::Text), b"NaN");
        assert_eq!(encoded(&Value::Float8(1.5), Format::Binary), 1.5f64.to_be_bytes());
        assert_eq!(encoded(&Value::text("é"), Format::Binary), "é".as_bytes());
        assert_eq!(Value::int4(u64::MAX), Value::Int4(i32::MAX));
    }
}
