//! INSERT, UPDATE, DELETE and MERGE.

use super::constant::UNKNOWN;
use super::expression;
use super::from;
use super::outputs::{outputs, write_outputs};
use super::query::{is_query, statement};
use super::resolve::forget_types;
use super::result::Written;
use super::scope::Scope;
use super::tree::Node;
use super::words::*;

/// `INSERT INTO table (columns) …`.
pub(super) fn insert(nodes: &[Node], outer: &Scope<'_>, out: &mut Vec<Written>) {
    let mut scope = Scope::within(outer);
    out.extend([Written::Token(INSERT), Written::Token(INTO)]);
    let mut at = 1 + usize::from(nodes.get(1).is_some_and(|node| node.is(INTO)));
    at += from::target(&nodes[at.min(nodes.len())..], &mut scope, out);
    if let Some(inside) = nodes.get(at).and_then(Node::parenthesis)
        && !is_query(inside)
    {
        out.push(Written::Token(OPEN));
        expression::list(inside, &Scope::default(), out);
        out.push(Written::Token(CLOSE));
        at += 1;
    }
    if nodes.get(at).is_some_and(|node| node.is(OVERRIDING)) {
        at += 3;
    }
    let rest = &nodes[at.min(nodes.len())..];
    let end = rest
        .windows(2)
        .position(|pair| pair[0].is(ON) && pair[1].is(CONFLICT))
        .or_else(|| rest.iter().position(|node| node.is(RETURNING)))
        .unwrap_or(rest.len());
    let (source, rest) = rest.split_at(end);
    if source.first().is_some_and(|node| node.is(VALUES)) {
        let from = out.len();
        expression::write(source, &scope, out);
        forget_types(&mut out[from..]);
    } else {
        out.extend(statement(source, outer));
    }
    assignments(rest, &scope, out);
}

/// `UPDATE`, `DELETE` and `MERGE`: a table, others, and clauses.
pub(super) fn change(nodes: &[Node], outer: &Scope<'_>, out: &mut Vec<Written>) {
    let mut scope = Scope::within(outer);
    out.extend(nodes[0].word().map(Written::Token));
    let mut at = 1;
    at += usize::from(nodes.get(at).is_some_and(|node| node.is(FROM) || node.is(INTO)));
    at += from::target(&nodes[at.min(nodes.len())..], &mut scope, out);
    let rest = &nodes[at.min(nodes.len())..];
    // What is joined comes after what it is used in.
    let joined = rest.iter().position(|node| node.is(FROM) || node.is(USING));
    let Some(joined) = joined else {
        return assignments(rest, &scope, out);
    };
    let end = rest[joined..]
        .iter()
        .position(|node| {
            node.is(WHERE) || node.is(RETURNING) || (node.is(ON) && nodes[0].is(MERGE))
        })
        .map_or(rest.len(), |length| joined + length);
    let mut tables = Vec::new();
    from::items(&rest[joined + 1..end], &mut scope, &mut tables);
    assignments(&rest[..joined], &scope, out);
    out.push(Written::Token(FROM));
    out.append(&mut tables);
    assignments(&rest[end..], &scope, out);
}

/// `SET a = b, …` and everything else of a statement that changes rows.
fn assignments(nodes: &[Node], scope: &Scope<'_>, out: &mut Vec<Written>) {
    let end = nodes.iter().position(|node| node.is(RETURNING)).unwrap_or(nodes.len());
    let from = out.len();
    expression::list(&nodes[..end], scope, out);
    forget_assigned(&mut out[from..]);
    if end < nodes.len() {
        out.push(Written::Token(RETURNING));
        write_outputs(&outputs(&nodes[end + 1..], scope), out);
    }
}

/// A constant that is all of what is assigned takes the column's type.
fn forget_assigned(written: &mut [Written]) {
    const EQUAL: u64 = crate::hash::constant_token(crate::hash::SYMBOL_SEED, b"=");
    let mut assigns = false;
    for at in 0..written.len() {
        match written[at] {
            Written::Token(SET) => assigns = true,
            Written::Token(WHERE | FROM | WHEN) => assigns = false,
            _ => {}
        }
        let ends = written.get(at + 1).is_none_or(|next| {
            matches!(next, Written::Token(COMMA | WHERE | FROM | WHEN | RETURNING))
        });
        let begins = at > 0 && written[at - 1] == Written::Operator(EQUAL);
        if let (true, true, true, Written::Constant(constant)) =
            (assigns, begins, ends, &mut written[at])
        {
            constant.type_name = UNKNOWN;
        }
    }
}
