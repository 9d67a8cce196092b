//! The output columns of a query block: their names are left out, and ORDER BY and GROUP BY know them
//! by their place.

use super::expression;
use super::result::Written;
use super::scope::Scope;
use super::tree::{Leaf, Node, mark, split};
use super::words::*;

const OUTPUT: u64 = mark(82);

/// Output columns that keys are looked for among, so that time grows with the length only.
const OUTPUTS_LIMIT: usize = 200;

/// The output columns of a block.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    pub(super) names: Vec<Option<u64>>,
    pub(super) written: Vec<Vec<Written>>,
    /// How many of the first are known by position: up to the first `*`.
    pub(super) counted: usize,
}

pub(super) fn outputs(nodes: &[Node], scope: &Scope<'_>) -> Outputs {
    let mut outputs = Outputs { counted: usize::MAX, ..Outputs::default() };
    for item in split(nodes) {
        let (value, name) = without_name(item);
        let mut written = expression::written(value, scope);
        if let [Written::Constant(constant)] = written.as_mut_slice()
            && constant.is_unknown()
            && constant.parameter == 0
        {
            constant.type_name = TEXT;
        }
        if written.last() == Some(&Written::Operator(STAR)) {
            outputs.counted = outputs.counted.min(outputs.written.len());
        }
        outputs.names.push(name);
        outputs.written.push(written);
    }
    outputs
}

pub(super) fn write_outputs(outputs: &Outputs, out: &mut Vec<Written>) {
    for (index, written) in outputs.written.iter().enumerate() {
        if index > 0 {
            out.push(Written::Token(COMMA));
        }
        out.extend(written.iter().cloned());
    }
}

pub(super) fn output_names(block: &[Node]) -> Vec<Option<u64>> {
    if !block.first().is_some_and(|node| node.is(SELECT)) {
        return Vec::new();
    }
    let end = block.iter().position(|node| node.is(FROM)).unwrap_or(block.len());
    split(&block[1..end])
        .map(|item| {
            let (value, name) = without_name(item);
            name.or_else(|| value.last().and_then(Node::name))
        })
        .collect()
}

/// An output column without its name, and the name.
fn without_name(item: &[Node]) -> (&[Node], Option<u64>) {
    if let [value @ .., last] = item
        && let Some(name) = last.name()
        && let Some(before) = value.last()
    {
        if before.is(AS) {
            return (&value[..value.len() - 1], Some(name));
        }
        if ends_operand(value, before) && may_be_label(last, before) {
            return (value, Some(name));
        }
    }
    // `AS U&"…" UESCAPE '!'`
    if let [value @ .., a, name, escape, _] = item
        && a.is(AS)
        && escape.is(UESCAPE)
    {
        return (value, name.name());
    }
    (item, None)
}

/// Whether an operand may end with `before`, the last node of `value`.
fn ends_operand(value: &[Node], before: &Node) -> bool {
    match before {
        Node::Group { .. } => !value.first().is_some_and(|node| node.is(OVER)),
        Node::Leaf(
            Leaf::Constant(_) | Leaf::Parameter(_) | Leaf::Position { .. } | Leaf::Quoted(_),
        ) => true,
        // `AT TIME ZONE` is an operator, `timestamp with time zone` a type.
        Node::Leaf(Leaf::Word(ZONE)) => {
            !value.len().checked_sub(3).is_some_and(|at| value[at].is(AT))
        }
        Node::Leaf(Leaf::Word(word)) => {
            [END, NULL, TRUE, FALSE, UNKNOWN, PRECISION, VARYING].contains(word)
                || !(before.traits().before_operand()
                    || before.traits().reserved()
                    || before.is(COLLATE))
        }
        Node::Leaf(Leaf::Operator(_) | Leaf::Cast | Leaf::Dot | Leaf::Comma | Leaf::Other(_)) => {
            false
        }
    }
}

/// Whether `last`, behind an operand, is its name and not part of it.
fn may_be_label(last: &Node, before: &Node) -> bool {
    let Some(word) = last.word() else { return true };
    if last.traits().reserved() || last.traits().before_operand() {
        return false;
    }
    let never = [
        YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, ISNULL, NOTNULL, VARYING, PRECISION, ZONE, OVER,
        FILTER, WITHIN, UNKNOWN, COLLATE,
    ];
    !never.contains(&word) && !before.is(DOUBLE) && !before.is(OVER)
}

/// Keys of ORDER BY, GROUP BY, DISTINCT ON: one that is an output column is known by its place.
pub(super) fn keys_of(
    nodes: &[Node],
    scope: &Scope<'_>,
    outputs: &Outputs,
    group: bool,
    out: &mut Vec<Written>,
) {
    for (index, key) in split(nodes).enumerate() {
        if index > 0 {
            out.push(Written::Token(COMMA));
        }
        let length = key
            .iter()
            .position(|node| {
                node.is(ASC) || node.is(super::words::DESC) || node.is(USING) || node.is(NULLS)
            })
            .unwrap_or(key.len());
        let (value, rest) = key.split_at(length);
        // Written once: keys may be queries that have keys.
        let mut written = expression::written(value, scope);
        match output(value, &written, outputs, group) {
            Some(place) => out.push(Written::Token(OUTPUT.wrapping_add(place as u64))),
            None => out.append(&mut written),
        }
        expression::write(rest, scope, out);
    }
}

/// The place of the output column that a key is.
fn output(key: &[Node], written: &[Written], outputs: &Outputs, group: bool) -> Option<usize> {
    match key {
        [Node::Leaf(Leaf::Position { number: Some(number), .. })] => {
            return number.checked_sub(1).filter(|place| *place < outputs.counted);
        }
        [node] if node.name().is_some() => {
            let mut names = outputs.names.iter().take(OUTPUTS_LIMIT);
            let named = names.position(|name| name.is_some() && *name == node.name());
            // GROUP BY takes a column of the tables first, and there seems to be one.
            let shadowed = |place: usize| {
                group
                    && outputs.written.get(place).is_some_and(|written| {
                        node.name().is_some_and(|name| written.contains(&Written::Token(name)))
                    })
            };
            if let Some(place) = named.filter(|place| !shadowed(*place)) {
                return Some(place);
            }
        }
        _ => {}
    }
    outputs.written.iter().take(OUTPUTS_LIMIT).position(|output| *output == written)
}
