//! From PostgreSQL's SQL to SQLite's, with the type of every column.

mod aggregate;
mod cast;
mod column;
mod expression;
mod from;
mod function;
mod literal;
mod operator;
mod ordering;
mod query;
mod scope;
mod session;

use std::collections::BTreeSet;

use sqlparser::ast::{Spanned, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Span;

use super::errors;
use super::parameters::ParameterType;
use crate::refusal::Refusal;
use crate::table::{Column, Kind};

pub(crate) use scope::{Piece, Source};

/// How deep expressions and queries may be nested; SQLite's own limit is higher.
const MAX_DEPTH: usize = 200;
/// Expressions and queries that are looked at: some are so more than once.
const MAX_STEPS: usize = 100_000;

/// Who asks: what a statement may name of the session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// The user.
    pub(crate) user: String,
    /// What `version()` gives.
    pub(crate) version: String,
}

/// A statement, ready to be run.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// As SQLite understands it.
    pub(crate) sql: String,
    /// The columns of its rows.
    pub(crate) columns: Vec<Column>,
    /// The types of `$1`, `$2`, ….
    pub(crate) parameters: Vec<ParameterType>,
    /// The tables that it names.
    pub(crate) tables: BTreeSet<&'static str>,
}

/// Reads one statement. `given` are the parameters' types as far as the client says them.
///
/// # Errors
/// Whatever is wrong with the statement, as PostgreSQL says it.
pub(crate) fn prepare(text: &str, given: &[u32], identity: &Identity) -> Result<Prepared, Refusal> {
    let dialect = PostgreSqlDialect {};
    let statements =
        Parser::parse_sql(&dialect, text).map_err(|error| errors::syntax(&error, text))?;
    let [Statement::Query(query)] = statements.as_slice() else {
        let place = statements.first().map(Statement::span);
        let refusal = Refusal::error("25006", "the console's tables can only be read")
            .with_hint("SELECT, WITH and VALUES are what can be run.");
        return Err(errors::placed(refusal, place, text));
    };
    let mut translator = Translator {
        text,
        identity,
        parameters: given.iter().map(|oid| ParameterType::given(*oid)).collect(),
        ctes: Vec::new(),
        tables: BTreeSet::new(),
        depth: 0,
        steps: 0,
    };
    let translated = translator.query(query, None)?;
    let columns = translated
        .columns
        .into_iter()
        .map(|(name, kind)| Column { name: name.into(), kind: kind.unwrap_or(Kind::Text) });
    Ok(Prepared {
        sql: translated.sql,
        columns: columns.collect(),
        parameters: translator.parameters,
        tables: translator.tables,
    })
}

/// The state of one translation.
struct Translator<'a> {
    text: &'a str,
    identity: &'a Identity,
    parameters: Vec<ParameterType>,
    /// Common table expressions in sight, the innermost last.
    ctes: Vec<scope::Relation>,
    tables: BTreeSet<&'static str>,
    depth: usize,
    steps: usize,
}

impl Translator<'_> {
    /// Goes one level deeper.
    fn nested<T>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if self.depth >= MAX_DEPTH {
            return Err(Refusal::error("54001", "statement is too complex")
                .with_detail(format!("It is nested more than {MAX_DEPTH} deep.")));
        }
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(Refusal::error("54001", "statement is too complex"));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// What PostgreSQL has and the console has not.
    fn unsupported(&self, what: &str, place: Span) -> Refusal {
        let refusal = Refusal::error("0A000", format!("the console does not support {what}"));
        errors::placed(refusal, Some(place), self.text)
    }

    fn at(&self, refusal: Refusal, place: Span) -> Refusal {
        errors::placed(refusal, Some(place), self.text)
    }
}

/// An identifier for SQLite.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text for SQLite. A NUL would end the statement there.
fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\0', "").replace('\'', "''"))
}
