//! `SHOW REPORT ['since' [n]]`: the whole report as JSON, in one field.

use ::report::{ProcessFacts, Report, ReportOptions, render};

use super::{Rows, Show, Tick};
use crate::refusal::Refusal;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

pub(super) static REPORT: Show = Show {
    name: "report",
    accepts: Accepts::SinceAndLimit,
    columns: &[&[Column::text("report")]],
    rows: Rows::Tick(rows),
};

fn rows(tick: &Tick<'_>) -> Result<Vec<Row>, Refusal> {
    let default = ReportOptions::default();
    let options = ReportOptions {
        since: tick.arguments.since.unwrap_or(default.since),
        top: tick.arguments.limit.unwrap_or(default.top),
    };
    let process = ProcessFacts {
        version: tick.live.version().to_owned(),
        started_at: tick.live.started_at(),
    };
    let report = Report::build(tick.published, &options, &process);
    let json = render::json(&report)
        .map_err(|error| Refusal::error("XX000", format!("report not written: {error}")))?;
    Ok(vec![vec![Value::Text(json)]])
}
