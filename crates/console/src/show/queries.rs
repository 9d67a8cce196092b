//! `SHOW QUERIES [n]`: the statements that took the most time in the last quarter of an hour, by
//! database, user and application.

use std::time::Duration;

use model::{FingerprintId, LabelId, QueryStats, RowKey, Snapshot};

use super::{Rows, Show, Tick};
use crate::refusal::Refusal;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

/// How far back it looks.
pub(crate) const WINDOW: Duration = Duration::from_secs(15 * 60);
/// Rows shown if no number is given.
const DEFAULT_ROWS: usize = 20;

pub(super) static QUERIES: Show = Show {
    name: "queries",
    accepts: Accepts::Limit,
    columns: &[&[
        Column::int8("rank"),
        Column::text("fingerprint"),
        Column::text("database"),
        Column::text("user"),
        Column::text("application"),
        Column::int8("calls"),
        Column::int8("errors"),
        Column::int8("rows"),
        Column::int8("bytes"),
        Column::float8("total_ms"),
        Column::float8("mean_ms"),
        Column::float8("p50_ms"),
        Column::float8("p95_ms"),
        Column::float8("p99_ms"),
        Column::float8("max_ms"),
        Column::float8("wait_ms"),
        Column::text("text"),
        Column::text("tags"),
    ]],
    rows: Rows::Tick(rows),
};

fn rows(tick: &Tick<'_>) -> Result<Vec<Row>, Refusal> {
    let snapshot = &tick.published.snapshot;
    let window = snapshot.window(WINDOW);
    let mut queries: Vec<_> = window.queries.iter().collect();
    queries.sort_by(|(key_a, a), (key_b, b)| {
        b.total.sum_ms().total_cmp(&a.total.sum_ms()).then_with(|| key_a.cmp(key_b))
    });
    queries.truncate(tick.arguments.limit.unwrap_or(DEFAULT_ROWS));
    let ranked = (1usize..).zip(queries);
    Ok(ranked.map(|(rank, (key, stats))| row(rank, *key, stats, snapshot)).collect())
}

/// One statement's row.
pub(crate) fn row(rank: usize, key: RowKey, stats: &QueryStats, snapshot: &Snapshot) -> Row {
    let labels = snapshot.labels.get(&key.labels);
    let label = |text: Option<&str>| match text {
        Some(text) => Value::text(text),
        None if key.labels == LabelId::OTHERS => Value::text("(others)"),
        None => Value::Null,
    };
    let text = match snapshot.shapes.get(&key.fingerprint) {
        Some(shape) => Value::text(&*shape.text),
        None if key.fingerprint == FingerprintId::OTHERS => Value::text("(others)"),
        None => Value::Null,
    };
    vec![
        Value::int8(rank),
        Value::text(key.fingerprint.to_string()),
        label(labels.map(|labels| &*labels.database)),
        label(labels.map(|labels| &*labels.user)),
        label(labels.map(|labels| &*labels.application)),
        Value::int8(stats.calls),
        Value::int8(stats.failed()),
        Value::int8(stats.rows),
        Value::int8(stats.bytes_received.saturating_add(stats.bytes_sent)),
        milliseconds(stats.total.sum_ms()),
        milliseconds(stats.total.mean_ms()),
        milliseconds(stats.total.quantile_ms(0.5)),
        milliseconds(stats.total.quantile_ms(0.95)),
        milliseconds(stats.total.quantile_ms(0.99)),
        milliseconds(stats.total.max_ms()),
        milliseconds(stats.wait.sum_ms()),
        text,
        Value::text(labels.map_or_else(String::new, |labels| tags(&labels.tags))),
    ]
}

/// `action=show, controller=cart`.
pub(crate) fn tags(tags: &model::Tags) -> String {
    let tags: Vec<_> = tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
    tags.join(", ")
}

/// To a microsecond; more digits would only look exact.
fn milliseconds(ms: f64) -> Value {
    Value::Float8((ms * 1e3).round() / 1e3)
}
