//! `SHOW HOSTS`: one row for each server that pools go to; of a name that leads to several addresses,
//! one for each.

use model::HostStatus;

use super::{Rows, Show, time};
use crate::live::Live;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

pub(super) static HOSTS: Show = Show {
    name: "hosts",
    accepts: Accepts::Nothing,
    columns: &[&[
        Column::text("host"),
        Column::int4("port"),
        Column::text("address"),
        Column::text("state"),
        Column::text("role"),
        Column::bool("read_only"),
        Column::float8("lag_ms"),
        Column::int8("timeline"),
        Column::text("check_time"),
        Column::int4("current_connections"),
        Column::text("databases"),
        Column::text("last_error"),
    ]],
    rows: Rows::Now(rows),
};

fn rows(live: &dyn Live) -> Vec<Row> {
    live.hosts().iter().map(row).collect()
}

fn row(host: &HostStatus) -> Row {
    let text = |text: &Option<String>| text.as_deref().map_or(Value::Null, Value::text);
    vec![
        Value::text(&*host.host),
        Value::int4(host.port),
        Value::text(&*host.address),
        Value::text(host.state.as_str()),
        host.role.map_or(Value::Null, Value::text),
        host.read_only.map_or(Value::Null, Value::Bool),
        host.lag.map_or(Value::Null, |lag| Value::Float8(lag.as_secs_f64() * 1e3)),
        host.timeline.map_or(Value::Null, Value::int8),
        host.checked.map_or(Value::Null, |at| Value::text(time(at))),
        Value::int4(host.connections),
        Value::text(host.databases.join(",")),
        text(&host.last_error),
    ]
}
