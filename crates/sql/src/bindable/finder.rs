//! Looks through a statement for the constants that may be bound.

use crate::keyword::{self, Word};
use crate::lexer::{Kind, Literal, Token};
use crate::scan::Sink;

/// The type's OID (pg_type.dat); 0 leaves it to the server, as a quoted constant does.
fn parameter_type(literal: Literal) -> Option<u32> {
    match literal {
        Literal::Integer => Some(23),
        Literal::BigInteger => Some(20),
        Literal::Numeric => Some(super::NUMERIC),
        Literal::Text => Some(super::UNKNOWN),
        Literal::Bits | Literal::Boolean | Literal::Null => None,
    }
}

/// Words that end a comparison, and not the WHERE.
const AFTER_COMPARISON: [&str; 6] = ["and", "or", "then", "end", "else", "when"];
/// Words that end a WHERE.
const AFTER_WHERE: [&str; 11] = [
    "group",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
    "having",
    "union",
    "except",
    "intersect",
    "window",
];
const COMPARISONS: [&[u8]; 7] = [b"=", b"<>", b"!=", b"<", b">", b"<=", b">="];

/// Longer names are cut off (NAMEDATALEN - 1).
const MAX_NAME_BYTES: usize = 63;

/// What stands before a token, as far as a comparison goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Column,
    /// A comparison operator after a column.
    Comparison,
    Other,
}

/// Finds the constants that may be bound.
pub(super) struct Finder<'a> {
    text: &'a [u8],
    /// The type's OID of each that may be.
    constants: Vec<Option<u32>>,
    /// The statement is to be left alone.
    is_unfit: bool,
    is_first: bool,
    depth: u32,
    in_where: bool,
    /// The parenthesis of a subquery that is open in the WHERE.
    subquery_depth: Option<u32>,
    before: Before,
    /// The type of a constant that is the right side of a comparison if nothing more belongs to it.
    pending: Option<u32>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            constants: Vec::new(),
            is_unfit: false,
            is_first: true,
            depth: 0,
            in_where: false,
            subquery_depth: None,
            before: Before::Other,
            pending: None,
        }
    }

    /// For each of the statement's constants its type's OID, if it may be bound.
    pub(super) fn finish(mut self) -> Vec<Option<u32>> {
        self.follows(None);
        if self.is_unfit { Vec::new() } else { self.constants }
    }

    fn word(&self, token: &Token) -> Option<String> {
        let word = self.text.get(token.start..token.end)?;
        (token.kind == Kind::Name).then(|| String::from_utf8_lossy(word).to_ascii_lowercase())
    }

    /// Decides on the constant before, by what follows it.
    fn follows(&mut self, token: Option<&Token>) {
        let Some(oid) = self.pending.take() else { return };
        let ends = match token {
            None => true,
            Some(token) => match token.kind {
                Kind::CloseParenthesis | Kind::Semicolon => true,
                _ => self.word(token).is_some_and(|word| {
                    let word = word.as_str();
                    AFTER_COMPARISON.contains(&word) || AFTER_WHERE.contains(&word)
                }),
            },
        };
        if let Some(last) = self.constants.last_mut()
            && ends
        {
            *last = Some(oid);
        }
    }

    fn name(&mut self, word: &str) {
        match word {
            _ if tells_the_text(word) || is_read_off_the_catalogue(word) => self.is_unfit = true,
            // Each time that it is parsed, the client is told that it was cut off.
            _ if word.len() > MAX_NAME_BYTES => self.is_unfit = true,
            "into" => self.is_unfit = true,
            "where" if self.depth == 0 => self.in_where = true,
            "select" | "with" | "values" | "table" if self.in_where && self.depth > 0 => {
                self.subquery_depth.get_or_insert(self.depth);
            }
            _ if self.depth == 0 && AFTER_WHERE.contains(&word) => self.in_where = false,
            _ => {}
        }
    }
}

/// Whether constants of this type are looked up in the catalogue when they are read.
fn is_read_off_the_catalogue(type_name: &str) -> bool {
    type_name.starts_with("reg")
}

/// Whether what has this name may show the text of the statements that run, of which this is one.
fn tells_the_text(name: &str) -> bool {
    name.starts_with("pg_") || name == "current_query"
}

impl Sink for Finder<'_> {
    fn plain(&mut self, token: &Token) {
        self.follows(Some(token));
        let was = std::mem::replace(&mut self.before, Before::Other);
        let is_first = std::mem::take(&mut self.is_first);
        match token.kind {
            Kind::OpenParenthesis | Kind::OpenBracket => self.depth += 1,
            Kind::CloseParenthesis | Kind::CloseBracket => {
                self.depth = self.depth.saturating_sub(1);
                self.subquery_depth = self.subquery_depth.filter(|depth| *depth <= self.depth);
            }
            Kind::Name => {
                let word = self.word(token).unwrap_or_default();
                self.is_unfit |= is_first && word != "select";
                self.name(&word);
                let (known, traits) = keyword::lookup(token.hash);
                if known == Word::Plain && !traits.reserved() {
                    self.before = Before::Column;
                }
            }
            Kind::QuotedName => {
                let name = self.text.get(token.start..token.end).unwrap_or_default();
                let inner = String::from_utf8_lossy(name.strip_prefix(b"\"").unwrap_or(name));
                self.is_unfit |= tells_the_text(inner.trim_end_matches('"'))
                    || inner.len() > MAX_NAME_BYTES
                    // U&"…"
                    || !name.starts_with(b"\"");
                self.before = Before::Column;
            }
            Kind::Operator if was == Before::Column => {
                let operator = self.text.get(token.start..token.end).unwrap_or_default();
                if COMPARISONS.contains(&operator) {
                    self.before = Before::Comparison;
                }
            }
            _ => {}
        }
        self.is_unfit |= is_first && token.kind != Kind::Name;
    }

    fn constant(&mut self, literal: Literal, token: &Token, _start: usize) {
        self.follows(Some(token));
        self.is_first = false;
        self.constants.push(None);
        let compares = std::mem::replace(&mut self.before, Before::Other) == Before::Comparison;
        if compares && self.in_where && self.subquery_depth.is_none() {
            self.pending = parameter_type(literal);
        }
    }

    fn parameter(&mut self, _number: u32, token: &Token) {
        // Its numbers would be in the way.
        self.is_unfit = true;
        self.follows(Some(token));
    }

    fn open_list(&mut self) {}

    fn next_element(&mut self, comma: &Token) {
        self.follows(Some(comma));
        self.before = Before::Other;
    }

    fn close_list(&mut self) {}
}
