//! Files of SQL, split into statements as psql splits them.

use crate::keyword::{self, Word};
use crate::lexer::{Kind, Lexer, Token};
use crate::routine::RoutineBody;

/// The statements of a script: it is split at semicolons outside quotes, comments, parentheses and
/// routine bodies; psql's commands (`\…` to the end of the line) and the data of `COPY … FROM STDIN`
/// are left out. A statement is without the semicolon and the white space around it, but with the
/// comments before it, which may be tags.
#[must_use]
pub fn statements(script: &[u8]) -> Vec<Vec<u8>> {
    let mut splitter = Splitter { script, lexer: Lexer::new(script, 0), found: Vec::new() };
    let mut at = Some(0);
    while let Some(from) = at {
        at = splitter.statement(from);
    }
    splitter.found
}

struct Splitter<'a> {
    script: &'a [u8],
    lexer: Lexer<'a>,
    found: Vec<Vec<u8>>,
}

/// What was read of a statement.
#[derive(Default)]
struct Reading {
    text: Vec<u8>,
    /// Up to where the script was taken into the text, or left out.
    taken: usize,
    /// There is more than comments.
    any: bool,
    depth: usize,
    routine: RoutineBody,
    copies: Copies,
}

/// How far a statement is on its way to `COPY … FROM STDIN`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Copies {
    #[default]
    No,
    Copy,
    From,
    Stdin,
}

impl Splitter<'_> {
    /// Reads the statement that begins at `from`; where the next one may begin.
    fn statement(&mut self, from: usize) -> Option<usize> {
        let mut reading = Reading { taken: from, ..Reading::default() };
        self.lexer = Lexer::new(self.script, from);
        loop {
            let token = self.lexer.next();
            match token.kind {
                Kind::End => {
                    self.keep(reading, token.start);
                    return None;
                }
                Kind::Semicolon if reading.depth == 0 && !reading.routine.is_inside() => {
                    let data = reading.copies == Copies::Stdin;
                    self.keep(reading, token.start);
                    return Some(if data { self.data_end(token.end) } else { token.end });
                }
                Kind::Other if self.script[token.start] == b'\\' => {
                    if let Some(next) = self.command(&token, &mut reading) {
                        self.keep(reading, token.start);
                        return Some(next);
                    }
                }
                _ => reading.take(&token, self.script),
            }
        }
    }

    /// Passes over psql's command; where it ends, if it sends the statement before it.
    fn command(&mut self, token: &Token, reading: &mut Reading) -> Option<usize> {
        let end = line_end(self.script, token.end);
        let line = &self.script[token.end..end];
        let name: Vec<u8> = line.iter().copied().take_while(u8::is_ascii_alphabetic).collect();
        if reading.any && SENDING.contains(&name.as_slice()) {
            return Some(end);
        }
        reading.text.extend_from_slice(&self.script[reading.taken..token.start]);
        // `\;` is a semicolon that sends nothing yet.
        let semicolon = line.first() == Some(&b';');
        reading.taken = if semicolon { token.end } else { end };
        self.lexer = Lexer::new(self.script, if semicolon { token.end + 1 } else { end });
        None
    }

    fn keep(&mut self, mut reading: Reading, end: usize) {
        if reading.any {
            reading.text.extend_from_slice(&self.script[reading.taken.min(end)..end]);
            self.found.push(reading.text.trim_ascii().to_vec());
        }
    }

    /// Behind the lines up to `\.`.
    fn data_end(&self, from: usize) -> usize {
        let mut at = next_line(self.script, from);
        while at < self.script.len() {
            let line = &self.script[at..line_end(self.script, at)];
            at = next_line(self.script, at);
            if line.trim_ascii_end() == b"\\." {
                break;
            }
        }
        at
    }
}

/// psql's commands that send what was typed before them.
const SENDING: &[&[u8]] =
    &[b"g", b"gx", b"gset", b"gexec", b"gdesc", b"watch", b"crosstabview", b"parse", b"bind"];

impl Reading {
    fn take(&mut self, token: &Token, script: &[u8]) {
        match token.kind {
            Kind::OpenParenthesis | Kind::OpenBracket => self.depth += 1,
            Kind::CloseParenthesis | Kind::CloseBracket => {
                self.depth = self.depth.saturating_sub(1);
            }
            Kind::Name if self.depth == 0 => self.word(token, script),
            _ => {}
        }
        self.any = true;
    }

    fn word(&mut self, token: &Token, script: &[u8]) {
        let word = keyword::lookup(token.hash).0;
        self.routine =
            if self.any { self.routine.after(word) } else { RoutineBody::after_first(word) };
        let text = &script[token.start..token.end];
        self.copies = match self.copies {
            Copies::No if word == Word::Copy && !self.any => Copies::Copy,
            Copies::Copy if text.eq_ignore_ascii_case(b"from") => Copies::From,
            Copies::From if text.eq_ignore_ascii_case(b"stdin") => Copies::Stdin,
            same => same,
        };
    }
}

fn line_end(script: &[u8], at: usize) -> usize {
    crate::bytes::find(script, at, b'\n')
}

fn next_line(script: &[u8], at: usize) -> usize {
    (line_end(script, at) + 1).min(script.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &str, expected: &[&str]) {
        let found = statements(script.as_bytes());
        let found: Vec<_> = found.iter().map(|one| String::from_utf8_lossy(one)).collect();
        assert_eq!(found, expected, "{script}");
    }

    #[test]
    fn semicolons_end_statements_unless_they_are_inside() {
        check("select 1; select ';' ;; select $$;$$", &["select 1", "select ';'", "select $$;$$"]);
        check(
            "create rule r as on insert to t do (a; b); end",
            &["create rule r as on insert to t do (a; b)", "end"],
        );
        check(
            "create function f() returns int begin atomic select 1; end; select 2;",
            &["create function f() returns int begin atomic select 1; end", "select 2"],
        );
        check("", &[]);
        check(" ; /* only a comment */ ;", &[]);
        check("/*a*/ select 1 /*b*/ ; -- c\nend", &["/*a*/ select 1 /*b*/", "-- c\nend"]);
        check("select 'open; select 1;", &["select 'open; select 1;"]);
    }

    #[test]
    fn commands_of_psql_are_left_out() {
        check(
            "\\set x 'a;b'\nselect 1;\n\\d t;\nselect 2\n  \\gset\nselect 3",
            &["select 1", "select 2", "select 3"],
        );
        check("select 1 \\; select 2;", &["select 1 ; select 2"]);
        check("select a\n\\echo x\nfrom t;", &["select a\n\nfrom t"]);
        check("select '\\d';", &["select '\\d'"]);
    }

    #[test]
    fn data_of_copy_is_left_out() {
        check(
            "copy t (a) from stdin with csv;\n1;2\n'\n\\.\nselect 1;",
            &["copy t (a) from stdin with csv", "select 1"],
        );
        check("copy t to stdout;\nselect 1;", &["copy t to stdout", "select 1"]);
        check("copy t from stdin;\nno end", &["copy t from stdin"]);
    }
}
