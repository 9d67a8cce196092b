//! Cuts a query string into statements, and these into tokens.

use std::borrow::Cow;

use crate::refusal::{self, Refusal};

/// Tokens that a command may have. The longest has five; `SET` lists a few more. Of a query, which
/// is parsed elsewhere, the others are passed over.
const MAX_TOKENS: usize = 64;

/// A token of a console statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// Letters, digits, `_`, `.`, `-` and all beyond ASCII, as written.
    Word(&'a str),
    /// `"…"`, quotes taken off.
    Quoted(Cow<'a, str>),
    /// `'…'`, quotes taken off.
    Literal(Cow<'a, str>),
    /// `$1`.
    Parameter,
    /// Any other character.
    Symbol(char),
}

impl Token<'_> {
    /// Whether a statement that begins so is a query.
    pub(crate) fn begins_query(&self) -> bool {
        match self {
            Self::Word(word) => {
                ["select", "with", "values"].iter().any(|verb| word.eq_ignore_ascii_case(verb))
            }
            token => *token == Self::Symbol('('),
        }
    }
}

/// A statement that is not empty.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lexed<'a> {
    /// Its text, without the semicolon.
    pub(crate) text: &'a str,
    /// Bytes that stand before it.
    pub(crate) start: usize,
    pub(crate) tokens: Vec<Token<'a>>,
}

/// Gives the statements of a query string one by one, empty ones left out.
pub(crate) struct Lexer<'a> {
    rest: &'a str,
    /// The length of the whole string, bytes.
    length: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text, length: text.len() }
    }

    /// The next statement; none at the end of the string.
    pub(crate) fn next_statement(&mut self) -> Result<Option<Lexed<'a>>, Refusal> {
        loop {
            let start = self.rest;
            let mut tokens = Vec::new();
            let mut end = start.len();
            while let Some(token) = self.next_token()? {
                if token == Token::Symbol(';') {
                    end = start.len() - self.rest.len() - 1;
                    break;
                }
                if tokens.len() < MAX_TOKENS {
                    tokens.push(token);
                } else if !tokens.first().is_some_and(Token::begins_query) {
                    return Err(refusal::unknown_command(start));
                }
            }
            if !tokens.is_empty() {
                let text = &start[..end];
                return Ok(Some(Lexed { text, start: self.length - start.len(), tokens }));
            }
            if self.rest.is_empty() {
                return Ok(None);
            }
        }
    }

    fn next_token(&mut self) -> Result<Option<Token<'a>>, Refusal> {
        self.skip_blanks()?;
        let Some(first) = self.rest.chars().next() else {
            return Ok(None);
        };
        let token = match first {
            '"' => Token::Quoted(self.quoted('"')?),
            '\'' => Token::Literal(self.quoted('\'')?),
            '$' => {
                let digits = self.rest[1..].bytes().take_while(u8::is_ascii_digit).count();
                match self.dollar_quoted()? {
                    Some(text) => Token::Literal(text.into()),
                    None => {
                        self.advance(1 + digits);
                        if digits == 0 { Token::Symbol('$') } else { Token::Parameter }
                    }
                }
            }
            _ if is_word(first) => match self.word() {
                "e" | "E" if self.rest.starts_with('\'') => self.escaped()?,
                word => Token::Word(word),
            },
            symbol => {
                self.advance(symbol.len_utf8());
                Token::Symbol(symbol)
            }
        };
        Ok(Some(token))
    }

    /// Skips white space and comments.
    fn skip_blanks(&mut self) -> Result<(), Refusal> {
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.starts_with("--") {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.advance(end);
            } else if let Some(inside) = self.rest.strip_prefix("/*") {
                let unterminated = || Refusal::error("42601", "unterminated /* comment");
                let end = inside.find("*/").ok_or_else(unterminated)?;
                self.advance(2 + end + 2);
            } else {
                return Ok(());
            }
        }
    }

    fn word(&mut self) -> &'a str {
        let ends = self.rest.char_indices().find(|(at, letter)| {
            !is_word(*letter) || self.rest.get(*at..).is_some_and(|rest| rest.starts_with("--"))
        });
        let (word, rest) = self.rest.split_at(ends.map_or(self.rest.len(), |(at, _)| at));
        self.rest = rest;
        word
    }

    /// `E'…'`, in which a backslash takes the next character's meaning; its text as written.
    fn escaped(&mut self) -> Result<Token<'a>, Refusal> {
        let inside = &self.rest[1..];
        let mut letters = inside.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\\' => drop(letters.next()),
                '\'' if inside[at + 1..].starts_with('\'') => drop(letters.next()),
                '\'' => {
                    self.rest = &inside[at + 1..];
                    return Ok(Token::Literal(inside[..at].into()));
                }
                _ => {}
            }
        }
        Err(Refusal::error("42601", "unterminated quoted string"))
    }

    /// `$tag$…$tag$`.
    fn dollar_quoted(&mut self) -> Result<Option<&'a str>, Refusal> {
        let tag = self.rest[1..].find('$').map(|end| &self.rest[..end + 2]);
        let named = |tag: &&str| {
            let name = &tag[1..tag.len() - 1];
            name.chars().all(|c| c.is_alphanumeric() || c == '_')
                && !name.starts_with(|c: char| c.is_ascii_digit())
        };
        let Some(tag) = tag.filter(named) else { return Ok(None) };
        let inside = &self.rest[tag.len()..];
        let Some(end) = inside.find(tag) else {
            return Err(Refusal::error("42601", "unterminated dollar-quoted string"));
        };
        self.rest = &inside[end + tag.len()..];
        Ok(Some(&inside[..end]))
    }

    /// A string between `quote`s, in which two of them stand for one.
    fn quoted(&mut self, quote: char) -> Result<Cow<'a, str>, Refusal> {
        let inside = &self.rest[1..];
        let mut from = 0;
        loop {
            let Some(found) = inside[from..].find(quote) else {
                return Err(Refusal::error("42601", "unterminated quoted string"));
            };
            let end = from + found;
            if !inside[end + 1..].starts_with(quote) {
                self.rest = &inside[end + 1..];
                let text = &inside[..end];
                let doubled = [quote, quote].iter().collect::<String>();
                return Ok(if text.contains(&doubled) {
                    text.replace(&doubled, quote.encode_utf8(&mut [0; 4])).into()
                } else {
                    text.into()
                });
            }
            from = end + 2;
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-') || !letter.is_ascii()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn statements(text: &str) -> Result<Vec<(&str, Vec<Token<'_>>)>, Refusal> {
        let mut lexer = Lexer::new(text);
        let mut found = Vec::new();
        while let Some(lexed) = lexer.next_statement()? {
            found.push((lexed.text, lexed.tokens));
        }
        Ok(found)
    }

    #[test]
    fn semicolons_in_quotes_and_comments_do_not_split() {
        let text = "; PAUSE \"a;\"\"b\" -- x ; y\n;; SET x='it''s;' /* ; */;-- end";
        let pause = vec![Token::Word("PAUSE"), Token::Quoted("a;\"b".into())];
        let set = vec![
            Token::Word("SET"),
            Token::Word("x"),
            Token::Symbol('='),
            Token::Literal("it's;".into()),
        ];
        let found = statements(text).unwrap();
        assert_eq!(
            found.iter().map(|(_, tokens)| tokens.clone()).collect::<Vec<_>>(),
            [pause, set]
        );
        assert_eq!(found[1].0.trim(), "SET x='it''s;' /* ; */");
    }

    #[test]
    fn words_hold_what_database_names_hold() {
        let found = statements("RESUME shop-eu.v2--now\n; KILL_CLIENT $1, $").unwrap();
        assert_eq!(found[0].1, [Token::Word("RESUME"), Token::Word("shop-eu.v2")]);
        let rest = [Token::Parameter, Token::Symbol(','), Token::Symbol('$')];
        assert_eq!(found[1].1[1..], rest);
    }

    #[test]
    fn what_does_not_end_is_refused() {
        for text in ["PAUSE \"a", "SET x = 'a''", "SHOW /* POOLS"] {
            assert_eq!(statements(text).unwrap_err().sqlstate(), "42601", "{text}");
        }
        assert!(statements(&"a ".repeat(MAX_TOKENS)).is_ok());
        assert!(statements(&"a ".repeat(MAX_TOKENS + 1)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_comes_to_an_end(text in any::<String>()) {
            let _ = statements(&text);
        }

        #[test]
        fn any_text_of_the_lexers_own_characters_comes_to_an_end(text in "[a-zé'\"/*$1; \n-]{0,60}") {
            let _ = statements(&text);
        }
    }
}
