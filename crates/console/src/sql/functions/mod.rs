//! PostgreSQL's functions that SQLite lacks, or has with another meaning.

mod aggregates;
mod numbers;
mod texts;
mod times;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Result, ToSql};

use crate::refusal::Refusal;

/// Gives a connection all of them.
pub(super) fn register(connection: &Connection) -> Result<()> {
    texts::register(connection)?;
    numbers::register(connection)?;
    times::register(connection)?;
    aggregates::register(connection)
}

/// None of them depends on anything but its arguments, and the time that the statement began.
const FLAGS: FunctionFlags = FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC);

/// A function that is NULL where an argument is.
fn strict<T: ToSql + 'static>(
    connection: &Connection,
    name: &str,
    arguments: i32,
    function: impl Fn(&Context<'_>) -> Result<Option<T>> + Send + std::panic::UnwindSafe + 'static,
) -> Result<()> {
    connection.create_scalar_function(name, arguments, FLAGS, move |context| {
        let null = (0..context.len())
            .any(|place| context.get_raw(place) == rusqlite::types::ValueRef::Null);
        if null { Ok(None) } else { function(context) }
    })
}

/// An argument as a text, whatever it is.
fn text(context: &Context<'_>, place: usize) -> String {
    use rusqlite::types::ValueRef;

    match context.get_raw(place) {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
    }
}

/// An argument as a whole number; times and intervals are µs.
fn whole(context: &Context<'_>, place: usize) -> i64 {
    use rusqlite::types::ValueRef;

    match context.get_raw(place) {
        ValueRef::Integer(number) => number,
        // Beyond its range it becomes the nearest.
        ValueRef::Real(number) => number as i64,
        _ => text(context, place).trim().parse().unwrap_or_default(),
    }
}

/// An argument as a number.
fn number(context: &Context<'_>, place: usize) -> f64 {
    use rusqlite::types::ValueRef;

    match context.get_raw(place) {
        ValueRef::Integer(number) => number as f64,
        ValueRef::Real(number) => number,
        _ => text(context, place).trim().parse().unwrap_or_default(),
    }
}

/// An error with its SQLSTATE, which SQLite carries to [`super::errors::of_sqlite`].
fn refused(refusal: &Refusal) -> rusqlite::Error {
    let message = format!("{}\u{1f}{}", refusal.sqlstate(), refusal.message);
    rusqlite::Error::UserFunctionError(message.into())
}

/// The argument itself, to give it back.
fn itself(context: &Context<'_>, place: usize) -> ToSqlOutput<'static> {
    let value = rusqlite::types::Value::try_from(context.get_raw(place));
    ToSqlOutput::Owned(value.unwrap_or(rusqlite::types::Value::Null))
}
