//! `SHOW STATS_TOTALS`: traffic by database, in all.

use super::traffic::by_database;
use super::{Rows, Show, Tick};
use crate::refusal::Refusal;
use crate::statement::Accepts;
use crate::table::{Column, Row};

pub(super) static STATS_TOTALS: Show = Show {
    name: "stats_totals",
    accepts: Accepts::Nothing,
    columns: &[&[
        Column::text("database"),
        Column::numeric("server_assignment_count"),
        Column::numeric("xact_count"),
        Column::numeric("query_count"),
        Column::numeric("bytes_received"),
        Column::numeric("bytes_sent"),
        Column::numeric("xact_time"),
        Column::numeric("query_time"),
        Column::numeric("wait_time"),
        Column::numeric("client_parse_count"),
        Column::numeric("server_parse_count"),
        Column::numeric("bind_count"),
    ]],
    rows: Rows::Tick(rows),
};

fn rows(tick: &Tick<'_>) -> Result<Vec<Row>, Refusal> {
    Ok(by_database(tick).iter().map(|traffic| traffic.row(&[traffic.totals])).collect())
}
