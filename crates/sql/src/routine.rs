//! Finds the bodies of SQL-standard routines, whose semicolons do not end the statement.

use crate::keyword::Word;

/// Follows the words of one statement outside parentheses, as psql does: in
/// `CREATE [OR REPLACE] FUNCTION | PROCEDURE`, from `BEGIN ATOMIC` to the `END` that matches it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RoutineBody {
    /// Not the beginning of such a statement.
    #[default]
    Impossible,
    /// After `CREATE`, `CREATE OR`, `CREATE OR REPLACE`.
    Header,
    /// A routine is being created.
    Possible,
    /// After `BEGIN` in it.
    Begun,
    /// In the body, so many `BEGIN` and `CASE` deep.
    Inside(u32),
}

impl RoutineBody {
    /// The state after a statement's first word.
    pub(crate) fn after_first(word: Word) -> Self {
        if word == Word::Create { Self::Header } else { Self::Impossible }
    }

    /// The state after another word.
    #[must_use]
    pub(crate) fn after(self, word: Word) -> Self {
        match (self, word) {
            (Self::Header, Word::Or | Word::Replace) => Self::Header,
            (Self::Header, Word::Function | Word::Procedure) => Self::Possible,
            (Self::Header | Self::Impossible, _) => Self::Impossible,
            (Self::Possible | Self::Begun, Word::Begin) => Self::Begun,
            (Self::Begun, Word::Atomic) => Self::Inside(1),
            (Self::Possible | Self::Begun, _) => Self::Possible,
            (Self::Inside(depth), Word::Begin | Word::Case) => {
                Self::Inside(depth.saturating_add(1))
            }
            (Self::Inside(1), Word::End) => Self::Possible,
            (Self::Inside(depth), Word::End) => Self::Inside(depth - 1),
            (Self::Inside(depth), _) => Self::Inside(depth),
        }
    }

    pub(crate) fn is_inside(self) -> bool {
        matches!(self, Self::Inside(_))
    }
}
