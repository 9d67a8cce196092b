//! Queries, and what is asked of one statement.

use super::lexer::Lexed;
use super::parse::text_of;
use super::{Names, Sql, Statement, Token};
use crate::parameters;
use crate::refusal::Refusal;
use crate::table::{Column, Kind, Value};

const LAST_MINUTES: &str =
    "WHERE minute > now() - interval '15 minutes' ORDER BY minute DESC, total_ms DESC";

/// The tables that SHOW has from SQL, with what stands behind their names there.
pub(super) const SHOWN_BY_SQL: [(&str, &str); 5] = [
    ("events", "ORDER BY at"),
    ("plans", "ORDER BY fingerprint, which"),
    ("settings", "ORDER BY name"),
    ("query_minutes", LAST_MINUTES),
    ("fleet_minutes", LAST_MINUTES),
];

/// The query for one of them.
pub(super) fn shown_by_sql(name: &str) -> Option<String> {
    let (_, rest) = SHOWN_BY_SQL.into_iter().find(|(known, _)| *known == name)?;
    Some(format!("SELECT * FROM {name} {rest}"))
}

/// Constants are answered at once; all else is SQL.
pub(super) fn query(lexed: &Lexed<'_>, names: &Names<'_>) -> Statement {
    let constant = match lexed.tokens.split_first() {
        Some((Token::Word(verb), rest)) if verb.eq_ignore_ascii_case("select") => {
            select(rest, names)
        }
        _ => None,
    };
    let sql = || Sql { text: lexed.text.to_owned(), before: 0, is_show: false };
    constant.unwrap_or_else(|| Statement::Sql(sql()))
}

/// `EXPLAIN FINGERPRINT 'id'`.
pub(super) fn explain(rest: &[Token<'_>]) -> Result<Statement, Refusal> {
    let hint = "EXPLAIN FINGERPRINT 'id' shows the plans and findings of a statement; SHOW QUERIES \
                has the ids.";
    let id = match rest {
        [Token::Word(word), id] if word.eq_ignore_ascii_case("fingerprint") => text_of(id),
        _ => None,
    };
    let Some(id) = id else {
        let message = "the console explains fingerprints only";
        return Err(Refusal::error("0A000", message).with_hint(hint));
    };
    id.parse().map(Statement::Explain).map_err(|error: report::ReportError| {
        Refusal::error("22P02", error.to_string()).with_hint(hint)
    })
}

/// The few constants that drivers and health checks select.
fn select(rest: &[Token<'_>], names: &Names<'_>) -> Option<Statement> {
    let (item, rest) = rest.split_first()?;
    let Token::Word(item) = item else { return None };
    let (call, alias) = match rest {
        [Token::Symbol('('), Token::Symbol(')'), alias @ ..] => (true, alias),
        alias => (false, alias),
    };
    let name = item.to_ascii_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    let (label, kind, value) = match (name, call) {
        ("version", true) => {
            ("version", Kind::Text, Value::Text(parameters::version_text(names.version)))
        }
        ("current_database", true) => (name, Kind::Text, Value::text(parameters::DATABASE)),
        ("current_schema", true | false) => (name, Kind::Text, Value::text("public")),
        ("current_user" | "session_user" | "user", false) => {
            (name, Kind::Text, Value::text(names.user))
        }
        (number, false) => ("?column?", Kind::Int4, Value::Int4(number.parse().ok()?)),
        _ => return None,
    };
    let label = match alias {
        [] => label.to_owned(),
        [Token::Word(keyword), alias] if keyword.eq_ignore_ascii_case("as") => {
            text_of(alias)?.to_owned()
        }
        _ => return None,
    };
    Some(Statement::Select(Column { name: label.into(), kind }, value))
}
