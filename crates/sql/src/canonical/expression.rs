//! Expressions.

use super::constant::Constant;
use super::query;
use super::resolve::{forget_casts, resolve_elements, resolve_unknowns};
use super::result::Written;
use super::scope::Scope;
use super::tree::{Leaf, Node, split};
use super::types::{self, Type};
use super::words::*;
use crate::lexer::Literal;

/// Writes an expression, or several with keywords between them.
pub(super) fn write(nodes: &[Node], scope: &Scope<'_>, out: &mut Vec<Written>) {
    // Parentheses around all of it say nothing.
    if let [only] = nodes
        && let Some(inside) = only.parenthesis()
        && !query::is_query(inside)
        && !inside.is_empty()
        && !inside.iter().any(Node::is_comma)
    {
        return write(inside, scope, out);
    }
    let mut writer = Writer { nodes, scope, at: 0, out: Vec::new() };
    while writer.at < nodes.len() {
        writer.step();
    }
    let mut written = writer.out;
    resolve_unknowns(&mut written);
    out.append(&mut written);
}

/// The same, by itself.
pub(super) fn written(nodes: &[Node], scope: &Scope<'_>) -> Vec<Written> {
    let mut out = Vec::new();
    write(nodes, scope, &mut out);
    out
}

/// Writes expressions between commas.
pub(super) fn list(nodes: &[Node], scope: &Scope<'_>, out: &mut Vec<Written>) {
    for (index, part) in split(nodes).enumerate() {
        if index > 0 {
            out.push(Written::Token(COMMA));
        }
        write(part, scope, out);
    }
}

struct Writer<'n, 's, 'o> {
    nodes: &'n [Node],
    scope: &'s Scope<'o>,
    at: usize,
    out: Vec<Written>,
}

impl<'n> Writer<'n, '_, '_> {
    fn node(&self, offset: usize) -> Option<&'n Node> {
        self.nodes.get(self.at + offset)
    }

    fn before(&self) -> Option<&'n Node> {
        self.at.checked_sub(1).and_then(|at| self.nodes.get(at))
    }

    fn follows(&self, word: u64) -> bool {
        self.before().is_some_and(|node| node.is(word))
    }

    fn token(&mut self, token: u64) {
        self.out.push(Written::Token(token));
        self.at += 1;
    }

    fn step(&mut self) {
        let Some(node) = self.node(0) else { return };
        if let Some((found, length)) = types::typed_literal(&self.nodes[self.at..], self.before()) {
            self.out.push(Written::Constant(Constant { type_name: found.name, parameter: 0 }));
            self.modify(found);
            self.at += length;
            return;
        }
        match node {
            Node::Group { square: true, inside } => self.bracket(inside),
            Node::Group { square: false, inside } => self.parenthesis(inside),
            Node::Leaf(leaf) => match *leaf {
                Leaf::Word(word) => self.word(word),
                Leaf::Quoted(_) => self.name(),
                Leaf::Cast => self.cast(),
                Leaf::Constant(literal) => self.constant(literal),
                Leaf::Operator(operator) => {
                    // `:=` is the older spelling.
                    let operator = if operator == COLON_EQUAL { ARROW } else { operator };
                    self.out.push(Written::Operator(operator));
                    self.at += 1;
                }
                other => {
                    self.out.push(other.written());
                    self.at += 1;
                }
            },
        }
    }

    fn constant(&mut self, literal: Literal) {
        // Strings on several lines are one, and UESCAPE belongs to its string.
        let continues = matches!(self.before(), Some(Node::Leaf(Leaf::Constant(Literal::Text))));
        if !(literal == Literal::Text && (continues || self.follows(UESCAPE))) {
            self.out.push(Written::Constant(Constant::literal(literal)));
        }
        self.at += 1;
    }

    /// `::type`.
    fn cast(&mut self) {
        self.at += 1;
        if let Some(found) = types::read(&self.nodes[self.at.min(self.nodes.len())..]) {
            self.at += found.length;
            self.cast_to(found);
        }
    }

    /// A string that is cast is a constant of that type.
    fn cast_to(&mut self, to: Type) {
        match self.out.last_mut() {
            Some(Written::Constant(constant)) if constant.is_unknown() => {
                constant.type_name = to.name;
            }
            Some(Written::Constant(constant)) if constant.type_name == to.name => {}
            _ => self.out.extend([Written::Token(CAST_SIGN), Written::Token(to.name)]),
        }
        self.modify(to);
    }

    /// A length or precision is a function around the value.
    fn modify(&mut self, to: Type) {
        if to.modified {
            self.out.extend([Written::Token(CAST_SIGN), Written::Token(OPEN)]);
        }
    }

    fn bracket(&mut self, inside: &[Node]) {
        self.out.push(Written::Token(OPEN_BRACKET));
        list(inside, self.scope, &mut self.out);
        self.out.push(Written::Token(CLOSE_BRACKET));
        self.at += 1;
    }

    fn parenthesis(&mut self, inside: &'n [Node]) {
        let before = self.before();
        self.at += 1;
        if query::is_query(inside) {
            self.out.push(Written::Token(OPEN));
            self.out.extend(query::statement(inside, self.scope));
            self.out.push(Written::Token(CLOSE));
            return;
        }
        let calls = before.is_some_and(|node| node.name().is_some() && !is_operator_word(node));
        if !calls && is_atom(inside) {
            return write(inside, self.scope, &mut self.out);
        }
        let next = self.node(0);
        let operand = |node: Option<&Node>| {
            node.is_none_or(|node| node.is(AND) || node.is(WHERE) || node.is(ON))
        };
        if !calls
            && operand(before)
            && operand(next)
            && !inside.iter().any(joins_conditions)
            && !inside.iter().any(Node::is_comma)
        {
            return write(inside, self.scope, &mut self.out);
        }
        let from = self.out.len();
        self.out.push(Written::Token(OPEN));
        let inside = match inside {
            [option, rest @ ..]
                if before.is_some_and(|node| node.is(XMLPARSE)) && !option.is_comma() =>
            {
                rest
            }
            _ => inside,
        };
        list(inside, self.scope, &mut self.out);
        if calls {
            forget_casts(&mut self.out[from + 1..]);
        }
        self.out.push(Written::Token(CLOSE));
    }

    fn word(&mut self, word: u64) {
        let next = self.node(1);
        let next_inside = next.and_then(Node::parenthesis);
        let followed_by = |word: u64| next.is_some_and(|node| node.is(word));
        match word {
            CAST if next_inside.is_some() => self.cast_call(next_inside.unwrap_or_default()),
            EXTRACT if next_inside.is_some() => self.extract(next_inside.unwrap_or_default()),
            IN if next_inside.is_some_and(|inside| !query::is_query(inside)) => {
                self.out.push(Written::Token(IN));
                self.elements(next_inside.unwrap_or_default());
                self.at += 2;
            }
            ARRAY if next.and_then(Node::bracket).is_some() => {
                self.out.push(Written::Token(ARRAY));
                self.array(next.and_then(Node::bracket).unwrap_or_default());
                self.at += 2;
            }
            VALUES => self.values(),
            NULL | TRUE | FALSE if !self.follows(IS) && !self.follows(NOT) => {
                let literal = if word == NULL { Literal::Null } else { Literal::Boolean };
                self.out.push(Written::Constant(Constant::literal(literal)));
                self.at += 1;
            }
            LIKE | ILIKE => {
                let operator = if word == LIKE { TILDES } else { TILDES_STAR };
                self.out.push(Written::Operator(operator));
                self.at += 1;
            }
            SOME => self.token(ANY),
            ISNULL => {
                self.out.push(Written::Token(IS));
                self.token(NULL);
            }
            NOTNULL => {
                self.out.extend([Written::Token(IS), Written::Token(NOT)]);
                self.token(NULL);
            }
            AT if self.zone() => {}
            ASC | UESCAPE => self.at += 1,
            ROW if next_inside.is_some_and(|inside| split(inside).count() > 1) => self.at += 1,
            OVERRIDING if next.is_some() => self.at += 3,
            NULL | TRUE | FALSE => self.token(word),
            FETCH | LIMIT if followed_by(ALL) => self.at += 2,
            _ => self.name(),
        }
    }

    /// `AT TIME ZONE`, in front of which a string is a time with its zone, and behind it the zone's
    /// name.
    fn zone(&mut self) -> bool {
        let follows =
            |offset: usize, word: u64| self.node(offset).is_some_and(|node| node.is(word));
        if !follows(1, TIME) || !follows(2, ZONE) {
            return false;
        }
        if let Some(Written::Constant(constant)) = self.out.last_mut()
            && constant.is_unknown()
            && constant.parameter == 0
        {
            constant.type_name = TIMESTAMPTZ;
        }
        self.out.push(Written::Token(ZONE));
        self.at += 3;
        true
    }

    /// `CAST(a AS b)` is `a::b`.
    fn cast_call(&mut self, inside: &'n [Node]) {
        let Some(at) = inside.iter().rposition(|node| node.is(AS)) else {
            return self.name();
        };
        self.at += 2;
        let (operand, target) = (&inside[..at], &inside[at + 1..]);
        if is_atom(operand) {
            write(operand, self.scope, &mut self.out);
        } else {
            self.out.push(Written::Token(OPEN));
            write(operand, self.scope, &mut self.out);
            self.out.push(Written::Token(CLOSE));
        }
        match types::read(target) {
            Some(found) => self.cast_to(found),
            None => write(target, self.scope, &mut self.out),
        }
    }

    /// The field is a string to the server.
    fn extract(&mut self, inside: &'n [Node]) {
        self.at += 2;
        self.out.extend([Written::Token(EXTRACT), Written::Token(OPEN)]);
        match inside {
            [_field, from, source @ ..] if from.is(FROM) => {
                write(source, self.scope, &mut self.out)
            }
            _ => list(inside, self.scope, &mut self.out),
        }
        self.out.push(Written::Token(CLOSE));
    }

    fn elements(&mut self, inside: &[Node]) {
        let mut elements: Vec<_> = split(inside).map(|part| written(part, self.scope)).collect();
        resolve_elements(&mut elements);
        self.out.push(Written::List(elements));
    }

    /// An array's elements may be arrays without the word.
    fn array(&mut self, inside: &[Node]) {
        let mut elements: Vec<Vec<Written>> = Vec::new();
        for part in split(inside) {
            if let [only] = part
                && let Some(inner) = only.bracket()
            {
                let mut writer = Writer { nodes: &[], scope: self.scope, at: 0, out: Vec::new() };
                writer.array(inner);
                elements.push(writer.out);
            } else {
                elements.push(written(part, self.scope));
            }
        }
        resolve_elements(&mut elements);
        self.out.push(Written::List(elements));
    }

    /// `VALUES (…), (…)`.
    fn values(&mut self) {
        self.token(VALUES);
        let mut rows = Vec::new();
        while let Some(inside) = self.node(0).and_then(Node::parenthesis) {
            let mut row = Vec::new();
            list(inside, self.scope, &mut row);
            rows.push(row);
            self.at += 1;
            let more = self.node(0).is_some_and(Node::is_comma)
                && self.node(1).is_some_and(|node| node.parenthesis().is_some());
            if !more {
                break;
            }
            self.at += 1;
        }
        self.out.push(Written::List(rows));
    }

    /// A keyword, or a name with its qualifiers.
    fn name(&mut self) {
        let mut path = Vec::new();
        while let Some(part) = self.node(0).and_then(Node::name) {
            path.push(part);
            self.at += 1;
            if !self.node(0).is_some_and(Node::is_dot) {
                break;
            }
            self.at += 1;
        }
        let star = path.is_empty()
            || (matches!(self.node(0), Some(Node::Leaf(Leaf::Operator(STAR))))
                && self.before().is_some_and(Node::is_dot));
        if path.first() == Some(&PG_CATALOG) && path.len() > 1 {
            path.remove(0);
        }
        let calls = self.node(0).is_some_and(|node| node.parenthesis().is_some());
        if !calls {
            self.column(&mut path, star);
        }
        let dots = path.len().saturating_sub(1);
        for (index, part) in path.into_iter().enumerate() {
            self.out.push(Written::Token(part));
            if index < dots || star {
                self.out.push(Written::Token(DOT));
            }
        }
    }

    /// Resolves a column's qualifiers.
    fn column(&mut self, path: &mut Vec<u64>, star: bool) {
        let qualifiers = if star { path.len() } else { path.len().saturating_sub(1) };
        // The longest qualifier that is a relation's name; what follows it are fields.
        for length in (1..=qualifiers.min(2)).rev() {
            if let Some(mut found) = self.scope.qualifier(&path[..length]) {
                if star && length == path.len() {
                    // `t.*` of the only table is `*`.
                    let only = found.is_empty();
                    self.out.append(&mut found);
                    path.clear();
                    if !only {
                        self.out.push(Written::Token(DOT));
                    }
                } else {
                    self.out.append(&mut found);
                    path.drain(..length);
                }
                return;
            }
        }
        if let ([name], false) = (path.as_slice(), star)
            && let Some(row) = self.scope.whole_row(*name)
        {
            self.out.push(row);
            path.clear();
        }
    }
}

/// Keywords that an operand in parentheses may follow, so that it is no call.
fn is_operator_word(node: &Node) -> bool {
    let traits = node.traits();
    traits.before_operand()
        || (traits.reserved() && !CALLS.contains(&node.word().unwrap_or_default()))
}

/// Reserved words that are called like functions.
const CALLS: &[u64] = &[LEFT, RIGHT, COLLATE, ARRAY];

fn joins_conditions(node: &Node) -> bool {
    node.is(AND) || node.is(OR) || node.is(NOT) || node.is(BETWEEN)
}

/// Whether parentheses around it say nothing wherever they stand.
fn is_atom(nodes: &[Node]) -> bool {
    let Some((first, rest)) = nodes.split_first() else {
        return false;
    };
    match first {
        Node::Leaf(Leaf::Constant(_) | Leaf::Parameter(_) | Leaf::Position { .. }) => {
            rest.is_empty()
                || (rest.len() == types::read(&rest[1..]).map_or(0, |found| found.length + 1)
                    && matches!(rest[0], Node::Leaf(Leaf::Cast)))
        }
        Node::Leaf(Leaf::Word(_) | Leaf::Quoted(_)) => {
            if types::typed_literal(nodes, None).is_some_and(|(_, length)| length == nodes.len()) {
                return true;
            }
            if is_operator_word(first) {
                return false;
            }
            let path =
                |pair: &[Node]| pair.len() == 2 && pair[0].is_dot() && pair[1].name().is_some();
            let calls = rest.last().is_some_and(|node| node.parenthesis().is_some());
            let names = if calls { &rest[..rest.len() - 1] } else { rest };
            names.len() % 2 == 0 && names.chunks(2).all(path)
        }
        Node::Group { square: false, inside } => rest.is_empty() && is_atom(inside),
        _ => false,
    }
}
