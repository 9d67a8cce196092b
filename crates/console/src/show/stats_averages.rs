//! `SHOW STATS_AVERAGES`: traffic by database, in the last minute.

use super::traffic::by_database;
use super::{Rows, Show, Tick};
use crate::refusal::Refusal;
use crate::statement::Accepts;
use crate::table::{Column, Row};

pub(super) static STATS_AVERAGES: Show = Show {
    name: "stats_averages",
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
        // PgBouncer's names are not of one kind (its stats.c).
        Column::numeric("avg_client_parse_count"),
        Column::numeric("avg_server_parse_count"),
        Column::numeric("avg_bind_count"),
    ]],
    rows: Rows::Tick(rows),
};

fn rows(tick: &Tick<'_>) -> Result<Vec<Row>, Refusal> {
    Ok(by_database(tick).iter().map(|traffic| traffic.row(&[traffic.averages])).collect())
}
