//! Which constants of a query may be bound as parameters instead, so that the server parses it once
//! for all values.
//!
//! PostgreSQL resolves an operator by its operands' types (manual, 10.2), and a constant's type is
//! that of a parameter declared so: `a = 5` and `a = $1` with an `integer` mean the same, and a quoted
//! constant is of no known type in either. Where the two could differ, the constant stays in the
//! text: in what is selected, grouped or ordered by (where equal expressions must be equal to the
//! letter), under LIKE and LIMIT (where a plan needs the value), among constants alone (`1 = 1` is
//! worked out when a statement is planned), and in whatever is not a plain comparison with a column in
//! the WHERE of the outermost query. Nor is a number bound that could be too large for the type that
//! PostgreSQL makes of it: that would be noticed later than it is in a constant, or not at all.

mod finder;

use std::ops::Range;

use crate::constants::Constants;
use crate::scan::{Until, scan};
use crate::{Calls, Class, Observed, SessionEffect};
use finder::Finder;

/// Longer texts are left alone: planning is not what they cost.
const MAX_TEXT_BYTES: usize = 8 * 1024;
/// The OID that leaves a parameter's type to the server, as a constant in quotes does.
const UNKNOWN: u32 = 0;
/// `numeric`.
const NUMERIC: u32 = 1700;
/// Longer numbers may not fit a `float8`.
const MAX_NUMBER_BYTES: usize = 40;

/// Which of a shape's constants may be bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindable {
    /// The type's OID of each constant that may be, in the order of the text.
    constants: Box<[Option<u32>]>,
    /// Their types, as a Parse message lists them (manual, 55.7).
    types: Box<[u8]>,
}

/// A statement whose values stand beside it.
#[derive(Debug, PartialEq, Eq)]
pub struct ValuesApart<'a> {
    /// The statement; `$n` is where the nth value stood.
    pub text: Vec<u8>,
    values: [&'a [u8]; Constants::LIMIT],
    count: usize,
}

impl<'a> ValuesApart<'a> {
    /// The values as they were spelled: a number with its sign, or a string in its quotes.
    #[must_use]
    pub fn values(&self) -> &[&'a [u8]] {
        &self.values[..self.count]
    }

    /// Writes a value as the input function of its type reads it: a string without its quotes.
    pub fn write_value(spelled: &[u8], out: &mut Vec<u8>) {
        let inner = spelled.strip_prefix(b"'").and_then(|rest| rest.strip_suffix(b"'"));
        let Some(mut rest) = inner else { return out.extend_from_slice(spelled) };
        while let Some(quote) = rest.iter().position(|byte| *byte == b'\'') {
            // Of the two that stand for one.
            let (one, after) = rest.split_at(quote + 1);
            out.extend_from_slice(one);
            rest = after.get(1..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
    }
}

impl Bindable {
    /// Looks for such constants in a statement.
    pub(crate) fn of_statement(
        text: &[u8],
        class: Class,
        effect: SessionEffect,
        calls: &Calls,
    ) -> Self {
        // A function of the application's may ask for the text of what runs.
        let is_plain = class == Class::Select && effect == SessionEffect::None && calls.is_empty();
        if !is_plain || text.len() > MAX_TEXT_BYTES {
            return Self::default();
        }
        let mut finder = Finder::new(text);
        scan(text, 0, Until::TextEnd, &mut finder);
        let constants = finder.finish();
        let oids: Vec<u32> = constants.iter().copied().flatten().collect();
        if oids.is_empty() || constants.len() > Constants::LIMIT {
            return Self::default();
        }
        let count = (oids.len() as u16).to_be_bytes();
        let types = count.into_iter().chain(oids.iter().flat_map(|oid| oid.to_be_bytes()));
        Self { types: types.collect(), constants: constants.into() }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.constants.is_empty()
    }

    /// The parameters' types, as a Parse message lists them.
    #[must_use]
    pub fn types(&self) -> &[u8] {
        &self.types
    }

    /// Takes the values out of a statement of the shape, which was observed in `text`. None if one of
    /// them is spelled in a way that only the server can read, or if more than values would be lost.
    #[must_use]
    pub fn take_values<'a>(&self, text: &'a [u8], observed: &Observed) -> Option<ValuesApart<'a>> {
        let Range { start, end } = observed.range;
        // What a backslash does to the quotes around it is for a setting to say; and a comment before
        // the statement may be about how to plan it.
        let hints = text.get(observed.extent.start..start)?;
        if text.get(start..end)?.contains(&b'\\') || hints.windows(3).any(|at| at == b"/*+") {
            return None;
        }
        let mut apart = ValuesApart {
            text: Vec::with_capacity(observed.range.len() + 8),
            values: [b""; Constants::LIMIT],
            count: 0,
        };
        let mut copied = observed.range.start;
        for (span, oid) in observed.constants.all()?.zip(&self.constants) {
            let Some(oid) = *oid else { continue };
            let spelled = text.get(span.clone())?;
            let is_plain = match oid {
                UNKNOWN => is_plain_string(spelled),
                _ => is_plain_number(spelled, oid),
            };
            // What follows could be read as a part of the parameter.
            let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | 0x80..);
            if !is_plain || text.get(span.end).is_some_and(goes_on) {
                return None;
            }
            *apart.values.get_mut(apart.count)? = spelled;
            apart.count += 1;
            apart.text.extend_from_slice(text.get(copied..span.start)?);
            // At most 8.
            apart.text.extend_from_slice(&[b'$', b'0' + apart.count as u8]);
            copied = span.end;
        }
        apart.text.extend_from_slice(text.get(copied..observed.range.end)?);
        Some(apart)
    }
}

/// Digits, with a sign that is written to them. Such a number is spelled alike in SQL and as a value,
/// and of the type that its spelling without the sign has: the smallest numbers of a type are not.
fn is_plain_number(spelled: &[u8], oid: u32) -> bool {
    let (digits, is_negative) = match spelled.strip_prefix(b"-") {
        Some(digits) => (digits, true),
        None => (spelled, false),
    };
    let is_smallest = is_negative && matches!(digits, b"2147483648" | b"9223372036854775808");
    let has_point = digits.contains(&b'.');
    !digits.is_empty()
        && digits.len() <= MAX_NUMBER_BYTES
        && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        && !is_smallest
        && has_point == (oid == NUMERIC)
}

/// In single quotes, of which those within are doubled.
fn is_plain_string(spelled: &[u8]) -> bool {
    let inner = spelled.strip_prefix(b"'").and_then(|rest| rest.strip_suffix(b"'"));
    inner.is_some_and(|inner| {
        let mut bytes = inner.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\'' if bytes.next() != Some(&b'\'') => return false,
                _ => {}
            }
        }
        true
    })
}

#[cfg(test)]
mod tests;
