//! FROM: what its items are called, and what is left when their names are taken out.

use super::expression;
use super::query;
use super::result::Written;
use super::scope::Scope;
use super::tree::{Leaf, Node, mark, split};
use super::words::*;

/// Writes FROM's items and adds what they are called to the scope.
pub(super) fn items(nodes: &[Node], scope: &mut Scope<'_>, out: &mut Vec<Written>) {
    let mut pieces = Vec::new();
    for (index, item) in split(nodes).enumerate() {
        if index > 0 {
            pieces.push(Piece::Written(Written::Token(COMMA)));
        }
        joined(item, scope, &mut pieces);
    }
    write_now(pieces, scope, out);
}

/// The table that a statement changes; how many nodes it took.
pub(super) fn target(nodes: &[Node], scope: &mut Scope<'_>, out: &mut Vec<Written>) -> usize {
    let mut pieces = Vec::new();
    let length = item(nodes, true, scope, &mut pieces);
    write_now(pieces, scope, out);
    length
}

/// Conditions may name what comes later, so that they are written last.
fn write_now(pieces: Vec<Piece<'_>>, scope: &Scope<'_>, out: &mut Vec<Written>) {
    for piece in pieces {
        match piece {
            Piece::Written(written) => out.push(written),
            Piece::Condition(nodes) => expression::write(nodes, scope, out),
        }
    }
}

enum Piece<'n> {
    Written(Written),
    Condition(&'n [Node]),
}

/// Items with JOIN between them.
fn joined<'n>(nodes: &'n [Node], scope: &mut Scope<'_>, out: &mut Vec<Piece<'n>>) {
    let mut at = 0;
    while at < nodes.len() {
        let taken = item(&nodes[at..], false, scope, out);
        at += taken;
        let start = at;
        while let Some(word) = nodes.get(at).and_then(Node::word)
            && JOIN_WORDS.contains(&word)
        {
            // `INNER` and `OUTER` say nothing.
            if word != INNER && word != OUTER {
                out.push(Piece::Written(Written::Token(word)));
            }
            at += 1;
        }
        if at < nodes.len() && (nodes[at].is(ON) || nodes[at].is(USING)) {
            at = condition(nodes, at, scope, out);
            continue;
        }
        if taken == 0 && at == start {
            // Not understood: as it is.
            scope.open = true;
            out.push(Piece::Condition(&nodes[at..=at]));
            at += 1;
        }
    }
}

const JOIN_WORDS: &[u64] = &[JOIN, INNER, OUTER, LEFT, RIGHT, FULL, CROSS, NATURAL];

/// `ON condition` or `USING (columns) [AS name]`.
fn condition<'n>(
    nodes: &'n [Node],
    mut at: usize,
    scope: &mut Scope<'_>,
    out: &mut Vec<Piece<'n>>,
) -> usize {
    let word = nodes[at].word().unwrap_or(ON);
    out.push(Piece::Written(Written::Token(word)));
    at += 1;
    if word == USING {
        out.push(Piece::Condition(&nodes[at.min(nodes.len())..(at + 1).min(nodes.len())]));
        at += 1;
        if nodes.get(at).is_some_and(|node| node.is(AS)) {
            at += 2;
            scope.open = true;
        }
        return at.min(nodes.len());
    }
    let begins = |at: usize| {
        let word = nodes[at].word().unwrap_or_default();
        let call = nodes.get(at + 1).is_some_and(|node| node.parenthesis().is_some());
        JOIN_WORDS.contains(&word) && !call || word == ON || word == USING
    };
    let end = (at..nodes.len()).find(|at| begins(*at)).unwrap_or(nodes.len());
    out.push(Piece::Condition(&nodes[at..end]));
    end
}

/// One item with its alias; how many nodes it took.
fn item<'n>(
    nodes: &'n [Node],
    target: bool,
    scope: &mut Scope<'_>,
    out: &mut Vec<Piece<'n>>,
) -> usize {
    let mut at = 0;
    while nodes.get(at).is_some_and(|node| node.is(LATERAL)) {
        at += 1;
    }
    if nodes.get(at).is_some_and(|node| node.is(ONLY)) {
        out.push(Piece::Written(Written::Token(ONLY)));
        at += 1;
        if let Some([only]) = nodes.get(at).and_then(Node::parenthesis) {
            out.push(Piece::Condition(std::slice::from_ref(only)));
            scope.relations.push(only.name().into_iter().collect());
            return at + 1;
        }
    }
    let Some(node) = nodes.get(at) else { return at };
    if let Some(inside) = node.parenthesis() {
        at += 1;
        return at + grouped(inside, &nodes[at..], scope, out);
    }
    if node.name().is_none()
        || JOIN_WORDS.contains(&node.word().unwrap_or_default()) && !calls(nodes, at)
    {
        return at;
    }
    let mut path = Vec::new();
    while let Some(part) = nodes.get(at).and_then(Node::name) {
        path.push(part);
        at += 1;
        if !nodes.get(at).is_some_and(Node::is_dot) {
            break;
        }
        at += 1;
    }
    if path.len() > 1 && path[0] == PG_CATALOG {
        path.remove(0);
    }
    for part in &path {
        out.push(Piece::Written(Written::Token(*part)));
    }
    if !target && nodes.get(at).is_some_and(|node| node.parenthesis().is_some()) {
        // A function. ROWS FROM (…) too.
        out.push(Piece::Condition(&nodes[at..=at]));
        at += 1;
        if nodes.get(at).is_some_and(|node| node.is(WITH)) {
            out.push(Piece::Written(Written::Token(ORDINALITY)));
            at += 2;
        }
    } else if matches!(nodes.get(at), Some(Node::Leaf(Leaf::Operator(STAR)))) {
        at += 1;
    }
    let (length, alias) = alias(&nodes[at.min(nodes.len())..], !target);
    at += length;
    // Of the columns that a record is read as, their number counts.
    if let Some(columns) = at
        .checked_sub(1)
        .and_then(|at| nodes.get(at))
        .filter(|_| length > 1)
        .and_then(Node::parenthesis)
        && split(columns).all(|column| column.len() > 1)
    {
        out.push(Piece::Written(Written::Token(
            mark(83).wrapping_add(split(columns).count() as u64),
        )));
    }
    scope.relations.push(alias.map_or(path, |alias| vec![alias]));
    if nodes.get(at).is_some_and(|node| node.is(TABLESAMPLE)) {
        let end = (at..nodes.len())
            .find(|at| JOIN_WORDS.contains(&nodes[*at].word().unwrap_or_default()))
            .unwrap_or(nodes.len());
        out.push(Piece::Condition(&nodes[at..end]));
        at = end;
    }
    at
}

fn calls(nodes: &[Node], at: usize) -> bool {
    nodes.get(at + 1).is_some_and(|node| node.parenthesis().is_some())
}

/// A query or a join in parentheses.
fn grouped<'n>(
    inside: &'n [Node],
    after: &'n [Node],
    scope: &mut Scope<'_>,
    out: &mut Vec<Piece<'n>>,
) -> usize {
    let (length, alias) = alias(after, true);
    if query::is_query(inside) {
        out.push(Piece::Written(Written::Token(OPEN)));
        // It may be LATERAL; where it is not, it names nothing of this scope.
        for written in query::statement(inside, scope) {
            out.push(Piece::Written(written));
        }
        out.push(Piece::Written(Written::Token(CLOSE)));
        scope.relations.push(alias.into_iter().collect());
        return length;
    }
    out.push(Piece::Written(Written::Token(OPEN)));
    joined(inside, scope, out);
    out.push(Piece::Written(Written::Token(CLOSE)));
    if let Some(alias) = alias {
        scope.relations.push(vec![alias]);
    }
    length
}

/// `[AS] alias [(columns)]`, or `AS (columns)`; how many nodes it took, and the alias.
fn alias(nodes: &[Node], with_columns: bool) -> (usize, Option<u64>) {
    let with_as = nodes.first().is_some_and(|node| node.is(AS));
    let at = usize::from(with_as);
    let Some(node) = nodes.get(at) else { return (at, None) };
    if with_as && node.parenthesis().is_some() {
        return (at + 1, None);
    }
    let word = node.word().unwrap_or_default();
    let bare = !node.traits().reserved()
        && !node.traits().before_operand()
        && ![SET, TABLESAMPLE, VALUES, OVERRIDING, DEFAULT, SELECT].contains(&word)
        && !JOIN_WORDS.contains(&word);
    let Some(name) = node.name().filter(|_| with_as || bare) else {
        return (at, None);
    };
    let columns = with_columns
        && nodes
            .get(at + 1)
            .is_some_and(|node| node.parenthesis().is_some_and(|inside| !query::is_query(inside)));
    (at + 1 + usize::from(columns), Some(name))
}
