//! A statement's tokens, and the tree that their brackets make.

use crate::hash;
use crate::keyword::{self, Traits};
use crate::lexer::{Kind, Literal, Token};
use crate::scan::{Sink, Until, scan};

use super::constant::Constant;
use super::result::Written;

/// How deep brackets may nest, so that recursion over them is bounded.
const NESTING_LIMIT: usize = 60;

/// One token as the lexical pass saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    /// A keyword or an unquoted name.
    Word(u64),
    /// A name in quotation marks, never a keyword.
    Quoted(u64),
    Constant(Literal),
    Parameter(u32),
    /// A whole number that is no constant: a position in the select list, or a type's modifier.
    Position {
        hash: u64,
        number: Option<usize>,
    },
    Operator(u64),
    Cast,
    Dot,
    Comma,
    Other(u64),
}

/// A token, or what is in a pair of brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Leaf(Leaf),
    Group { square: bool, inside: Vec<Node> },
}

impl Node {
    /// The hash of a keyword or unquoted name.
    pub(super) fn word(&self) -> Option<u64> {
        match self {
            Self::Leaf(Leaf::Word(hash)) => Some(*hash),
            _ => None,
        }
    }

    pub(super) fn is(&self, word: u64) -> bool {
        self.word() == Some(word)
    }

    /// The hash of a name, quoted or not.
    pub(super) fn name(&self) -> Option<u64> {
        match self {
            Self::Leaf(Leaf::Word(hash) | Leaf::Quoted(hash)) => Some(*hash),
            _ => None,
        }
    }

    pub(super) fn is_comma(&self) -> bool {
        matches!(self, Self::Leaf(Leaf::Comma))
    }

    pub(super) fn is_dot(&self) -> bool {
        matches!(self, Self::Leaf(Leaf::Dot))
    }

    /// What is in the parentheses.
    pub(super) fn parenthesis(&self) -> Option<&[Node]> {
        match self {
            Self::Group { square: false, inside } => Some(inside),
            _ => None,
        }
    }

    /// What is in the square brackets.
    pub(super) fn bracket(&self) -> Option<&[Node]> {
        match self {
            Self::Group { square: true, inside } => Some(inside),
            _ => None,
        }
    }

    pub(super) fn traits(&self) -> Traits {
        self.word().map_or(Traits::NONE, |hash| keyword::lookup(hash).1)
    }
}

/// Reads the tokens of `text`.
pub(super) fn read(text: &[u8], until: Until) -> Tokens {
    let mut reader = Reader { text, tokens: Vec::new() };
    scan(text, 0, until, &mut reader);
    Tokens(reader.tokens)
}

/// A bracket, or a leaf.
#[derive(Clone, Copy, Debug)]
enum Piece {
    Leaf(Leaf),
    Open { square: bool },
    Close { square: bool },
}

/// A statement's tokens.
#[derive(Debug)]
pub(super) struct Tokens(Vec<Piece>);

impl Tokens {
    /// The tree; none if brackets do not match or nest too deeply.
    pub(super) fn tree(&self) -> Option<Vec<Node>> {
        let mut open: Vec<(bool, Vec<Node>)> = Vec::new();
        let mut nodes = Vec::new();
        for piece in &self.0 {
            match *piece {
                Piece::Leaf(leaf) => nodes.push(Node::Leaf(leaf)),
                Piece::Open { square } => {
                    open.push((square, std::mem::take(&mut nodes)));
                    if open.len() > NESTING_LIMIT {
                        return None;
                    }
                }
                Piece::Close { square } => {
                    let (opened, around) = open.pop().filter(|(opened, _)| *opened == square)?;
                    let inside = std::mem::replace(&mut nodes, around);
                    nodes.push(Node::Group { square: opened, inside });
                }
            }
        }
        open.is_empty().then_some(nodes)
    }

    /// The tokens as they are.
    pub(super) fn flat(&self) -> Vec<Written> {
        use super::words;
        let write = |piece: &Piece| match *piece {
            Piece::Leaf(leaf) => leaf.written(),
            Piece::Open { square } => {
                Written::Token(if square { words::OPEN_BRACKET } else { words::OPEN })
            }
            Piece::Close { square } => {
                Written::Token(if square { words::CLOSE_BRACKET } else { words::CLOSE })
            }
        };
        self.0.iter().map(write).collect()
    }
}

impl Leaf {
    /// As it stands.
    pub(super) fn written(self) -> Written {
        match self {
            Self::Word(hash) | Self::Quoted(hash) | Self::Other(hash) => Written::Token(hash),
            Self::Position { hash, .. } => Written::Token(hash),
            Self::Constant(literal) => Written::Constant(Constant::literal(literal)),
            Self::Parameter(number) => Written::Constant(Constant::parameter(number)),
            Self::Operator(hash) => Written::Operator(hash),
            Self::Cast => Written::Token(super::words::CAST_SIGN),
            Self::Dot => Written::Token(super::words::DOT),
            Self::Comma => Written::Token(super::words::COMMA),
        }
    }
}

struct Reader<'a> {
    text: &'a [u8],
    tokens: Vec<Piece>,
}

impl Sink for Reader<'_> {
    fn plain(&mut self, token: &Token) {
        let hash = token.hash;
        let leaf = match token.kind {
            Kind::Name => Leaf::Word(hash),
            Kind::QuotedName => Leaf::Quoted(hash),
            Kind::Operator => Leaf::Operator(hash),
            Kind::Cast => Leaf::Cast,
            Kind::Dot => Leaf::Dot,
            Kind::Comma => Leaf::Comma,
            Kind::Literal(_) => {
                let digits = self.text.get(token.start..token.end).unwrap_or_default();
                let number = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
                Leaf::Position { hash, number }
            }
            Kind::OpenParenthesis => return self.tokens.push(Piece::Open { square: false }),
            Kind::OpenBracket => return self.tokens.push(Piece::Open { square: true }),
            Kind::CloseParenthesis => return self.tokens.push(Piece::Close { square: false }),
            Kind::CloseBracket => return self.tokens.push(Piece::Close { square: true }),
            Kind::Parameter(_) | Kind::Semicolon | Kind::Other | Kind::End => Leaf::Other(hash),
        };
        self.tokens.push(Piece::Leaf(leaf));
    }

    fn constant(&mut self, literal: Literal, _token: &Token, _start: usize) {
        self.tokens.push(Piece::Leaf(Leaf::Constant(literal)));
    }

    fn parameter(&mut self, number: u32, _token: &Token) {
        self.tokens.push(Piece::Leaf(Leaf::Parameter(number)));
    }

    fn open_list(&mut self) {}

    fn next_element(&mut self, comma: &Token) {
        self.plain(comma);
    }

    fn close_list(&mut self) {}
}

/// The parts between commas. No part for no nodes.
pub(super) fn split(nodes: &[Node]) -> impl Iterator<Item = &[Node]> {
    nodes.split(Node::is_comma).filter(move |part| !nodes.is_empty() || !part.is_empty())
}

/// A name's hash as a token's, marked so that it cannot be taken for another token.
pub(super) const fn mark(number: u64) -> u64 {
    hash::mark(number)
}
