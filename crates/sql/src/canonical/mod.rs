//! The ids that people see, from what a statement *means* where the text alone tells it: the cold
//! path, once a shape.
//!
//! PostgreSQL hashes the analysed tree. Here the tokens are brought into the form in which texts of
//! one tree agree: output names, table aliases and noise words out, qualified names as positions of
//! FROM, `ORDER BY 1` as the first output column, `CAST(a AS b)` as `a::b`, a constant as its type.
//! What needs the catalogue stays as it is written. No parser is asked, so that an id depends on
//! nothing but the text and this module; and the tokens are those of the lexical pass, so that texts
//! of one [`ShapeId`](model::ShapeId) cannot have two.

mod change;
mod constant;
mod expression;
mod from;
mod outputs;
mod query;
mod resolve;
mod result;
mod scope;
mod tree;
mod types;
mod words;

use model::{FingerprintId, StrictId};

use crate::scan::Until;
use crate::{Class, Shape, hash};
use scope::Scope;

/// The version of the ids below: a change of what any statement's id is needs a new one, and a new
/// part of `golden_ids.txt`.
pub(crate) const VERSION: u64 = 1;

/// A statement's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) strict: StrictId,
    pub(crate) fingerprint: FingerprintId,
}

/// The ids of the one statement that `text` is, which has the given class; `truncated` as the
/// lexical pass found it.
pub(crate) fn ids(text: &[u8], class: Class, truncated: bool) -> Ids {
    let nodes = tree::read(text, Until::TextEnd);
    let tree = if has_tree(class) { nodes.tree() } else { None };
    let written = match tree {
        Some(tree) => query::statement(&tree, &Scope::default()),
        None => nodes.flat(),
    };
    result::ids(&written, truncated)
}

/// The strict id of a statement, of which `text` is all and `shape` the shape. PostgreSQL 15 hashes
/// the text of utility statements as it is; a shape stands for many texts and has an id for all.
#[must_use]
pub fn strict_id(text: &[u8], shape: &Shape) -> StrictId {
    if has_tree(shape.class) || shape.class == Class::Empty {
        return shape.strict();
    }
    let hash = hash::token(hash::LITERAL_SEED, text, 0, text.len());
    StrictId(hash::id(hash::append(hash::append(hash::EMPTY, UTILITY), hash)))
}

const UTILITY: u64 = tree::mark(90);

/// Whether PostgreSQL 15 hashes the tree of such statements. Others are utility statements.
pub(crate) fn has_tree(class: Class) -> bool {
    matches!(
        class,
        Class::Select
            | Class::Insert
            | Class::Update
            | Class::Delete
            | Class::Merge
            | Class::Values
            | Class::With
    )
}

#[cfg(test)]
mod tests;
