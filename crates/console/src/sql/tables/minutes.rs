//! `query_minutes`: the history, minute by minute; `fleet_minutes`: that of all instances with one
//! store. Virtual tables of SQLite's: what a statement says of `minute` decides what is read, and a
//! column is computed only where it is asked for.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::marker::PhantomData;
use std::sync::Arc;

use jiff::Timestamp;
use model::{FingerprintId, LabelId, QueryStats, RowKey, Snapshot};
use parking_lot::Mutex;
use rusqlite::types::ValueRef;
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp as Op, IndexInfo, Module, VTab, VTabConnection, VTabCursor,
};
use rusqlite::{Connection, Result, ffi};
use tokio::runtime::Handle;

use super::{Data, Rows, SqlTable};
use crate::live::Live;
use crate::show::queries::tags as tags_text;
use crate::table::{Column, Kind};

/// One minute, µs.
const MINUTE: i64 = 60_000_000;

pub(super) static QUERY_MINUTES: SqlTable = SqlTable {
    name: "query_minutes",
    key: "query_minutes",
    of_catalogue: false,
    what: "The history: one row for each minute, fingerprint, database, user, application and tags. \
           What a statement says of `minute` decides how much of it is read: without a beginning, the \
           last hour. Of times further back only hours and days may be kept; `span_minutes` says how \
           long a row is.",
    columns,
    rows: Rows::Minutes(Whose::Own),
};

pub(super) static FLEET_MINUTES: SqlTable = SqlTable {
    name: "fleet_minutes",
    key: "fleet_minutes",
    of_catalogue: false,
    what: "The same of all instances that share a store (`store` in the settings), together: their \
           rows are added up, and percentiles are of all executions. Minutes are there once they are \
           sent, which is when they are over.",
    columns,
    rows: Rows::Minutes(Whose::Fleet),
};

/// Whose history a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// This instance's.
    Own,
    /// That of all instances with one store.
    Fleet,
}

impl Whose {
    fn table(self) -> &'static CStr {
        match self {
            Self::Own => c"query_minutes",
            Self::Fleet => c"fleet_minutes",
        }
    }
}

/// A column: its name, its type, and how its fields are made.
type MinuteColumn = (&'static str, Kind, fn(&Of<'_>) -> Field);

const COLUMNS: &[MinuteColumn] = &[
    ("minute", Kind::Timestamptz, |of| Field::Whole(of.minute.saturating_mul(MINUTE))),
    ("span_minutes", Kind::Int8, |of| Field::Whole(of.span_minutes)),
    ("fingerprint", Kind::Text, |of| Field::Text(of.key.fingerprint.to_string().into())),
    ("database", Kind::Text, |of| of.label(|labels| &labels.database)),
    ("user", Kind::Text, |of| of.label(|labels| &labels.user)),
    ("application", Kind::Text, |of| of.label(|labels| &labels.application)),
    ("calls", Kind::Int8, |of| whole(of.stats.calls)),
    ("errors", Kind::Int8, |of| whole(of.stats.failed())),
    ("lost", Kind::Int8, |of| whole(of.stats.lost)),
    ("rows", Kind::Int8, |of| whole(of.stats.rows)),
    ("bytes", Kind::Int8, |of| whole(of.stats.bytes_received.saturating_add(of.stats.bytes_sent))),
    ("bytes_received", Kind::Int8, |of| whole(of.stats.bytes_received)),
    ("bytes_sent", Kind::Int8, |of| whole(of.stats.bytes_sent)),
    ("total_ms", Kind::Float8, |of| ms(of.stats.total.sum_ms())),
    ("mean_ms", Kind::Float8, |of| ms(of.stats.total.mean_ms())),
    ("p50_ms", Kind::Float8, |of| ms(of.stats.total.quantile_ms(0.5))),
    ("p95_ms", Kind::Float8, |of| ms(of.stats.total.quantile_ms(0.95))),
    ("p99_ms", Kind::Float8, |of| ms(of.stats.total.quantile_ms(0.99))),
    ("max_ms", Kind::Float8, |of| ms(of.stats.total.max_ms())),
    ("wait_ms", Kind::Float8, |of| ms(of.stats.wait.sum_ms())),
    ("text", Kind::Text, |of| of.text()),
    ("tags", Kind::Text, |of| of.tags()),
];

fn columns() -> Vec<Column> {
    COLUMNS.iter().map(|(name, kind, _)| super::column(name, *kind)).collect()
}

/// One field.
enum Field {
    Null,
    Whole(i64),
    Float(f64),
    Text(Arc<str>),
}

fn whole(count: u64) -> Field {
    Field::Whole(i64::try_from(count).unwrap_or(i64::MAX))
}

fn ms(ms: f64) -> Field {
    Field::Float(super::milliseconds(ms))
}

/// What a row is made of.
struct Of<'a> {
    snapshot: &'a Snapshot,
    minute: i64,
    span_minutes: i64,
    key: RowKey,
    stats: &'a QueryStats,
}

impl Of<'_> {
    fn label(&self, part: fn(&model::Labels) -> &Arc<str>) -> Field {
        match self.snapshot.labels.get(&self.key.labels) {
            Some(labels) => Field::Text(Arc::clone(part(labels))),
            None if self.key.labels == LabelId::OTHERS => Field::Text("(others)".into()),
            None => Field::Null,
        }
    }

    fn tags(&self) -> Field {
        let labels = self.snapshot.labels.get(&self.key.labels);
        labels.map_or(Field::Null, |labels| Field::Text(tags_text(&labels.tags).into()))
    }

    fn text(&self) -> Field {
        match self.snapshot.shapes.get(&self.key.fingerprint) {
            Some(shape) => Field::Text(Arc::clone(&shape.text)),
            None if self.key.fingerprint == FingerprintId::OTHERS => Field::Text("(others)".into()),
            None => Field::Null,
        }
    }
}

/// Gives a connection the table.
pub(super) fn attach(whose: Whose, connection: &Connection, data: &Data) -> Result<()> {
    const MODULE: Module<'static, Minutes> = Module::eponymous_only_module();
    let history = History {
        whose,
        live: Arc::clone(&data.live),
        runtime: data.runtime.clone(),
        last: Mutex::default(),
    };
    connection.create_module(whose.table(), &MODULE, Some(Arc::new(history)))?;
    // Its first use declares it, which the authorizer would not allow.
    let name = whose.table().to_string_lossy();
    connection.prepare(&format!("SELECT * FROM {name} LIMIT 0")).map(drop)
}

/// Looks the history up.
struct History {
    whose: Whose,
    live: Arc<dyn Live>,
    runtime: Handle,
    /// What was read last: a join may ask for the same again and again.
    last: Mutex<Option<(Span, Arc<Found>)>>,
}

/// From when to when, µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: i64,
    until: i64,
}

/// What was read.
struct Found {
    snapshot: Arc<Snapshot>,
    /// Minutes by their place in the snapshot, and their rows.
    rows: Vec<(usize, RowKey)>,
}

impl History {
    fn read(&self, span: Span) -> Result<Arc<Found>> {
        if let Some((known, found)) = &*self.last.lock()
            && *known == span
        {
            return Ok(Arc::clone(found));
        }
        let time = |micros, beyond| Timestamp::from_microsecond(micros).unwrap_or(beyond);
        let (from, until) = (time(span.from, Timestamp::MIN), time(span.until, Timestamp::MAX));
        let snapshot = match self.whose {
            Whose::Own => self.runtime.block_on(self.live.past(from, until, Vec::new())),
            Whose::Fleet => {
                let read = self.runtime.block_on(self.live.fleet(from, until));
                read.map_err(rusqlite::Error::ModuleError)?
            }
        };
        let (first, last) = (span.from.div_euclid(MINUTE), span.until.div_euclid(MINUTE));
        let mut rows = Vec::new();
        for (place, minute) in snapshot.minutes.iter().enumerate() {
            if minute.overlaps(first, last) {
                rows.extend(minute.queries.keys().map(|key| (place, *key)));
            }
        }
        let found = Arc::new(Found { snapshot, rows });
        *self.last.lock() = Some((span, Arc::clone(&found)));
        Ok(found)
    }
}

/// The table, as SQLite holds it.
#[repr(C)]
struct Minutes {
    /// SQLite's part; it must stand first.
    base: ffi::sqlite3_vtab,
    history: Arc<History>,
}

// SAFETY: `Minutes` is `repr(C)` with `sqlite3_vtab` as its first field, which is all that the
// trait asks for.
unsafe impl<'vtab> VTab<'vtab> for Minutes {
    type Aux = Arc<History>;
    type Cursor = Cursor<'vtab>;

    fn connect(
        _: &mut VTabConnection,
        aux: Option<&Arc<History>>,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let Some(history) = aux else { return Err(rusqlite::Error::InvalidQuery) };
        let name = history.whose.table().to_string_lossy();
        let declaration = CString::new(super::definition(&name, &columns()))?;
        let base = ffi::sqlite3_vtab::default();
        Ok((Cow::Owned(declaration), Self { base, history: Arc::clone(history) }))
    }

    /// What is said of `minute` is asked for; SQLite checks it again row by row.
    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        let mut operators = String::new();
        for (constraint, mut usage) in info.constraints_and_usages() {
            let letter = match constraint.operator() {
                Op::SQLITE_INDEX_CONSTRAINT_EQ => '=',
                Op::SQLITE_INDEX_CONSTRAINT_GT | Op::SQLITE_INDEX_CONSTRAINT_GE => '>',
                Op::SQLITE_INDEX_CONSTRAINT_LT | Op::SQLITE_INDEX_CONSTRAINT_LE => '<',
                _ => continue,
            };
            if constraint.is_usable() && constraint.column() == 0 {
                operators.push(letter);
                usage.set_argv_index(c_int::try_from(operators.len()).unwrap_or_default());
            }
        }
        let rows = if operators.is_empty() { 1_000_000 } else { 50_000 };
        info.set_estimated_rows(rows);
        info.set_estimated_cost(rows as f64);
        info.set_idx_str(&operators);
        Ok(true)
    }

    fn open(&'vtab mut self) -> Result<Cursor<'vtab>> {
        Ok(Cursor {
            base: ffi::sqlite3_vtab_cursor::default(),
            history: Arc::clone(&self.history),
            found: None,
            at: 0,
            table: PhantomData,
        })
    }
}

/// A walk through the rows.
#[repr(C)]
struct Cursor<'vtab> {
    /// SQLite's part; it must stand first.
    base: ffi::sqlite3_vtab_cursor,
    history: Arc<History>,
    found: Option<Arc<Found>>,
    at: usize,
    table: PhantomData<&'vtab Minutes>,
}

// SAFETY: `Cursor` is `repr(C)` with `sqlite3_vtab_cursor` as its first field, which is all that
// the trait asks for.
unsafe impl VTabCursor for Cursor<'_> {
    fn filter(&mut self, _: c_int, operators: Option<&str>, args: &Filters<'_>) -> Result<()> {
        let mut span = Span { from: i64::MIN, until: i64::MAX };
        for (value, operator) in args.iter().zip(operators.unwrap_or_default().chars()) {
            let ValueRef::Integer(bound) = value else { continue };
            if operator != '<' {
                span.from = span.from.max(bound);
            }
            if operator != '>' {
                span.until = span.until.min(bound);
            }
        }
        self.found = Some(self.history.read(span)?);
        self.at = 0;
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.at += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.found.as_ref().is_none_or(|found| self.at >= found.rows.len())
    }

    fn column(&self, context: &mut Context, place: c_int) -> Result<()> {
        let row = self.found.as_ref().and_then(|found| {
            let (minute, key) = *found.rows.get(self.at)?;
            let minute = found.snapshot.minutes.get(minute)?;
            let stats = minute.queries.get(&key)?;
            let span_minutes = i64::from(minute.span_minutes);
            let snapshot = &found.snapshot;
            Some(Of { snapshot, minute: minute.minute, span_minutes, key, stats })
        });
        let column = usize::try_from(place).ok().and_then(|place| COLUMNS.get(place));
        match row.zip(column).map(|(row, (_, _, make))| make(&row)) {
            None | Some(Field::Null) => context.set_result(rusqlite::types::Null),
            Some(Field::Whole(number)) => context.set_result(number),
            Some(Field::Float(number)) => context.set_result(number),
            Some(Field::Text(text)) => context.set_result(super::cut(&text)),
        }
    }

    fn rowid(&self) -> Result<i64> {
        Ok(i64::try_from(self.at).unwrap_or(i64::MAX))
    }
}
