//! `$1` and what is bound to it.

use super::{errors, time};
use crate::refusal::Refusal;
use crate::table::{Format, Kind};

/// A parameter's type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ParameterType {
    /// In pg_type; 0 while it is open.
    oid: u32,
}

/// Types that clients bind, besides those that the console's columns have.
const INT2: u32 = 21;
const FLOAT4: u32 = 700;
const TIMESTAMP: u32 = 1114;
const UNKNOWN: u32 = 705;

impl ParameterType {
    /// As the client says it.
    pub(super) fn given(oid: u32) -> Self {
        Self { oid: if oid == UNKNOWN { 0 } else { oid } }
    }

    /// What it is in an expression; none while that is open.
    pub(super) fn kind(self) -> Option<Kind> {
        const KINDS: [Kind; 9] = [
            Kind::Text,
            Kind::Int4,
            Kind::Int8,
            Kind::Float8,
            Kind::Numeric,
            Kind::Bool,
            Kind::Date,
            Kind::Timestamptz,
            Kind::Interval,
        ];
        match self.oid {
            0 => None,
            INT2 => Some(Kind::Int4),
            FLOAT4 => Some(Kind::Float8),
            TIMESTAMP => Some(Kind::Timestamptz),
            // In an expression numeric is computed as float8.
            1700 => Some(Kind::Float8),
            oid => Some(KINDS.into_iter().find(|kind| kind.oid() == oid).unwrap_or(Kind::Text)),
        }
    }

    /// Its use says what it is.
    pub(super) fn settle(&mut self, kind: Kind) {
        if self.oid == 0 {
            self.oid = kind.oid();
        }
    }

    /// What ParameterDescription says; one that stayed open is a text.
    pub(crate) fn oid(self) -> u32 {
        if self.oid == 0 { Kind::Text.oid() } else { self.oid }
    }

    /// Reads a value from a Bind message; none is NULL.
    pub(crate) fn read(self, bytes: Option<&[u8]>, format: Format) -> Result<BoundValue, Refusal> {
        let Some(bytes) = bytes else { return Ok(BoundValue::Null) };
        match format {
            Format::Text => {
                let text = std::str::from_utf8(bytes)
                    .map_err(|_| Refusal::error("22021", "a parameter is not UTF-8"))?;
                self.read_text(text)
            }
            Format::Binary => self.read_binary(bytes),
        }
    }

    fn read_text(self, text: &str) -> Result<BoundValue, Refusal> {
        let kind = self.kind().unwrap_or(Kind::Text);
        read_literal(kind, text).ok_or_else(|| errors::bad_text(kind.name(), text))
    }

    fn read_binary(self, bytes: &[u8]) -> Result<BoundValue, Refusal> {
        let wrong = || {
            let message =
                format!("incorrect binary data format in a parameter of type {}", self.oid());
            Refusal::error("22P03", message)
        };
        let long = || bytes.try_into().map(i64::from_be_bytes).map_err(|_| wrong());
        let int = || bytes.try_into().map(i32::from_be_bytes).map_err(|_| wrong());
        let float = || bytes.try_into().map(f64::from_be_bytes).map_err(|_| wrong());
        Ok(match self.oid {
            INT2 => {
                let short: [u8; 2] = bytes.try_into().map_err(|_| wrong())?;
                BoundValue::Int(i16::from_be_bytes(short).into())
            }
            FLOAT4 => {
                let float: [u8; 4] = bytes.try_into().map_err(|_| wrong())?;
                BoundValue::Float(f32::from_be_bytes(float).into())
            }
            TIMESTAMP => BoundValue::Int(long()?.saturating_add(time::POSTGRES_EPOCH)),
            1700 => return Err(Refusal::error("0A000", "numeric parameters are taken as text")),
            _ => match self.kind().unwrap_or(Kind::Text) {
                Kind::Int4 => BoundValue::Int(int()?.into()),
                Kind::Int8 => BoundValue::Int(long()?),
                Kind::Float8 | Kind::Numeric => BoundValue::Float(float()?),
                Kind::Bool => BoundValue::Int((bytes.first().ok_or_else(wrong)? != &0).into()),
                Kind::Date => BoundValue::Int(i64::from(int()?) * time::DAY + time::POSTGRES_EPOCH),
                Kind::Timestamptz => BoundValue::Int(long()?.saturating_add(time::POSTGRES_EPOCH)),
                Kind::Interval => BoundValue::Int(read_interval(bytes).ok_or_else(wrong)?),
                Kind::Text => {
                    let text = std::str::from_utf8(bytes).map_err(|_| wrong())?;
                    BoundValue::Text(text.to_owned())
                }
            },
        })
    }
}

fn read_interval(bytes: &[u8]) -> Option<i64> {
    let (micros, rest) = bytes.split_first_chunk::<8>()?;
    let (days, months) = rest.split_first_chunk::<4>()?;
    let months = i32::from_be_bytes(months.try_into().ok()?);
    let days = i64::from(i32::from_be_bytes(*days)).checked_mul(time::DAY)?;
    let written =
        time::WrittenInterval { months, micros: i64::from_be_bytes(*micros).checked_add(days)? };
    Some(written.total())
}

/// A value as SQLite computes with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BoundValue {
    /// NULL.
    Null,
    /// Whole numbers, truth, times and intervals.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
}

impl rusqlite::ToSql for BoundValue {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        use rusqlite::types::{ToSqlOutput, ValueRef};

        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Float(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

/// A text as a value of a type; none where it is not one.
pub(super) fn read_literal(kind: Kind, text: &str) -> Option<BoundValue> {
    let trimmed = text.trim();
    Some(match kind {
        Kind::Text => BoundValue::Text(text.to_owned()),
        Kind::Int4 => BoundValue::Int(trimmed.parse::<i32>().ok()?.into()),
        Kind::Int8 => BoundValue::Int(trimmed.parse().ok()?),
        Kind::Float8 | Kind::Numeric => BoundValue::Float(trimmed.parse().ok()?),
        Kind::Bool => BoundValue::Int(match trimmed.to_ascii_lowercase().as_str() {
            "t" | "true" | "on" | "yes" | "y" | "1" => 1,
            "f" | "false" | "off" | "no" | "n" | "0" => 0,
            _ => return None,
        }),
        Kind::Date => BoundValue::Int(time::truncate("day", time::parse_timestamp(text)?)?),
        Kind::Timestamptz => BoundValue::Int(time::parse_timestamp(text)?),
        Kind::Interval => BoundValue::Int(time::parse_interval(text)?.total()),
    })
}
