//! Names of types (PostgreSQL manual, 8).

use crate::lexer::Literal;

use super::tree::{Leaf, Node, mark};
use super::words::{self, *};

/// A type as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Type {
    /// Its name by the name that the catalogue gives it; an array's is marked.
    pub(super) name: u64,
    /// It has a length or precision that is applied as a function.
    pub(super) modified: bool,
    /// How many nodes it took.
    pub(super) length: usize,
}

const ARRAY_OF: u64 = mark(72);
const WITHIN_SCHEMA: u64 = mark(73);

/// Reads the type that `nodes` begin with.
pub(super) fn read(nodes: &[Node]) -> Option<Type> {
    let first = nodes.first()?.name()?;
    let is = |at: usize, word: u64| nodes.get(at).is_some_and(|node| node.is(word));
    let mut name = first;
    let mut at = 1;
    while nodes.get(at).is_some_and(Node::is_dot)
        && let Some(part) = nodes.get(at + 1).and_then(Node::name)
    {
        name = if name == PG_CATALOG { part } else { (name ^ WITHIN_SCHEMA).rotate_left(9) ^ part };
        at += 2;
    }
    let quoted = matches!(nodes.first(), Some(Node::Leaf(Leaf::Quoted(_))));
    if at == 1 && !quoted {
        if first == DOUBLE && is(1, PRECISION) {
            at = 2;
        }
        if first == NATIONAL && nodes.get(1).is_some() {
            at += 1;
        }
        if is(at, VARYING) {
            at += 1;
            name = if first == BIT { VARBIT } else { VARCHAR };
        } else {
            name = canonical(first);
        }
    }
    let mut modified = false;
    if let Some(inside) = nodes.get(at).and_then(Node::parenthesis) {
        let constant = |node: &Node| {
            matches!(node, Node::Leaf(Leaf::Constant(_) | Leaf::Position { .. } | Leaf::Comma))
        };
        if !inside.is_empty() && inside.iter().all(constant) {
            modified = true;
            at += 1;
        }
    } else if [CHAR, CHARACTER, NCHAR, BIT].contains(&first) && name != VARCHAR && name != VARBIT {
        // `char` is `char(1)`.
        modified = !quoted;
    }
    if [TIMESTAMP, TIME].contains(&first) {
        if is(at, WITH) && is(at + 1, TIME) && is(at + 2, ZONE) {
            at += 3;
            name = if first == TIME { TIMETZ } else { TIMESTAMPTZ };
        } else if is(at, WITHOUT) && is(at + 1, TIME) && is(at + 2, ZONE) {
            at += 3;
        }
    }
    if name == INTERVAL {
        at += interval_fields(&nodes[at..]);
        modified = false;
    }
    let mut array = false;
    while let Some(inside) = nodes.get(at).and_then(Node::bracket) {
        if inside.len() > 1 {
            break;
        }
        array = true;
        at += 1;
    }
    if is(at, ARRAY)
        && nodes.get(at + 1).and_then(Node::bracket).is_none_or(|inside| inside.len() <= 1)
    {
        array = true;
        at += 1;
        at += usize::from(nodes.get(at).is_some_and(|node| node.bracket().is_some()));
    }
    if array {
        name ^= ARRAY_OF;
    }
    Some(Type { name, modified, length: at })
}

/// The fields of an interval: `day to hour`, `second(3)`.
pub(super) fn interval_fields(nodes: &[Node]) -> usize {
    let field = |at: usize| {
        nodes
            .get(at)
            .and_then(Node::word)
            .is_some_and(|word| [YEAR, MONTH, DAY, HOUR, MINUTE, SECOND].contains(&word))
    };
    if !field(0) {
        return 0;
    }
    let mut length = 1;
    if nodes.get(1).is_some_and(|node| node.is(TO)) && field(2) {
        length = 3;
    }
    length + usize::from(nodes.get(length).is_some_and(|node| node.parenthesis().is_some()))
}

/// The catalogue's name of a type.
pub(super) fn canonical(name: u64) -> u64 {
    match name {
        INT | INTEGER => INT4,
        BIGINT => INT8,
        SMALLINT => INT2,
        BOOLEAN => BOOL,
        FLOAT | DOUBLE => FLOAT8,
        REAL => FLOAT4,
        DEC | DECIMAL => NUMERIC,
        CHAR | CHARACTER | NCHAR | NATIONAL => BPCHAR,
        other => other,
    }
}

/// A constant whose type is named in front of it, `date '2026-01-01'`: the type, and how many nodes
/// the two took. `after` is the node before.
pub(super) fn typed_literal(nodes: &[Node], after: Option<&Node>) -> Option<(Type, usize)> {
    let first = nodes.first()?;
    if let Some(word) = first.word()
        && (first.traits().before_operand()
            || first.traits().reserved()
            || NO_TYPES.contains(&word))
    {
        return None;
    }
    if after.is_some_and(|node| node.is_dot() || node.is(AS) || node.is(words::AT)) {
        return None;
    }
    let found = read(nodes)?;
    let literal =
        |at: usize| matches!(nodes.get(at), Some(Node::Leaf(Leaf::Constant(Literal::Text))));
    let mut length = found.length;
    if !literal(length) {
        return None;
    }
    length += 1;
    if found.name == INTERVAL {
        length += interval_fields(&nodes[length..]);
    }
    Some((found, length))
}

/// Words that a string may follow without being of a type called so.
const NO_TYPES: &[u64] = &[
    ZONE,
    DOCUMENT,
    CONTENT,
    words::VERSION,
    PASSING,
    UESCAPE,
    STANDALONE,
    ESCAPE,
    BETWEEN,
    VALUES,
];
