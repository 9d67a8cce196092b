//! `queries`: what the last quarter of an hour was spent on.

use model::QueryStats;

use super::shown::with;
use super::{Data, SqlTable, text_or_null};
use crate::refusal::Refusal;
use crate::show;
use crate::show::queries::{WINDOW, row as query_row};
use crate::table::{Column, Row, Value};

pub(super) static QUERIES: SqlTable = SqlTable::own(
    "queries",
    "The statements of the last 15 minutes, one row for each fingerprint, database, user and \
     application; `rank` is by `total_ms`.",
    || {
        let more = [
            Column::text("class"),
            Column::int8("lost"),
            Column::int8("bytes_received"),
            Column::int8("bytes_sent"),
            Column::float8("min_ms"),
            Column::timestamptz("first_seen"),
            Column::timestamptz("last_seen"),
        ];
        with(show::find("queries"), &more)
    },
    rows,
);

fn rows(data: &Data) -> Result<Vec<Row>, Refusal> {
    let snapshot = &data.published.snapshot;
    let window = snapshot.window(WINDOW);
    let mut queries: Vec<_> = window.queries.iter().collect();
    queries.sort_by(|(key_a, a), (key_b, b)| {
        b.total.sum_ms().total_cmp(&a.total.sum_ms()).then_with(|| key_a.cmp(key_b))
    });
    let ranked = (1usize..).zip(queries);
    let rows = ranked.map(|(rank, (key, stats))| {
        let mut row = query_row(rank, *key, stats, snapshot);
        let shape = snapshot.shapes.get(&key.fingerprint);
        row.push(text_or_null(shape.map(|shape| &*shape.class)));
        row.extend(counters(stats));
        row.push(shape.map_or(Value::Null, |shape| Value::time(shape.first_seen)));
        row.push(shape.map_or(Value::Null, |shape| Value::time(shape.last_seen)));
        row
    });
    Ok(rows.collect())
}

fn counters(stats: &QueryStats) -> [Value; 4] {
    [
        Value::int8(stats.lost),
        Value::int8(stats.bytes_received),
        Value::int8(stats.bytes_sent),
        Value::Float8(super::milliseconds(stats.total.min_ms())),
    ]
}
