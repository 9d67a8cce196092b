//! `SHOW USERS`: the users known, with their connections now.

use super::{Rows, Show};
use crate::live::Live;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

pub(super) static USERS: Show = Show {
    name: "users",
    accepts: Accepts::Nothing,
    columns: &[&[
        Column::text("name"),
        Column::text("pool_size"),
        Column::text("reserve_pool_size"),
        Column::text("pool_mode"),
        Column::int4("max_user_connections"),
        Column::int4("current_connections"),
        Column::int4("max_user_client_connections"),
        Column::int4("current_client_connections"),
    ]],
    rows: Rows::Now(rows),
};

fn rows(live: &dyn Live) -> Vec<Row> {
    let (clients, servers) = (live.clients(), live.servers());
    let row = |user: String| {
        let clients = clients.iter().filter(|client| *client.pool.user == *user).count();
        let servers = servers.iter().filter(|server| *server.pool.user == *user).count();
        // Empty, NULL and zero: nothing of its own is set for the user.
        vec![
            Value::text(user),
            Value::text(""),
            Value::text(""),
            Value::Null,
            Value::Int4(0),
            Value::int4(servers),
            Value::Int4(0),
            Value::int4(clients),
        ]
    };
    live.users().into_iter().map(row).collect()
}
