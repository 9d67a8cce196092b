//! `SHOW STATS`: traffic by database, in all and in the last minute.

use super::traffic::by_database;
use super::{Rows, Show, Tick};
use crate::refusal::Refusal;
use crate::statement::Accepts;
use crate::table::{Column, Row};

pub(super) static STATS: Show = Show {
    name: "stats",
    accepts: Accepts::Nothing,
    columns: &[&[
        Column::text("database"),
        Column::numeric("total_server_assignment_count"),
        Column::numeric("total_xact_count"),
        Column::numeric("total_query_count"),
        Column::numeric("total_received"),
        Column::numeric("total_sent"),
        Column::numeric("total_xact_time"),
        Column::numeric("total_query_time"),
        Column::numeric("total_wait_time"),
        Column::numeric("total_client_parse_count"),
        Column::numeric("total_server_parse_count"),
        Column::numeric("total_bind_count"),
        Column::numeric("avg_server_assignment_count"),
        Column::numeric("avg_xact_count"),
        Column::numeric("avg_query_count"),
        Column::numeric("avg_recv"),
        Column::numeric("avg_sent"),
        Column::numeric("avg_xact_time"),
        Column::numeric("avg_query_time"),
        Column::numeric("avg_wait_time"),
        Column::numeric("avg_client_parse_count"),
        Column::numeric("avg_server_parse_count"),
        Column::numeric("avg_bind_count"),
    ]],
    rows: Rows::Tick(rows),
};

fn rows(tick: &Tick<'_>) -> Result<Vec<Row>, Refusal> {
    Ok(by_database(tick)
        .iter()
        .map(|traffic| traffic.row(&[traffic.totals, traffic.averages]))
        .collect())
}
