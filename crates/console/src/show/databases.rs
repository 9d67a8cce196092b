//! `SHOW DATABASES`: the databases configured, and those met.

use model::DatabaseStatus;

use super::{Rows, Show};
use crate::live::Live;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

pub(super) static DATABASES: Show = Show {
    name: "databases",
    accepts: Accepts::Nothing,
    columns: &[&[
        Column::text("name"),
        Column::text("host"),
        Column::int4("port"),
        Column::text("database"),
        Column::text("force_user"),
        Column::int4("pool_size"),
        Column::int4("min_pool_size"),
        Column::int4("reserve_pool_size"),
        Column::int4("server_lifetime"),
        Column::text("pool_mode"),
        Column::text("load_balance_hosts"),
        Column::int4("max_connections"),
        Column::int4("current_connections"),
        Column::int4("max_client_connections"),
        Column::int4("current_client_connections"),
        Column::int4("paused"),
        Column::int4("disabled"),
        Column::text("target_session_attrs"),
    ]],
    rows: Rows::Now(rows),
};

fn rows(live: &dyn Live) -> Vec<Row> {
    live.databases().iter().map(row).collect()
}

fn row(database: &DatabaseStatus) -> Row {
    // Zero means that there is no limit, as in PgBouncer.
    vec![
        Value::text(&*database.name),
        Value::text(&*database.host),
        Value::int4(database.port),
        Value::text(&*database.database),
        database.force_user.as_deref().map_or(Value::Null, Value::text),
        Value::int4(database.pool_size),
        Value::int4(database.min_pool_size),
        Value::int4(database.reserve_pool_size),
        Value::int4(database.server_lifetime.as_secs()),
        Value::text(database.mode.to_string()),
        database.load_balance_hosts.map_or(Value::Null, Value::text),
        Value::int4(database.max_connections.unwrap_or_default()),
        Value::int4(database.servers),
        Value::int4(database.max_client_connections.unwrap_or_default()),
        Value::int4(database.clients),
        Value::int4(database.paused),
        Value::int4(database.disabled),
        Value::text(database.target_session_attrs),
    ]
}
