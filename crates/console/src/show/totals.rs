//! `SHOW TOTALS`: the traffic of all databases together, a counter a row.

use super::traffic::{Counters, of_all};
use super::{Rows, Show, Tick};
use crate::refusal::Refusal;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

pub(super) static TOTALS: Show = Show {
    name: "totals",
    accepts: Accepts::Nothing,
    columns: &[&[Column::text("name"), Column::numeric("value")]],
    rows: Rows::Tick(rows),
};

/// What PgBouncer calls them here, in the order of [`Counters`].
const NAMES: [&str; 11] = [
    "server_assignment_count",
    "xact_count",
    "query_count",
    "client_bytes",
    "server_bytes",
    "xact_time",
    "query_time",
    "wait_time",
    "ps_client_parse_count",
    "ps_server_parse_count",
    "ps_bind_count",
];

fn rows(tick: &Tick<'_>) -> Result<Vec<Row>, Refusal> {
    let (totals, averages) = of_all(tick);
    let group = |prefix: &'static str, counters: Counters| {
        NAMES.into_iter().zip(counters).map(move |(name, value)| {
            vec![Value::text(format!("{prefix}_{name}")), Value::Numeric(value)]
        })
    };
    Ok(group("total", totals).chain(group("avg", averages)).collect())
}
