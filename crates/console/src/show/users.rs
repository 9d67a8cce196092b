//! `SHOW USERS`: the users known, with their connections now.

use model::UserStatus;

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
    let row = |user: UserStatus| {
        let clients = clients.iter().filter(|client| *client.pool.user == *user.name).count();
        let servers = servers.iter().filter(|server| *server.pool.user == *user.name).count();
        // Empty, NULL and zero: nothing of its own is set for the user.
        let size =
            |size: Option<u32>| Value::text(size.map(|size| size.to_string()).unwrap_or_default());
        vec![
            Value::text(user.name),
            size(user.pool_size),
            size(user.reserve_pool_size),
            user.pool_mode.map_or(Value::Null, |mode| Value::text(mode.to_string())),
            Value::int4(user.max_connections.unwrap_or_default()),
            Value::int4(servers),
            Value::int4(user.max_client_connections.unwrap_or_default()),
            Value::int4(clients),
        ]
    };
    live.users().into_iter().map(row).collect()
}
