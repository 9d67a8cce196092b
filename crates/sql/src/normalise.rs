//! A statement's text without its literals, for people and for the parser.

use crate::Shape;
use crate::lexer::{Kind, Lexer, Literal, Token};
use crate::lists::LISTS;
use crate::scan::{Sink, Until, scan};
use crate::squash::Squasher;

/// What stands for the further elements of a list, as PostgreSQL 18 writes it; a comment, so that
/// the text can still be parsed.
const MORE: &[u8] = b" /*, ... */";
const CUT: char = '…';

/// The normalised text of `text`, which is one statement. Constants are numbered from the highest
/// parameter on, as pg_stat_statements does. `truncated`: the statement goes on after the text.
pub(crate) fn normalise(text: &[u8], truncated: bool) -> String {
    let mut writer = Writer {
        text,
        out: Vec::with_capacity(text.len().min(Shape::TEXT_LIMIT) + 16),
        squasher: Squasher::new(),
        next_number: highest_parameter(text) + 1,
        lists: [Written::default(); LISTS],
        open_lists: 0,
        previous: None,
    };
    scan(text, 0, Until::TextEnd, &mut writer);
    bounded(&writer.out, truncated)
}

fn highest_parameter(text: &[u8]) -> u64 {
    let mut lexer = Lexer::new(&text[..text.len().min(Shape::STATEMENT_LIMIT)], 0);
    let mut highest = 0;
    loop {
        match lexer.next().kind {
            Kind::Parameter(number) => highest = highest.max(u64::from(number)),
            Kind::End => return highest,
            _ => {}
        }
    }
}

fn bounded(out: &[u8], truncated: bool) -> String {
    let mut text = String::from_utf8_lossy(out).into_owned();
    if truncated || text.len() > Shape::TEXT_LIMIT {
        text.truncate(text.floor_char_boundary(Shape::TEXT_LIMIT - CUT.len_utf8()));
        text.push(CUT);
    }
    text
}

/// How much was written when a list's first element was done.
#[derive(Clone, Copy, Default)]
struct Written {
    first_element: Option<(usize, u64)>,
}

struct Writer<'a> {
    text: &'a [u8],
    out: Vec<u8>,
    /// Decides which lists are squashed.
    squasher: Squasher,
    next_number: u64,
    lists: [Written; LISTS],
    open_lists: usize,
    previous: Option<(Kind, usize)>,
}

impl Writer<'_> {
    /// Writes a space where the source has white space or a comment, but for those that only lay
    /// the text out.
    fn space(&mut self, kind: Kind, start: usize, end: usize) {
        if let Some((before, before_end)) = self.previous {
            let tight_before = matches!(before, Kind::OpenParenthesis | Kind::OpenBracket);
            let tight_after = matches!(
                kind,
                Kind::CloseParenthesis | Kind::CloseBracket | Kind::Comma | Kind::Semicolon
            );
            // `select'x'` and `1and` need no space between, but `select$1` and `$1and` do.
            let merges = matches!((before, kind), (Kind::Name, Kind::Literal(_)))
                || matches!((before, kind), (Kind::Literal(_), Kind::Name | Kind::Literal(_)));
            let apart = before_end < start && !tight_before && !tight_after;
            if before == Kind::Comma || merges || apart {
                self.out.push(b' ');
            }
        }
        self.previous = Some((kind, end));
    }

    fn write(&mut self, token: &Token) {
        self.space(token.kind, token.start, token.end);
        self.out.extend_from_slice(&self.text[token.start..token.end]);
    }
}

impl Sink for Writer<'_> {
    fn plain(&mut self, token: &Token) {
        self.squasher.token(token.hash);
        self.write(token);
    }

    fn constant(&mut self, _literal: Literal, token: &Token, start: usize) {
        self.squasher.value();
        self.space(token.kind, start, token.end);
        self.out.extend_from_slice(format!("${}", self.next_number).as_bytes());
        self.next_number += 1;
    }

    fn parameter(&mut self, _number: u32, token: &Token) {
        self.squasher.value();
        self.write(token);
    }

    fn open_list(&mut self) {
        self.squasher.open_list();
        if let Some(list) = self.lists.get_mut(self.open_lists) {
            *list = Written::default();
            self.open_lists += 1;
        }
    }

    fn next_element(&mut self, comma: &Token) {
        self.squasher.end_element();
        if let Some(list) = self.lists.get_mut(self.open_lists.wrapping_sub(1)) {
            list.first_element.get_or_insert((self.out.len(), self.next_number));
        }
        self.write(comma);
    }

    fn close_list(&mut self) {
        let squashed = self.squasher.end_list();
        self.open_lists = self.open_lists.saturating_sub(1);
        if let (true, Some((length, number))) =
            (squashed, self.lists[self.open_lists].first_element)
        {
            self.out.truncate(length);
            self.out.extend_from_slice(MORE);
            self.next_number = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(text: &str) -> String {
        normalise(text.as_bytes(), false)
    }

    #[test]
    fn literals_become_numbers_and_names_stay() {
        let cases = [
            (
                "SELECT *\n  FROM \"Users\" -- all\n WHERE id=1 AND  name = 'x'",
                "SELECT * FROM \"Users\" WHERE id=$1 AND name = $2",
            ),
            (
                "select a from t where b = $2 and c = -1 and d = 'x'",
                "select a from t where b = $2 and c = $3 and d = $4",
            ),
            ("/* x */select f( 1,2 )/* y */", "select f($1, $2)"),
            ("select a from t order by 1, 2 limit 5", "select a from t order by 1, 2 limit $1"),
            ("select x::numeric(10,2), varchar(5) 'a'", "select x::numeric(10, 2), varchar(5) $1"),
            ("select x::text in (1, y)", "select x::text in ($1, y)"),
            ("select 1-1", "select $1-$2"),
            ("select'x'where 1=1and'a'='b'", "select $1 where $2=$3 and $4=$5"),
            ("alter role a password 'secret'", "alter role a password $1"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(normal(text), expected, "{text}");
        }
    }

    #[test]
    fn lists_are_written_once() {
        let cases = [
            (
                "select a where b in (1,2,3) and c = 4",
                "select a where b in ($1 /*, ... */) and c = $2",
            ),
            (
                "insert into t values (1,'a'), (2,'b') returning 1",
                "insert into t values ($1, $2) /*, ... */ returning $3",
            ),
            ("select array[[1,2],[3,4]]", "select array[[$1 /*, ... */] /*, ... */]"),
            ("select a where b in (1)", "select a where b in ($1)"),
        ];
        for (text, expected) in cases {
            assert_eq!(normal(text), expected, "{text}");
        }
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let long = format!("select {}", "ä, ".repeat(5_000));
        let text = normal(&long);
        assert!(text.len() <= Shape::TEXT_LIMIT && text.len() > Shape::TEXT_LIMIT - 8);
        assert!(text.ends_with('…'));
        let list = format!("select a where b in ({}1)", "1, ".repeat(9_000));
        assert_eq!(normal(&list), "select a where b in ($1 /*, ... */)");
    }
}
