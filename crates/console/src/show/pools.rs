//! `SHOW POOLS`: one row for each database and user.

use model::PoolStatus;

use super::{Rows, Show};
use crate::live::Live;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

pub(super) static POOLS: Show = Show {
    name: "pools",
    accepts: Accepts::Nothing,
    columns: &[&[
        Column::text("database"),
        Column::text("user"),
        Column::int4("cl_active"),
        Column::int4("cl_waiting"),
        Column::int4("cl_active_cancel_req"),
        Column::int4("cl_waiting_cancel_req"),
        Column::int4("sv_active"),
        Column::int4("sv_active_cancel"),
        Column::int4("sv_being_canceled"),
        Column::int4("sv_idle"),
        Column::int4("sv_used"),
        Column::int4("sv_tested"),
        Column::int4("sv_login"),
        Column::int4("maxwait"),
        Column::int4("maxwait_us"),
        Column::text("pool_mode"),
        Column::text("load_balance_hosts"),
        Column::int4("cl_pinned"),
        Column::int8("xact_count"),
        Column::int8("pinned_xact_count"),
        Column::float8("wait_p95_ms"),
    ]],
    rows: Rows::Now(rows),
};

fn rows(live: &dyn Live) -> Vec<Row> {
    live.pools().iter().map(row).collect()
}

/// One pool's row.
pub(crate) fn row(pool: &PoolStatus) -> Row {
    vec![
        Value::text(&*pool.key.database),
        Value::text(&*pool.key.user),
        Value::int4(pool.clients_active),
        Value::int4(pool.clients_waiting),
        Value::int4(pool.cancels_active),
        Value::Int4(0),
        Value::int4(pool.servers_active),
        // A cancel request has a connection of its own, which is in no pool.
        Value::Int4(0),
        Value::Int4(0),
        Value::int4(pool.servers_idle),
        // PgBouncer's "used" are idle ones due for a check; here the check comes with the use.
        Value::Int4(0),
        Value::int4(pool.servers_tested),
        Value::int4(pool.servers_login),
        Value::int4(pool.longest_wait.as_secs()),
        Value::int4(pool.longest_wait.subsec_micros()),
        Value::text(pool.mode.to_string()),
        pool.load_balance_hosts.map_or(Value::Null, Value::text),
        Value::int4(pool.clients_pinned),
        Value::int8(pool.transactions),
        Value::int8(pool.pinned_transactions),
        Value::Float8(pool.wait_p95.as_secs_f64() * 1e3),
    ]
}
