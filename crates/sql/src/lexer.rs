//! PostgreSQL's lexical rules (manual, 4.1), with `standard_conforming_strings` on.
//!
//! Never fails: what is left open at the end of the text ends there, and a byte that SQL has no use
//! for is a token by itself.

use crate::bytes::{self, ByteClass};
use crate::hash::{
    self, LITERAL_SEED, NAME_SEED, QUOTED_RESERVED_SEED, SYMBOL_SEED, constant_token,
};
use crate::keyword;
use crate::number;

/// A constant's type, as far as its spelling tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    /// A whole number that fits `integer`.
    Integer,
    /// A whole number that fits `bigint`.
    BigInteger,
    /// Any other number.
    Numeric,
    /// `'…'`, `E'…'`, `U&'…'`, `N'…'`, `$$…$$`.
    Text,
    /// `B'…'`, `X'…'`.
    Bits,
    /// `true`, `false`.
    Boolean,
    /// `null`.
    Null,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A keyword or an unquoted name.
    Name,
    /// A name in quotation marks.
    QuotedName,
    Literal(Literal),
    /// `$n`
    Parameter(u32),
    Operator,
    /// `::`
    Cast,
    Dot,
    Comma,
    Semicolon,
    OpenParenthesis,
    CloseParenthesis,
    OpenBracket,
    CloseBracket,
    Other,
    /// There is no more text.
    End,
}

impl Kind {
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Literal(Literal::Integer | Literal::BigInteger | Literal::Numeric))
    }
}

/// One token; `start..end` is where it stands in the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The hash of its text, names folded.
    pub(crate) hash: u64,
}

const fn symbol(text: &[u8]) -> u64 {
    constant_token(SYMBOL_SEED, text)
}
/// A single minus, which may belong to the number that follows.
pub(crate) const MINUS: u64 = symbol(b"-");
const CAST: u64 = symbol(b"::");
const NOT_EQUAL: u64 = symbol(b"<>");
/// PostgreSQL reads it as `<>`.
const NOT_EQUAL_ALIAS: u64 = symbol(b"!=");

/// Reads tokens off a text. A copy of it is a look ahead.
#[derive(Clone)]
pub(crate) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    /// Up to here there are only signs, each of them a token: known, so that a long run of them is
    /// not looked through again for each.
    signs_end: usize,
}

impl<'a> Lexer<'a> {
    /// Reads `text` from `at` on.
    pub(crate) fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, at, signs_end: 0 }
    }

    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        // 0 is nowhere part of a token with others, so it can stand for the end.
        self.text.get(at).copied().unwrap_or(0)
    }

    /// The next token, or [`Kind::End`] again and again.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Token {
        // Most tokens follow a single space.
        self.at += usize::from(self.text.get(self.at) == Some(&b' '));
        loop {
            let start = self.at;
            let Some(&first) = self.text.get(start) else {
                return Token { kind: Kind::End, start, end: start, hash: 0 };
            };
            let class = bytes::class(first);
            if class == ByteClass::Letter {
                return self.name(start, first);
            }
            match class {
                ByteClass::Space => self.at += 1,
                ByteClass::Letter => return self.name(start, first),
                ByteClass::Digit => return self.number(start),
                ByteClass::Punctuation => {
                    return self.byte_symbol(punctuation(first), start, first);
                }
                ByteClass::Operator => {
                    if first == b'-' && self.byte(start + 1) == b'-' {
                        self.at = self.line_end(start + 2);
                    } else if first == b'/' && self.byte(start + 1) == b'*' {
                        self.at = self.comment_end(start + 2);
                    } else {
                        return self.operator(start, first);
                    }
                }
                ByteClass::SingleQuote => {
                    let end = self.quoted_end(start + 1, b'\'');
                    return self.literal(Literal::Text, start, end);
                }
                ByteClass::DoubleQuote => return self.quoted_name(start, start + 1),
                ByteClass::Dollar => {
                    return self.short_parameter(start).unwrap_or_else(|| self.dollar(start));
                }
                ByteClass::Dot if self.byte(start + 1).is_ascii_digit() => {
                    return self.number(start);
                }
                ByteClass::Dot => return self.byte_symbol(Kind::Dot, start, first),
                ByteClass::Colon => return self.colon(start),
                ByteClass::Other => return self.byte_symbol(Kind::Other, start, first),
            }
        }
    }

    #[inline(always)]
    fn token(&mut self, kind: Kind, start: usize, end: usize, hash: u64) -> Token {
        self.at = end;
        Token { kind, start, end, hash }
    }

    #[inline(always)]
    fn byte_symbol(&mut self, kind: Kind, start: usize, byte: u8) -> Token {
        self.token(kind, start, start + 1, hash::SYMBOLS[usize::from(byte)])
    }

    #[inline]
    fn symbol(&mut self, kind: Kind, start: usize, end: usize) -> Token {
        let hash = hash::token(SYMBOL_SEED, self.text, start, end);
        self.token(kind, start, end, hash)
    }

    #[inline]
    fn literal(&mut self, literal: Literal, start: usize, end: usize) -> Token {
        let hash = hash::token(LITERAL_SEED, self.text, start, end);
        self.token(Kind::Literal(literal), start, end, hash)
    }

    /// A name, a keyword, or a string with a prefix.
    #[inline(always)]
    fn name(&mut self, start: usize, first: u8) -> Token {
        // Most names have fewer than eight bytes: they are read and hashed at once.
        if let Some(chunk) = bytes::chunk(self.text, start) {
            let length = bytes::leading(bytes::no_name(chunk));
            if length == 8
                && let Some(second) = bytes::chunk(self.text, start + 8)
            {
                let more = bytes::leading(bytes::no_name(second));
                if (1..8).contains(&more) {
                    let (one, two) =
                        (bytes::to_lower(chunk), bytes::to_lower(bytes::first(second, more)));
                    let hash = hash::absorb(hash::short_token(NAME_SEED, one, 8 + more), two);
                    return self.token(Kind::Name, start, start + 8 + more, hash);
                }
            }
            if length < 8 && (length > 1 || !matches!(self.byte(start + 1), b'\'' | b'&')) {
                let folded = bytes::to_lower(bytes::first(chunk, length));
                let hash = hash::short_token(NAME_SEED, folded, length);
                return self.token(Kind::Name, start, start + length, hash);
            }
        }
        self.long_name(start, first)
    }

    /// Of eight bytes or more, or near the end of the text, or with a prefix.
    fn long_name(&mut self, start: usize, first: u8) -> Token {
        let end = bytes::name_end(self.text, start + 1);
        if end == start + 1
            && matches!(self.byte(end), b'\'' | b'&')
            && let Some(token) = self.prefixed(start, first)
        {
            return token;
        }
        let hash = hash::folded_name(self.text, start, end);
        self.token(Kind::Name, start, end, hash)
    }

    /// `E'…'`, `B'…'`, `X'…'`, `N'…'`, `U&'…'`, `U&"…"`.
    #[cold]
    fn prefixed(&mut self, start: usize, first: u8) -> Option<Token> {
        let after = [self.byte(start + 1), self.byte(start + 2)];
        match (first.to_ascii_lowercase(), after) {
            (b'e', [b'\'', _]) => {
                let end = self.escaped_end(start + 2);
                Some(self.literal(Literal::Text, start, end))
            }
            (b'b' | b'x', [b'\'', _]) => {
                let end = self.quoted_end(start + 2, b'\'');
                Some(self.literal(Literal::Bits, start, end))
            }
            (b'n', [b'\'', _]) => {
                let end = self.quoted_end(start + 2, b'\'');
                Some(self.literal(Literal::Text, start, end))
            }
            (b'u', [b'&', b'\'']) => {
                let end = self.quoted_end(start + 3, b'\'');
                Some(self.literal(Literal::Text, start, end))
            }
            (b'u', [b'&', b'"']) => Some(self.quoted_name(start, start + 3)),
            _ => None,
        }
    }

    /// A name whose text begins at `inside`, after the quotation mark. One that is spelt as an
    /// unquoted name would be folded is the same name; a reserved word in quotes is not.
    #[inline]
    fn quoted_name(&mut self, start: usize, inside: usize) -> Token {
        if let Some(chunk) = bytes::chunk(self.text, inside) {
            let length = bytes::leading(bytes::marked(chunk, b'"'));
            let end = inside + length + 1;
            if length == 8
                && let Some(second) = bytes::chunk(self.text, inside + 8)
            {
                let more = bytes::leading(bytes::marked(second, b'"'));
                let end = end + more;
                if (1..8).contains(&more) && self.byte(end) != b'"' {
                    let hash = hash::absorb(
                        hash::short_token(NAME_SEED, chunk, 8 + more),
                        bytes::first(second, more),
                    );
                    if !keyword::lookup(hash).1.reserved() {
                        return self.token(Kind::QuotedName, start, end, hash);
                    }
                }
            }
            if (1..8).contains(&length) && self.byte(end) != b'"' {
                let name = bytes::first(chunk, length);
                let mut hash = hash::short_token(NAME_SEED, name, length);
                if keyword::lookup(hash).1.reserved() {
                    hash = hash::short_token(QUOTED_RESERVED_SEED, name, length);
                }
                return self.token(Kind::QuotedName, start, end, hash);
            }
        }
        self.long_quoted_name(start, inside)
    }

    /// `$1` to `$9`.
    #[inline(always)]
    fn short_parameter(&mut self, start: usize) -> Option<Token> {
        let digit = self.byte(start + 1);
        if !matches!(digit, b'1'..=b'9') || self.byte(start + 2).is_ascii_digit() {
            return None;
        }
        let text = u64::from(b'$') | u64::from(digit) << 8;
        let hash = hash::short_token(LITERAL_SEED, text, 2);
        Some(self.token(Kind::Parameter(u32::from(digit - b'0')), start, start + 2, hash))
    }

    fn long_quoted_name(&mut self, start: usize, inside: usize) -> Token {
        let end = self.quoted_end(inside, b'"');
        let closed = end > inside && self.byte(end - 1) == b'"';
        let inside_end = if closed { end - 1 } else { end };
        let mut hash = hash::token(NAME_SEED, self.text, inside, inside_end);
        if keyword::lookup(hash).1.reserved() {
            hash = hash::token(QUOTED_RESERVED_SEED, self.text, inside, inside_end);
        }
        self.token(Kind::QuotedName, start, end, hash)
    }

    /// The end of a quotation in which only a doubled quotation mark is special.
    #[inline]
    fn quoted_end(&self, mut at: usize, mark: u8) -> usize {
        loop {
            at = bytes::find(self.text, at, mark);
            if self.byte(at + 1) != mark || at >= self.text.len() {
                return (at + 1).min(self.text.len());
            }
            at += 2;
        }
    }

    /// The end of an `E'…'` string, where a backslash hides the next byte.
    fn escaped_end(&self, mut at: usize) -> usize {
        while at < self.text.len() {
            match self.text[at] {
                b'\\' => at += 2,
                b'\'' if self.byte(at + 1) == b'\'' => at += 2,
                b'\'' => return at + 1,
                _ => at += 1,
            }
        }
        self.text.len()
    }

    /// `$1`, `$$…$$`, `$tag$…$tag$`, or a lone `$`.
    fn dollar(&mut self, start: usize) -> Token {
        let after = start + 1;
        if self.byte(after).is_ascii_digit() {
            let mut end = after;
            let mut number = 0u32;
            while self.byte(end).is_ascii_digit() {
                number = number.saturating_mul(10).saturating_add(u32::from(self.text[end] - b'0'));
                end += 1;
            }
            return self.literal_with_kind(Kind::Parameter(number), start, end);
        }
        let mut tag_end = after;
        while matches!(bytes::class(self.byte(tag_end)), ByteClass::Letter | ByteClass::Digit) {
            tag_end += 1;
        }
        if self.byte(tag_end) != b'$' {
            return self.symbol(Kind::Other, start, after);
        }
        let tag = &self.text[start..=tag_end];
        let mut at = tag_end + 1;
        let end = loop {
            at = bytes::find(self.text, at, b'$');
            match self.text.get(at..) {
                Some(rest) if rest.starts_with(tag) => break at + tag.len(),
                Some([]) | None => break self.text.len(),
                Some(_) => at += 1,
            }
        };
        self.literal(Literal::Text, start, end)
    }

    fn literal_with_kind(&mut self, kind: Kind, start: usize, end: usize) -> Token {
        let hash = hash::token(LITERAL_SEED, self.text, start, end);
        self.token(kind, start, end, hash)
    }

    #[inline]
    fn colon(&mut self, start: usize) -> Token {
        match self.byte(start + 1) {
            b':' => self.token(Kind::Cast, start, start + 2, CAST),
            b'=' => self.symbol(Kind::Operator, start, start + 2),
            _ => self.symbol(Kind::Other, start, start + 1),
        }
    }

    /// A run of operator characters, up to a comment. It cannot end in `+` or `-` unless it has a
    /// character that arithmetic does not use (manual, 4.1.3), so that `a=-1` is three tokens.
    #[inline(always)]
    fn operator(&mut self, start: usize, first: u8) -> Token {
        if start + 1 >= self.signs_end && bytes::class(self.byte(start + 1)) == ByteClass::Operator
        {
            return self.long_operator(start);
        }
        self.byte_symbol(Kind::Operator, start, first)
    }

    fn long_operator(&mut self, start: usize) -> Token {
        let end = self.long_operator_end(start);
        let mut hash = hash::token(SYMBOL_SEED, self.text, start, end);
        if hash == NOT_EQUAL_ALIAS {
            hash = NOT_EQUAL;
        }
        self.token(Kind::Operator, start, end, hash)
    }

    fn long_operator_end(&mut self, start: usize) -> usize {
        let mut end = start + 1;
        while bytes::class(self.byte(end)) == ByteClass::Operator {
            if matches!([self.byte(end), self.byte(end + 1)], [b'-', b'-'] | [b'/', b'*']) {
                break;
            }
            end += 1;
        }
        let run = &self.text[start..end];
        let special = |byte: &u8| b"~!@#%^&|`?".contains(byte);
        if run.last().is_some_and(|last| matches!(last, b'+' | b'-')) && !run.iter().any(special) {
            let kept = run.iter().rposition(|byte| !matches!(byte, b'+' | b'-'));
            self.signs_end = end;
            // Of nothing but signs, the first one is taken alone.
            end = start + kept.map_or(1, |last| last + 1);
        }
        end
    }

    /// The end of a comment that began with `--`.
    fn line_end(&self, mut at: usize) -> usize {
        while at < self.text.len() && !matches!(self.text[at], b'\n' | b'\r') {
            at += 1;
        }
        at
    }

    /// The end of a comment that began before `at`; such comments nest.
    fn comment_end(&self, mut at: usize) -> usize {
        let mut depth = 1usize;
        while at < self.text.len() {
            match (self.text[at], self.byte(at + 1)) {
                (b'*', b'/') => {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        return at;
                    }
                }
                (b'/', b'*') => {
                    depth += 1;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        self.text.len()
    }

    #[inline(always)]
    fn number(&mut self, start: usize) -> Token {
        if let Some(chunk) = bytes::chunk(self.text, start) {
            let length = bytes::leading(bytes::no_digits(chunk));
            // What makes a number of another kind goes on with a letter, an underscore or a point.
            if (1..8).contains(&length)
                && !matches!(
                    bytes::class(self.byte(start + length)),
                    ByteClass::Letter | ByteClass::Dot
                )
            {
                let hash = hash::short_token(LITERAL_SEED, bytes::first(chunk, length), length);
                return self.token(Kind::Literal(Literal::Integer), start, start + length, hash);
            }
        }
        self.long_number(start)
    }

    fn long_number(&mut self, start: usize) -> Token {
        let (end, literal) = number::number(self.text, start);
        self.literal(literal, start, end)
    }
}

#[inline(always)]
fn punctuation(byte: u8) -> Kind {
    match byte {
        b',' => Kind::Comma,
        b';' => Kind::Semicolon,
        b'(' => Kind::OpenParenthesis,
        b')' => Kind::CloseParenthesis,
        b'[' => Kind::OpenBracket,
        _ => Kind::CloseBracket,
    }
}
