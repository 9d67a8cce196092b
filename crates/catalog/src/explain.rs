//! EXPLAIN of a statement as a client sent it: with its own types, and the very bytes it bound.

use std::error::Error;

use bytes::BytesMut;
use deadpool_postgres::{Object, Transaction};
use model::{ParameterFormat, Sample, SampleParameter};
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::plan_tree::Plan;
use crate::transaction::begin_as;
use crate::{CatalogError, CatalogSettings};

/// Statements that EXPLAIN takes and whose plan tells something.
const PLANNABLE: [&str; 7] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "WITH"];

/// VERBOSE for the schemas of the tables.
const EXPLAIN: &str = "EXPLAIN (FORMAT JSON, VERBOSE) ";

/// Asks for the plan of `sample`. It goes through the extended protocol even when it has no
/// parameters, because there the server refuses several statements in one text.
///
/// Cancel-safe: the transaction rolls back.
pub(crate) async fn explain(
    transaction: &Transaction<'_>,
    sample: &Sample,
) -> Result<Plan, CatalogError> {
    if !is_plannable(&sample.text) {
        return Err(CatalogError::NotPlannable);
    }
    let values: Vec<BoundValue<'_>> = sample.parameters.iter().map(BoundValue).collect();
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> = values
        .iter()
        .enumerate()
        .map(|(position, value)| {
            let oid = sample.parameter_types.get(position).copied().unwrap_or(0);
            (value as &(dyn ToSql + Sync), parameter_type(oid))
        })
        .collect();
    plan_of(transaction, &sample.text, &parameters).await
}

/// Asks for the plan of a statement that EXPLAIN takes.
///
/// Cancel-safe: the transaction rolls back.
pub(crate) async fn plan_of(
    transaction: &Transaction<'_>,
    statement: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Plan, CatalogError> {
    let row = transaction.query_typed_one(&format!("{EXPLAIN}{statement}"), parameters).await?;
    let ExplainAnswer(answer) = row.try_get(0)?;
    answer.as_ref().and_then(Plan::from_explain).ok_or(CatalogError::UnreadablePlan)
}

/// The same in a transaction of its own.
///
/// Cancel-safe.
pub(crate) async fn explain_alone(
    connection: &mut Object,
    settings: &CatalogSettings,
    sample: &Sample,
) -> Result<Plan, CatalogError> {
    let transaction = begin_as(connection, settings, sample).await?;
    let plan = explain(&transaction, sample).await?;
    transaction.rollback().await?;
    Ok(plan)
}

/// Whether the statement's first word is one that is planned. What follows EXPLAIN must not be
/// taken for an option of it, such as ANALYZE, which would execute the statement.
pub(crate) fn is_plannable(text: &str) -> bool {
    let statement = skip_to_first_word(text);
    let end = statement.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(statement.len());
    PLANNABLE.iter().any(|keyword| statement[..end].eq_ignore_ascii_case(keyword))
}

/// The text from its first word on, without white space, comments and opening parentheses.
fn skip_to_first_word(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest =
            rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b' || c == '(');
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment.find(['\n', '\r']).map_or("", |end| &comment[end..]);
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = after_block_comment(comment);
        } else {
            return rest;
        }
    }
}

/// What follows a block comment, which may hold others (PostgreSQL manual, 4.1.5).
fn after_block_comment(text: &str) -> &str {
    let mut depth = 1_usize;
    let mut rest = text;
    while depth > 0 {
        let Some(mark) = rest.find("*/").into_iter().chain(rest.find("/*")).min() else {
            return "";
        };
        if rest[mark..].starts_with("*/") {
            depth -= 1;
        } else {
            depth += 1;
        }
        rest = &rest[mark + 2..];
    }
    rest
}

/// The type to send in Parse. Only its OID goes over the wire; 0 lets the server infer the type.
fn parameter_type(oid: u32) -> Type {
    Type::from_oid(oid)
        .unwrap_or_else(|| Type::new(String::new(), oid, Kind::Simple, String::new()))
}

/// A client's value, sent as it came whatever its type is.
#[derive(Debug)]
struct BoundValue<'sample>(&'sample SampleParameter);

impl ToSql for BoundValue<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Some(value) = &self.0.value else {
            return Ok(IsNull::Yes);
        };
        out.extend_from_slice(value);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        match self.0.format {
            ParameterFormat::Text => Format::Text,
            ParameterFormat::Binary => Format::Binary,
        }
    }

    to_sql_checked!();
}

/// EXPLAIN's only column; none where it is no JSON, or nested too deep.
pub(crate) struct ExplainAnswer(pub(crate) Option<serde_json::Value>);

impl<'row> FromSql<'row> for ExplainAnswer {
    fn from_sql(_: &Type, raw: &'row [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(serde_json::from_slice(raw).ok()))
    }

    fn accepts(column: &Type) -> bool {
        // The binary form of both is the text.
        *column == Type::JSON || *column == Type::TEXT
    }
}

#[cfg(test)]
mod tests {
    use super::is_plannable;

    #[test]
    fn what_is_planned() {
        for text in [
            "SELECT 1",
            "select*from t",
            "  ((select 1) union select 2)",
            "-- trace\nUPDATE t SET a = 1",
            "/* a /* nested */ comment */ with x as (select 1) select * from x",
            "VALUES (1)",
            "merge into t using s on true when matched then do nothing",
            "delete from t",
        ] {
            assert!(is_plannable(text), "{text}");
        }
    }

    #[test]
    fn what_is_not() {
        for text in [
            "",
            "ANALYZE SELECT 1",
            "(ANALYZE) SELECT 1",
            "VERBOSE SELECT 1",
            "/* SELECT",
            "/* /* */ SELECT 1",
            "-- SELECT 1",
            "SELECTED",
            "execute p(1)",
            "create table t as select 1",
            "EXPLAIN ANALYZE DELETE FROM t",
            "/*/ SELECT 1",
            "\u{e9}SELECT 1",
        ] {
            assert!(!is_plannable(text), "{text}");
        }
    }
}
