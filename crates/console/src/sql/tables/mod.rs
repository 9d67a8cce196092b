//! The tables that SQL sees: names, columns, and the rows that they have now.

mod catalogue;
mod events;
mod findings;
mod information_schema;
mod minutes;
mod plans;
mod queries;
mod reference;
mod settings;
mod shown;

use std::borrow::Cow;
use std::sync::Arc;

use model::Published;
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};
use tokio::runtime::Handle;

use super::errors;
use super::limits::Guard;
use crate::live::{Live, Role};
use crate::refusal::Refusal;
use crate::show::Tick;
use crate::statement::Arguments;
use crate::table::{Column, Kind, Row, Value};

pub(crate) use catalogue::{name_of, oid, type_name};
pub use reference::tables_markdown;

/// Texts longer than this are cut, bytes: one value may have a million.
const MAX_TEXT_BYTES: usize = 256 * 1024;

/// What rows are made of.
pub(super) struct Data {
    pub(super) live: Arc<dyn Live>,
    /// A tick that was fresh when the statement began.
    pub(super) published: Arc<Published>,
    pub(super) role: Role,
    /// Where what must be waited for is waited for.
    pub(super) runtime: Handle,
}

impl Data {
    /// What SHOW makes its tables of.
    fn tick<'a>(&'a self, arguments: &'a Arguments) -> Tick<'a> {
        Tick { live: &*self.live, published: &self.published, arguments, role: self.role }
    }
}

/// A table.
pub(crate) struct SqlTable {
    /// Its name.
    pub(crate) name: &'static str,
    /// What SQLite calls it; another only where two schemas have tables of one name.
    pub(crate) key: &'static str,
    /// Whether it is one of PostgreSQL's catalogue: found without a schema, and with columns that
    /// are not here taken for NULL.
    pub(crate) of_catalogue: bool,
    /// What it holds, in a sentence.
    pub(crate) what: &'static str,
    /// Its columns.
    columns: fn() -> Vec<Column>,
    /// Where its rows come from.
    rows: Rows,
}

/// Where a table's rows come from.
enum Rows {
    /// Made before the statement is run.
    Made(fn(&Data) -> Result<Vec<Row>, Refusal>),
    /// The history: looked up as the statement asks for it.
    Minutes(minutes::Whose),
}

impl SqlTable {
    const fn own(
        name: &'static str,
        what: &'static str,
        columns: fn() -> Vec<Column>,
        rows: fn(&Data) -> Result<Vec<Row>, Refusal>,
    ) -> Self {
        Self { name, key: name, of_catalogue: false, what, columns, rows: Rows::Made(rows) }
    }

    /// Its columns in order.
    pub(crate) fn columns(&self) -> Vec<Column> {
        (self.columns)()
    }
}

/// The console's own tables, in the order of `\d`'s page in the manual.
pub(crate) static ALL: &[&SqlTable] = &[
    &queries::QUERIES,
    &minutes::QUERY_MINUTES,
    &minutes::FLEET_MINUTES,
    &findings::FINDINGS,
    &plans::PLANS,
    &events::EVENTS,
    &shown::POOLS,
    &shown::CLIENTS,
    &shown::SERVERS,
    &shown::DATABASES,
    &shown::HOSTS,
    &shown::USERS,
    &shown::PEERS,
    &shown::PEER_POOLS,
    &shown::STATS,
    &shown::STATS_TOTALS,
    &shown::STATS_AVERAGES,
    &shown::TOTALS,
    &settings::SETTINGS,
    &shown::LISTS,
    &shown::STATE,
    &shown::VERSION,
    &shown::SOCKETS,
    &shown::ACTIVE_SOCKETS,
];

/// The table that a name stands for.
pub(super) fn find(schema: Option<&str>, name: &str) -> Option<&'static SqlTable> {
    let own = || ALL.iter().copied().find(|table| table.name == name);
    match schema {
        None => own().or_else(|| catalogue::find("pg_catalog", name)),
        Some("public") => own(),
        Some(schema) => catalogue::find(schema, name),
    }
}

/// Whether a name is one of PostgreSQL's catalogue, of which the console has no rows.
pub(super) fn is_catalogue(schema: Option<&str>, name: &str) -> bool {
    matches!(schema, Some("pg_catalog" | "information_schema")) || name.starts_with("pg_")
}

/// Gives SQLite the table whose key is `key`.
pub(super) fn fill(
    key: &str,
    connection: &Connection,
    data: &Data,
    guard: &Guard,
) -> Result<(), Refusal> {
    let all = ALL.iter().chain(catalogue::ALL);
    let Some(table) = all.copied().find(|table| table.key == key) else {
        return Err(errors::undefined_table(key));
    };
    let told = |error: rusqlite::Error| errors::of_sqlite(&error);
    match table.rows {
        Rows::Minutes(whose) => minutes::attach(whose, connection, data).map_err(told),
        Rows::Made(rows) => {
            let rows = rows(data)?;
            let columns = table.columns();
            connection.execute_batch(&definition(key, &columns)).map_err(told)?;
            insert(key, columns.len(), rows, connection, guard)
        }
    }
}

fn insert(
    key: &str,
    columns: usize,
    rows: Vec<Row>,
    connection: &Connection,
    guard: &Guard,
) -> Result<(), Refusal> {
    let told =
        |error: rusqlite::Error| guard.refusal().unwrap_or_else(|| errors::of_sqlite(&error));
    let places = vec!["?"; columns].join(", ");
    let text = format!("INSERT INTO \"{key}\" VALUES ({places})");
    connection.execute_batch("BEGIN").map_err(told)?;
    let mut statement = connection.prepare(&text).map_err(told)?;
    for row in rows {
        statement.execute(rusqlite::params_from_iter(row.iter().map(Stored))).map_err(told)?;
    }
    connection.execute_batch("COMMIT").map_err(told)
}

/// CREATE TABLE: the types say how SQLite keeps and compares values.
fn definition(key: &str, columns: &[Column]) -> String {
    let columns: Vec<_> = columns
        .iter()
        .map(|column| {
            let affinity = match column.kind {
                Kind::Text => "TEXT",
                Kind::Float8 => "REAL",
                _ => "INTEGER",
            };
            format!("\"{}\" {affinity}", column.name)
        })
        .collect();
    format!("CREATE TABLE \"{key}\" ({})", columns.join(", "))
}

/// A field as SQLite keeps it.
struct Stored<'a>(&'a Value);

impl rusqlite::ToSql for Stored<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Text(text) => ValueRef::Text(cut(text).as_bytes()),
            Value::Int4(number) => ValueRef::Integer((*number).into()),
            Value::Int8(number)
            | Value::Time(number)
            | Value::Date(number)
            | Value::Interval(number) => ValueRef::Integer(*number),
            Value::Numeric(number) => ValueRef::Integer(i64::try_from(*number).unwrap_or(i64::MAX)),
            Value::Float8(number) => ValueRef::Real(*number),
            Value::Bool(truth) => ValueRef::Integer((*truth).into()),
        }))
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

/// A text that may be missing.
fn text_or_null(text: Option<impl Into<String>>) -> Value {
    text.map_or(Value::Null, Value::text)
}

/// To a microsecond; more digits would only look exact.
fn milliseconds(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

/// A column whose name is not known before.
fn column(name: &'static str, kind: Kind) -> Column {
    Column { name: Cow::Borrowed(name), kind }
}
