//! SQLite, in memory, for one statement.

use std::sync::Arc;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};

use super::limits::{self, Guard};
use super::parameters::{self, BoundValue};
use super::tables::{self, Data};
use super::translate::Prepared;
use super::{errors, functions};
use crate::refusal::Refusal;
use crate::table::{Kind, Row, Value};

/// The longest value, bytes.
const MAX_VALUE_BYTES: i32 = 1_000_000;
/// The longest pattern of LIKE, bytes: matching takes as long as text and pattern multiplied.
const MAX_PATTERN_BYTES: i32 = 1_000;
/// Steps of SQLite's between two looks at the limits. Few, since one step can make a long value.
const STEPS_BETWEEN_LOOKS: i32 = 200;

/// Runs a statement over `data`.
pub(super) fn run(
    prepared: &Prepared,
    values: &[BoundValue],
    data: &Data,
    guard: &Arc<Guard>,
) -> Result<Vec<Row>, Refusal> {
    let told =
        |error: rusqlite::Error| guard.refusal().unwrap_or_else(|| errors::of_sqlite(&error));
    let mut connection = open(guard).map_err(told)?;
    functions::register(&connection).map_err(told)?;
    for name in &prepared.tables {
        tables::fill(name, &connection, data, guard)?;
    }
    connection.authorizer(Some(only_reads)).map_err(told)?;
    let mut statement = connection.prepare(&prepared.sql).map_err(told)?;
    if statement.column_count() != prepared.columns.len() || !statement.readonly() {
        return Err(Refusal::error("XX000", "the statement was not understood"));
    }
    let mut rows = statement.query(params_from_iter(values)).map_err(told)?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next().map_err(told)? {
        let mut values = Vec::with_capacity(prepared.columns.len());
        for (place, column) in prepared.columns.iter().enumerate() {
            let value = row.get_ref(place).map_err(told)?;
            let value = value_of(value, column.kind)?;
            bytes +=
                size_of::<Value>() + if let Value::Text(text) = &value { text.len() } else { 0 };
            values.push(value);
        }
        bytes += size_of::<Row>();
        found.push(values);
        if bytes > limits::MAX_ANSWER_BYTES {
            return Err(limits::too_many_rows(found.len()));
        }
    }
    Ok(found)
}

fn open(guard: &Arc<Guard>) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open_in_memory()?;
    connection.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; \
         PRAGMA case_sensitive_like = ON;",
    )?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN_BYTES)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
    let guard = Arc::clone(guard);
    connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || guard.is_over()))?;
    Ok(connection)
}

/// What the translation lets through is SELECT over the console's tables already; this is the
/// second lock on the same door.
fn only_reads(context: AuthContext<'_>) -> Authorization {
    const FORBIDDEN: [&str; 5] =
        ["load_extension", "writefile", "readfile", "edit", "fts3_tokenizer"];
    match context.action {
        AuthAction::Select | AuthAction::Recursive | AuthAction::Read { .. } => {
            Authorization::Allow
        }
        AuthAction::Function { function_name } if !FORBIDDEN.contains(&function_name) => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

/// A value as one of its column's type.
fn value_of(value: ValueRef<'_>, kind: Kind) -> Result<Value, Refusal> {
    let out_of_range = || Refusal::error("22003", format!("{} out of range", kind.name()));
    Ok(match (value, kind) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(number), Kind::Int4) => {
            Value::Int4(i32::try_from(number).map_err(|_| out_of_range())?)
        }
        (ValueRef::Integer(number), Kind::Int8) => Value::Int8(number),
        (ValueRef::Integer(number), Kind::Float8) => Value::Float8(number as f64),
        (ValueRef::Integer(number), Kind::Bool) => Value::Bool(number != 0),
        (ValueRef::Integer(number), Kind::Date) => Value::Date(number),
        (ValueRef::Integer(number), Kind::Timestamptz) => Value::Time(number),
        (ValueRef::Integer(number), Kind::Interval) => Value::Interval(number),
        (ValueRef::Integer(number), Kind::Text) => Value::Text(number.to_string()),
        (ValueRef::Real(number), Kind::Float8) => Value::Float8(number),
        (ValueRef::Real(number), Kind::Text) => Value::Text(number.to_string()),
        // SQLite goes on with a float8 where whole numbers become too large.
        (ValueRef::Real(_), _) => return Err(out_of_range()),
        (ValueRef::Text(text) | ValueRef::Blob(text), Kind::Text) => {
            Value::Text(String::from_utf8_lossy(text).into_owned())
        }
        // A literal beside values of another type, in UNION or VALUES.
        (ValueRef::Text(text), kind) => {
            let text = String::from_utf8_lossy(text);
            match parameters::read_literal(kind, &text) {
                Some(BoundValue::Int(number)) => return value_of(ValueRef::Integer(number), kind),
                Some(BoundValue::Float(number)) => return value_of(ValueRef::Real(number), kind),
                _ => return Err(errors::bad_text(kind.name(), &text)),
            }
        }
        (ValueRef::Integer(_) | ValueRef::Blob(_), _) => {
            let message = format!("a value is not of its column's type {}", kind.name());
            return Err(Refusal::error("42804", message));
        }
    })
}
