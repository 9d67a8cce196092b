//! Statements and their blocks.

use super::constant::UNKNOWN;
use super::expression::{self, forget_types};
use super::from;
use super::result::Written;
use super::scope::Scope;
use super::tree::{Leaf, Node, mark, split};
use super::words::*;

const OUTPUT: u64 = mark(82);
/// Output columns that keys are looked for among, so that time grows with the length only.
const OUTPUTS_LIMIT: usize = 200;

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

/// The output columns of a block.
#[derive(Debug, Default)]
struct Outputs {
    names: Vec<Option<u64>>,
    written: Vec<Vec<Written>>,
    /// How many of the first are known by position: up to the first `*`.
    counted: usize,
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

fn outputs(nodes: &[Node], scope: &Scope<'_>) -> Outputs {
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

fn write_outputs(outputs: &Outputs, out: &mut Vec<Written>) {
    for (index, written) in outputs.written.iter().enumerate() {
        if index > 0 {
            out.push(Written::Token(COMMA));
        }
        out.extend(written.iter().cloned());
    }
}

fn output_names(block: &[Node]) -> Vec<Option<u64>> {
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
        Some(RETURNING) => write_outputs(&self::outputs(part, scope), out),
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

/// Keys of ORDER BY, GROUP BY, DISTINCT ON: one that is an output column is known by its place.
fn keys_of(
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

/// `INSERT INTO table (columns) …`.
fn insert(nodes: &[Node], outer: &Scope<'_>, out: &mut Vec<Written>) {
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
fn change(nodes: &[Node], outer: &Scope<'_>, out: &mut Vec<Written>) {
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
