//! What the token before says about the one that comes.

use crate::keyword::Traits;

/// The token before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// There is none, save for opening parentheses.
    Start,
    /// A keyword or a name.
    Word(Traits),
    /// An operator, an opening bracket or parenthesis.
    Opening,
    Comma,
    /// A constant, a name in quotation marks, a closing bracket, …
    Operand,
}

impl Before {
    /// Whether a minus would have only one operand.
    pub(crate) fn expects_operand(self) -> bool {
        match self {
            Self::Start | Self::Opening | Self::Comma => true,
            Self::Word(traits) => traits.before_operand(),
            Self::Operand => false,
        }
    }

    /// Whether `true`, `false` or `null` would be a constant and not part of a phrase.
    pub(crate) fn expects_constant(self) -> bool {
        match self {
            Self::Opening | Self::Comma => true,
            Self::Word(traits) => traits.before_constant(),
            Self::Start | Self::Operand => false,
        }
    }

    /// Whether a parenthesis would hold a length or a precision.
    pub(crate) fn is_type(self) -> bool {
        matches!(self, Self::Word(traits) if traits.is_type())
    }
}
