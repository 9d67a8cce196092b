//! The binary form of rows. Numbers are of variable length (LEB128), what is zero or empty is left
//! out, and the first byte is the form's version, so that a later one can tell. How many different
//! values a statement was run with is not kept: only detectors ask for it, of the minutes in memory.
//!
//! What is read may be damaged or made up: reading never panics and allocates no more than it reads.

mod bits;
mod histogram;
mod query;
mod traffic;

pub(crate) use query::{decode_query, encode_query};
pub(crate) use traffic::{
    decode_connections, decode_pool, decode_transactions, encode_connections, encode_pool,
    encode_transactions,
};

use std::collections::BTreeMap;
use std::time::Duration;

use model::SqlState;

use crate::error::Damaged;

type Read<T> = Result<T, Damaged>;

/// The largest number in a row: more than a day can hold, and so little that sums of rows, made up
/// ones included, stay in range.
const MOST: u64 = 1 << 48;

/// The version that is written.
const VERSION: u8 = 1;

/// Bytes being written.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

/// Bytes being read.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl Writer {
    fn new() -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.push(VERSION);
        Self { bytes }
    }

    fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn number(&mut self, number: u64) {
        self.wide(u128::from(number.min(MOST)));
    }

    /// A number that counts nothing.
    fn id(&mut self, id: u64) {
        self.wide(u128::from(id));
    }

    fn wide(&mut self, mut number: u128) {
        while number >= 0x80 {
            self.bytes.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// Small whether above or below zero.
    fn signed(&mut self, number: i64) {
        self.id(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    fn duration(&mut self, duration: Duration) {
        self.wide(duration.as_nanos().min(u128::from(u64::MAX)));
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn codes(&mut self, codes: &BTreeMap<SqlState, u64>) {
        self.number(codes.len() as u64);
        for (code, count) in codes {
            self.bytes.extend_from_slice(code.as_str().as_bytes());
            self.number(*count);
        }
    }
}

impl<'a> Reader<'a> {
    /// Reads what `read` reads and nothing more.
    fn whole<T>(bytes: &'a [u8], read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        let mut reader = Self { bytes };
        if reader.byte()? != VERSION {
            return Err(Damaged::Version);
        }
        let value = read(&mut reader)?;
        if reader.bytes.is_empty() { Ok(value) } else { Err(Damaged::Long) }
    }

    fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.bytes.split_first().ok_or(Damaged::Short)?;
        self.bytes = rest;
        Ok(*first)
    }

    fn take(&mut self, length: u64) -> Read<&'a [u8]> {
        let length = usize::try_from(length).map_err(|_| Damaged::Short)?;
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Damaged::Short)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Read<u64> {
        let number = self.id()?;
        if number <= MOST { Ok(number) } else { Err(Damaged::Number) }
    }

    fn id(&mut self) -> Read<u64> {
        u64::try_from(self.wide()?).map_err(|_| Damaged::Number)
    }

    fn wide(&mut self) -> Read<u128> {
        let mut number = 0u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f);
            if part.leading_zeros() < shift {
                return Err(Damaged::Number);
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damaged::Number)
    }

    fn signed(&mut self) -> Read<i64> {
        let number = self.id()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn duration(&mut self) -> Read<Duration> {
        Ok(Duration::from_nanos(self.id()?))
    }

    fn text(&mut self) -> Read<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Damaged::Text)
    }

    fn codes(&mut self) -> Read<BTreeMap<SqlState, u64>> {
        let mut codes = BTreeMap::new();
        for _ in 0..self.number()? {
            let code = SqlState::from_bytes(self.take(5)?);
            codes.insert(code, self.number()?);
        }
        Ok(codes)
    }
}

/// Which fields of a row follow.
#[derive(Default)]
struct Present {
    mask: u64,
    next: u32,
}

impl Present {
    /// Notes whether the next field is there.
    fn note(&mut self, there: bool) {
        self.mask |= u64::from(there) << self.next;
        self.next += 1;
    }

    /// Whether the next field is there.
    fn next(&mut self) -> bool {
        let there = self.mask >> self.next & 1 == 1;
        self.next += 1;
        there
    }
}

#[cfg(test)]
mod tests;
