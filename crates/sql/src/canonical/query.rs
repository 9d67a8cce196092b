//! Statements and their blocks.

use super::change::{change, insert};
use super::expression;
use super::from;
use super::outputs::{Outputs, keys_of, output_names, outputs, write_outputs};
use super::result::Written;
use super::scope::Scope;
use super::tree::Node;
use super::words::*;

/// Whether a query begins here.
pub(super) fn is_query(nodes: &[Node]) -> bool {
    match nodes.first() {
        Some(Node::Group { square: false, inside }) => {
            is_query(inside) && nodes.get(1).is_none_or(is_set_operator)
        }
        Some(node) => {
            [SELECT, WITH, VALUES, TABLE, INSERT, UPDATE, DELETE, MERGE]
                .iter()
                .any(|word| node.is(*word))
                && nodes.len() > 1
        }
        None => false,
    }
}

fn is_set_operator(node: &Node) -> bool {
    node.is(UNION) || node.is(INTERSECT) || node.is(EXCEPT)
}

/// A statement, or a query in parentheses.
pub(super) fn statement(nodes: &[Node], outer: &Scope<'_>) -> Vec<Written> {
    if let [only] = nodes
        && let Some(inside) = only.parenthesis()
    {
        return statement(inside, outer);
    }
    let mut out = Vec::new();
    let mut rest = nodes;
    if rest.first().is_some_and(|node| node.is(WITH)) {
        rest = with(rest, outer, &mut out);
    }
    match rest.first().and_then(Node::word) {
        Some(INSERT) => insert(rest, outer, &mut out),
        Some(UPDATE | DELETE | MERGE) => change(rest, outer, &mut out),
        _ => branches(rest, outer, &mut out),
    }
    out
}

/// `WITH name (columns) AS (query), …`; what follows it.
fn with<'n>(nodes: &'n [Node], outer: &Scope<'_>, out: &mut Vec<Written>) -> &'n [Node] {
    let mut at = 1;
    out.push(Written::Token(WITH));
    while let Some(node) = nodes.get(at) {
        if at > 1
            && [SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES, TABLE]
                .iter()
                .any(|word| node.is(*word))
        {
            break;
        }
        let after_as =
            nodes.get(at - 1).is_some_and(|before| before.is(AS) || before.is(MATERIALIZED));
        match node.parenthesis() {
            Some(inside) if after_as => {
                out.push(Written::Token(OPEN));
                out.extend(statement(inside, outer));
                out.push(Written::Token(CLOSE));
            }
            // Names of its columns; or the main query, in parentheses.
            Some(inside) => {
                if is_query(inside) {
                    break;
                }
            }
            None => expression::write(std::slice::from_ref(node), &Scope::default(), out),
        }
        at += 1;
    }
    nodes.get(at..).unwrap_or_default()
}

/// Blocks between UNION, INTERSECT and EXCEPT, and what belongs to all of them.
fn branches(nodes: &[Node], outer: &Scope<'_>, out: &mut Vec<Written>) {
    let ends: Vec<usize> = (0..nodes.len()).filter(|at| is_set_operator(&nodes[*at])).collect();
    if ends.is_empty() {
        return branch(nodes, outer, out);
    }
    let mut names = Vec::new();
    let mut start = 0;
    for end in ends.iter().copied().chain([nodes.len()]) {
        let mut part = &nodes[start.min(end)..end];
        if part.first().is_some_and(|node| node.is(ALL) || node.is(DISTINCT)) {
            if part[0].is(ALL) {
                out.push(Written::Token(ALL));
            }
            part = &part[1..];
        }
        let mut part = simple(part);
        let mut tail: &[Node] = &[];
        if end == nodes.len()
            && let Some(order) = part.iter().position(|node| {
                node.is(ORDER) || node.is(LIMIT) || node.is(OFFSET) || node.is(FETCH)
            })
        {
            (part, tail) = part.split_at(order);
        }
        let part = simple(part);
        if start == 0 {
            names = output_names(part);
        }
        branch(part, outer, out);
        if let Some(operator) = nodes.get(end) {
            out.push(operator.word().map_or(Written::Token(UNION), Written::Token));
        }
        if !tail.is_empty() {
            let outputs =
                Outputs { names: names.clone(), written: Vec::new(), counted: usize::MAX };
            clauses(tail, &Scope::within(outer), &outputs, out);
        }
        start = end + 1;
    }
}

/// A block without parentheses that say nothing.
fn simple(nodes: &[Node]) -> &[Node] {
    if let [only] = nodes
        && let Some(inside) = only.parenthesis()
        && !inside.iter().any(|node| {
            is_set_operator(node)
                || [WITH, ORDER, LIMIT, OFFSET, FETCH, FOR].iter().any(|word| node.is(*word))
        })
    {
        return simple(inside);
    }
    nodes
}

fn branch(nodes: &[Node], outer: &Scope<'_>, out: &mut Vec<Written>) {
    match nodes.first() {
        Some(node) if node.is(SELECT) => select(nodes, outer, out),
        Some(node) if node.is(TABLE) => {
            out.push(Written::Token(TABLE));
            let mut scope = Scope::within(outer);
            from::items(&nodes[1..], &mut scope, out);
        }
        Some(node) if node.is(VALUES) => {
            let end = nodes
                .iter()
                .position(|node| [ORDER, LIMIT, OFFSET, FETCH].iter().any(|word| node.is(*word)))
                .unwrap_or(nodes.len());
            expression::write(&nodes[..end], &Scope::within(outer), out);
            clauses(&nodes[end..], &Scope::within(outer), &Outputs::default(), out);
        }
        Some(Node::Group { square: false, inside }) if is_query(inside) => {
            out.push(Written::Token(OPEN));
            out.extend(statement(inside, outer));
            out.push(Written::Token(CLOSE));
            clauses(&nodes[1..], &Scope::within(outer), &Outputs::default(), out);
        }
        _ => clauses(nodes, &Scope::within(outer), &Outputs::default(), out),
    }
}

fn select(nodes: &[Node], outer: &Scope<'_>, out: &mut Vec<Written>) {
    let parts = parts(&nodes[1..]);
    let mut scope = Scope::within(outer);
    let mut from_written = Vec::new();
    for (word, part) in &parts {
        if *word == Some(FROM) {
            from::items(part, &mut scope, &mut from_written);
        }
    }
    out.push(Written::Token(SELECT));
    let mut targets =
        parts.first().filter(|(word, _)| word.is_none()).map_or(&[][..], |(_, part)| part);
    let mut distinct_on = None;
    if let Some(word) = targets.first().and_then(Node::word) {
        match word {
            ALL => targets = &targets[1..],
            DISTINCT => {
                out.push(Written::Token(DISTINCT));
                targets = &targets[1..];
                if let [on, keys, ..] = targets
                    && on.is(ON)
                    && let Some(inside) = keys.parenthesis()
                {
                    distinct_on = Some(inside);
                    targets = &targets[2..];
                }
            }
            _ => {}
        }
    }
    let outputs = outputs(targets, &scope);
    if let Some(keys) = distinct_on {
        out.push(Written::Token(ON));
        keys_of(keys, &scope, &outputs, false, out);
    }
    write_outputs(&outputs, out);
    for (word, part) in &parts {
        match *word {
            None => {}
            Some(FROM) => {
                out.push(Written::Token(FROM));
                out.append(&mut from_written);
            }
            Some(_) => clause(*word, part, &scope, &outputs, out),
        }
    }
}

/// The block's clauses: the word each begins with, and what follows it. What comes first has none.
fn parts(nodes: &[Node]) -> Vec<(Option<u64>, &[Node])> {
    let mut parts: Vec<(Option<u64>, &[Node])> = Vec::new();
    let (mut start, mut word) = (0, None);
    for at in 0..nodes.len() {
        let Some(found) = nodes[at].word() else { continue };
        let before = at.checked_sub(1).and_then(|at| nodes.get(at));
        let begins = match found {
            FROM => !before.is_some_and(|node| node.is(DISTINCT)),
            GROUP | ORDER => nodes.get(at + 1).is_some_and(|node| node.is(BY)),
            WHERE | HAVING | WINDOW | LIMIT | OFFSET | FETCH | INTO | RETURNING => {
                !before.is_some_and(Node::is_dot)
            }
            FOR => word != Some(FOR),
            _ => false,
        };
        if begins && !before.is_some_and(|node| node.is(AS) || node.is_dot()) {
            if at > start || word.is_some() {
                parts.push((word, &nodes[start..at]));
            }
            (start, word) = (at + 1, Some(found));
        }
    }
    if nodes.len() > start || word.is_some() {
        parts.push((word, &nodes[start.min(nodes.len())..]));
    }
    parts
}

fn clauses(nodes: &[Node], scope: &Scope<'_>, outputs: &Outputs, out: &mut Vec<Written>) {
    for (word, part) in parts(nodes) {
        match word {
            Some(FROM) => {
                let mut scope = Scope::within(scope);
                out.push(Written::Token(FROM));
                from::items(part, &mut scope, out);
            }
            _ => clause(word, part, scope, outputs, out),
        }
    }
}

fn clause(
    word: Option<u64>,
    part: &[Node],
    scope: &Scope<'_>,
    outputs: &Outputs,
    out: &mut Vec<Written>,
) {
    if word == Some(LIMIT) && part.first().is_some_and(|node| node.is(ALL)) {
        return;
    }
    if word == Some(FETCH) {
        return fetch(part, scope, out);
    }
    out.extend(word.map(Written::Token));
    match word {
        Some(ORDER | GROUP) => {
            keys_of(&part[1.min(part.len())..], scope, outputs, word == Some(GROUP), out)
        }
        Some(RETURNING) => write_outputs(&super::outputs::outputs(part, scope), out),
        Some(OFFSET) => {
            let part = part.strip_suffix_words(&[ROW, ROWS]);
            expression::list(part, scope, out);
        }
        _ => expression::list(part, scope, out),
    }
}

/// `FETCH FIRST n ROWS ONLY` is `LIMIT n`.
fn fetch(part: &[Node], scope: &Scope<'_>, out: &mut Vec<Written>) {
    if part.last().is_some_and(|node| node.is(ONLY)) {
        out.push(Written::Token(LIMIT));
        let count: Vec<Node> = part
            .iter()
            .filter(|node| ![FIRST, NEXT, ROW, ROWS, ONLY].iter().any(|word| node.is(*word)))
            .cloned()
            .collect();
        if count.is_empty() {
            out.push(Written::Constant(super::constant::Constant {
                type_name: INT4,
                parameter: 0,
            }));
        }
        return expression::list(&count, scope, out);
    }
    out.push(Written::Token(FETCH));
    expression::list(part, scope, out);
}

trait StripWords {
    fn strip_suffix_words(&self, words: &[u64]) -> &[Node];
}

impl StripWords for [Node] {
    fn strip_suffix_words(&self, words: &[u64]) -> &[Node] {
        match self.split_last() {
            Some((last, rest)) if words.iter().any(|word| last.is(*word)) => rest,
            _ => self,
        }
    }
}
