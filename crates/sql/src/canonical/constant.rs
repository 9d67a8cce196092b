//! Constants and parameters, known by their types.

use crate::lexer::Literal;

use super::words;

/// A constant or a parameter: PostgreSQL hashes the type of the one and the number of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Constant {
    /// The type's name, as a hash.
    pub(super) type_name: u64,
    /// The parameter's number, or 0.
    pub(super) parameter: u32,
}

/// The type of `'…'`, of NULL and of a parameter, before anything else is known.
pub(super) const UNKNOWN: u64 = words::UNKNOWN;

impl Constant {
    pub(super) fn literal(literal: Literal) -> Self {
        let type_name = match literal {
            Literal::Integer => words::INT4,
            Literal::BigInteger => words::INT8,
            Literal::Numeric => words::NUMERIC,
            Literal::Text | Literal::Null => UNKNOWN,
            Literal::Bits => words::BIT,
            Literal::Boolean => words::BOOL,
        };
        Self { type_name, parameter: 0 }
    }

    pub(super) fn parameter(number: u32) -> Self {
        // A `$0` is an error to the server, and no constant.
        Self { type_name: UNKNOWN, parameter: number.max(1) }
    }

    pub(super) fn is_unknown(self) -> bool {
        self.type_name == UNKNOWN
    }

    /// Whether a literal can have this type without a cast.
    pub(super) fn is_plain(self) -> bool {
        [UNKNOWN, words::TEXT, words::INT4, words::INT8, words::NUMERIC, words::BIT, words::BOOL]
            .contains(&self.type_name)
    }
}
