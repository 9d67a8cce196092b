//! Which functions a statement may call.
//!
//! A function can do to the session whatever a statement can, and nothing in the text of the call
//! tells. So the names of functions are kept with a statement's shape: what they do is looked up
//! where their bodies are, in the catalogue, and their bodies are read here.

use std::collections::BTreeSet;

use crate::classify::word;
use crate::keyword::Word;
use crate::lexer::{Kind, Lexer, Token};
use crate::{SessionEffect, set_config};

/// More names than that are not kept: such a statement may call anything.
const MAX_NAMES: usize = 64;
/// PostgreSQL cuts longer names off (NAMEDATALEN - 1).
const MAX_NAME_BYTES: usize = 63;

/// The names in a statement that stand before a parenthesis, and so may be functions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// The names, folded as PostgreSQL folds them, without their schemas; each once. What PostgreSQL
    /// itself brings and everybody uses is left out, where it does nothing to the session.
    pub names: Box<[Box<str>]>,
    /// There may be others.
    pub more: bool,
}

impl Calls {
    /// Whether nothing is called.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.more
    }

    /// The calls in a statement.
    pub(crate) fn of_statement(text: &[u8], truncated: bool) -> Self {
        let mut names = BTreeSet::new();
        let mut lexer = Lexer::new(text, 0);
        let mut before = lexer.next();
        // What stands before the name, and its schema.
        let mut leads_to_table = false;
        while before.kind != Kind::End {
            let token = lexer.next();
            if token.kind == Kind::OpenParenthesis && !leads_to_table && !has_effect(before) {
                names.extend(name(text, before).filter(|name| !is_common(name)));
                if names.len() > MAX_NAMES {
                    return Self { names: Box::default(), more: true };
                }
            }
            if token.kind != Kind::Dot && before.kind != Kind::Dot {
                let lead = name(text, before).unwrap_or_default();
                leads_to_table = BEFORE_A_TABLE.contains(&&*lead);
            }
            before = token;
        }
        Self { names: names.into_iter().collect(), more: truncated }
    }
}

/// Whether what such a function does is told by the statement's effect.
fn has_effect(token: Token) -> bool {
    matches!(
        word(token.kind, token.hash),
        Word::AdvisoryLock
            | Word::AdvisoryUnlock
            | Word::OwnStatistics
            | Word::SequenceReader
            | Word::SessionState
            | Word::SetConfig
    )
}

/// Words that a table's name and its columns may follow.
const BEFORE_A_TABLE: [&str; 4] = ["exists", "into", "references", "table"];

/// What a token names.
fn name(text: &[u8], token: Token) -> Option<Box<str>> {
    let found = std::str::from_utf8(text.get(token.start..token.end)?).ok()?;
    let mut name = match token.kind {
        Kind::Name => found.to_lowercase(),
        Kind::QuotedName => {
            found.strip_prefix('"')?.strip_suffix('"').unwrap_or(found).replace("\"\"", "\"")
        }
        _ => return None,
    };
    while name.len() > MAX_NAME_BYTES {
        name.pop();
    }
    Some(name.into())
}

/// What a body in SQL or PL/pgSQL may do to the session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutineBody {
    /// What it calls.
    pub calls: Calls,
    /// It changes a setting for longer than the transaction, makes something temporary, listens,
    /// locks, or runs what is put together as it runs.
    pub leaves_state: bool,
    /// Settings that are named in it, of those that are not in pg_settings.
    pub settings: Box<[Box<str>]>,
}

/// Reads a body.
#[must_use]
pub fn routine_body(text: &str) -> RoutineBody {
    let leaves_state = leaves_state(text.as_bytes());
    RoutineBody {
        calls: Calls::of_statement(text.as_bytes(), false),
        leaves_state,
        settings: if leaves_state { custom_settings(text) } else { Box::default() },
    }
}

fn leaves_state(bytes: &[u8]) -> bool {
    let mut lexer = Lexer::new(bytes, 0);
    // What is before a statement begins a statement too.
    let mut begins = true;
    loop {
        let token = lexer.next();
        if token.kind == Kind::End {
            return false;
        }
        let folded = name(bytes, token).unwrap_or_default();
        match word(token.kind, token.hash) {
            Word::SetConfig => {
                let mut ahead = lexer.clone();
                let is_call = ahead.next().kind == Kind::OpenParenthesis;
                if !is_call || set_config::effect(ahead) != SessionEffect::SetLocal {
                    return true;
                }
            }
            Word::AdvisoryLock
            | Word::AdvisoryUnlock
            | Word::SequenceReader
            | Word::SessionState
            | Word::OwnStatistics
            | Word::PgTemp
            | Word::Temporary => return true,
            _ if ALARMING.contains(&&*folded) => return true,
            _ if begins && &*folded == "set" => {
                let next = lexer.clone().next();
                if word(next.kind, next.hash) != Word::Local {
                    return true;
                }
            }
            _ => {}
        }
        begins = token.kind == Kind::Semicolon || BEFORE_A_STATEMENT.contains(&&*folded);
    }
}

/// The names of settings with a prefix (`shop.tenant`) that stand in a text as a constant or after
/// SET, however deep in quotes. Such a setting may be nobody's, and then is not in pg_settings: one
/// must ask for it by name.
#[must_use]
pub fn custom_settings(text: &str) -> Box<[Box<str>]> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.');
    let mut names = BTreeSet::new();
    let mut before = "";
    for piece in text.split_inclusive(|c: char| !is_part(c)) {
        let name = piece.trim_end_matches(|c: char| !is_part(c));
        let in_place = before.ends_with('\'')
            || ["set ", "session "].iter().any(|word| {
                let end = before.trim_start_matches(|c: char| !is_part(c));
                end.eq_ignore_ascii_case(word)
            });
        if in_place && names.len() < MAX_NAMES {
            names.extend(custom_setting(name));
        }
        if !piece.trim().is_empty() {
            before = piece;
        }
    }
    names.into_iter().collect()
}

/// A setting's name as it is compared, if it has a prefix and so may be nobody's.
#[must_use]
pub fn custom_setting(name: &str) -> Option<Box<str>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.');
    let mut parts = name.split('.');
    let is_two = parts.next().is_some_and(begins_name)
        && parts.next().is_some_and(begins_name)
        && parts.next().is_none();
    let is_name = is_two && name.len() <= MAX_NAME_BYTES && name.chars().all(is_part);
    is_name.then(|| name.to_lowercase().into())
}

fn begins_name(part: &str) -> bool {
    part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Words of statements that may do anything, or something to the session.
const ALARMING: [&str; 13] = [
    "call",
    "deallocate",
    "discard",
    "do",
    "execute",
    "hold",
    "listen",
    "load",
    "prepare",
    "reset",
    "set_config",
    "set_limit",
    "unlisten",
];

/// Words of PL/pgSQL that a statement follows.
const BEFORE_A_STATEMENT: [&str; 5] = ["atomic", "begin", "else", "loop", "then"];

/// Keywords and types that stand before a parenthesis. Sorted. What is neither here nor below is
/// looked up once.
const WORDS: [&str; 77] = [
    "all",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "between",
    "by",
    "case",
    "cast",
    "character",
    "check",
    "coalesce",
    "collation",
    "conflict",
    "copy",
    "cube",
    "cursor",
    "decimal",
    "default",
    "distinct",
    "else",
    "end",
    "exists",
    "explain",
    "fetch",
    "filter",
    "float",
    "for",
    "foreign",
    "from",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "index",
    "is",
    "key",
    "lateral",
    "least",
    "limit",
    "materialized",
    "not",
    "nullif",
    "offset",
    "on",
    "or",
    "ordinality",
    "over",
    "partition",
    "primary",
    "recursive",
    "references",
    "returning",
    "rollup",
    "row",
    "select",
    "set",
    "sets",
    "similar",
    "some",
    "tablesample",
    "then",
    "trim",
    "unique",
    "using",
    "values",
    "varying",
    "verbose",
    "when",
    "where",
    "with",
    "within",
    "xmlelement",
    "xmlforest",
];

/// The functions that PostgreSQL 15 brings, but for those that leave something in the session: sorted,
/// one a line (from `pg_proc`; those that a later version adds are looked up).
const BUILTIN: &str = include_str!("builtin_functions.txt");

fn is_common(name: &str) -> bool {
    WORDS.binary_search(&name).is_ok() || has_line(BUILTIN, name)
}

/// Whether one of the sorted lines is this.
fn has_line(mut sorted: &str, line: &str) -> bool {
    while !sorted.is_empty() {
        let middle = sorted.floor_char_boundary(sorted.len() / 2);
        let start = sorted[..middle].rfind('\n').map_or(0, |at| at + 1);
        let end = sorted[middle..].find('\n').map_or(sorted.len(), |at| middle + at);
        match line.cmp(&sorted[start..end]) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => sorted = &sorted[..start],
            std::cmp::Ordering::Greater => sorted = sorted.get(end + 1..).unwrap_or_default(),
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> String {
        let calls = Calls::of_statement(text.as_bytes(), false);
        assert!(!calls.more);
        calls.names.join(" ")
    }

    #[test]
    fn names_before_a_parenthesis() {
        assert!(WORDS.is_sorted() && BUILTIN.lines().is_sorted());
        assert!(BUILTIN.lines().all(is_common) && !is_common("") && !is_common("set_config"));
        for (text, expected) in [
            ("select 1", ""),
            ("select count(*), Sum(a) from t where b in (1, 2) and (c or d)", ""),
            ("select F(1), s.f (2), \"G\"\"h\"(3) from t", "G\"h f"),
            ("insert into s.t (a) select f(b)", "f"),
            ("create table if not exists t (a int, b varchar(3))", ""),
            ("select pg_advisory_lock(1), set_config('a', 'b', true)", ""),
            ("select 'f(1)' /* g(2) */", ""),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
        let many: String = (0..100).map(|n| format!("f{n}(),")).collect();
        assert!(Calls::of_statement(many.as_bytes(), false).more);
        assert!(Calls::of_statement(b"select 1", true).more);
    }

    #[test]
    fn bodies() {
        for (body, leaves_state, calls) in [
            ("select 1", false, ""),
            ("begin update t set a = f(1); return new; end", false, "f"),
            ("begin set local a = 1; perform set_config('a', 'b', true); end", false, ""),
            ("begin perform set_config('a', g(), false); end", true, "g"),
            ("select set_config('a', $1, $2)", true, ""),
            ("begin if x then set a to b; end if; end", true, ""),
            ("begin execute 'set a to ' || x; end", true, ""),
            ("begin create temp table t (a int); end", true, ""),
            ("begin perform pg_advisory_lock(1); end", true, ""),
            ("select lastval()", true, ""),
            ("begin listen x; end", true, ""),
        ] {
            let found = routine_body(body);
            assert_eq!((found.leaves_state, &*found.calls.names.join(" ")), (leaves_state, calls));
        }
    }

    #[test]
    fn settings_that_are_nobodys() {
        for (text, names) in [
            ("set_config('Shop.tenant', a.b, false)", "shop.tenant"),
            ("execute 'set app.user to ' || quote_literal(x.y)", "app.user"),
            ("SET  SESSION  a.b TO 1; update a.t set b.c = 1; set c.d = 2", "a.b b.c c.d"),
            ("do $$ perform set_config(''x.y'', '1.5', false) $$", "x.y"),
            ("select 'a.b.c', 'a.', '.b', '1.2'", ""),
        ] {
            assert_eq!(custom_settings(text).join(" "), names, "{text}");
        }
    }
}
