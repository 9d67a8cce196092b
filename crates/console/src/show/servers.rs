//! `SHOW SERVERS`: one row for each server connection, with what its client does with it.

use std::collections::HashMap;
use std::time::Duration;

use model::{ClientId, ClientStatus, ServerState, ServerStatus};

use super::connection::{self, Connection, pointer};
use super::{Rows, Show};
use crate::live::Live;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

/// The host that it goes to, as it is written: `addr` is where that led.
const HOST: &[Column] = &[Column::text("host")];

pub(super) static SERVERS: Show = Show {
    name: "servers",
    accepts: Accepts::Nothing,
    columns: &[connection::COLUMNS, connection::ACTIVITY, HOST],
    rows: Rows::Now(rows),
};

fn rows(live: &dyn Live) -> Vec<Row> {
    rows_of(&live.servers(), live)
}

/// The rows of these.
pub(crate) fn rows_of(servers: &[ServerStatus], live: &dyn Live) -> Vec<Row> {
    let clients: HashMap<ClientId, ClientStatus> =
        live.clients().into_iter().map(|client| (client.id, client)).collect();
    servers.iter().map(|server| row(server, &clients, live)).collect()
}

fn row(server: &ServerStatus, clients: &HashMap<ClientId, ClientStatus>, live: &dyn Live) -> Row {
    let client = server.client.and_then(|client| clients.get(&client));
    let connection = Connection {
        side: "S",
        pool: &server.pool,
        replication: server.replication,
        state: match server.state {
            ServerState::Login => "new",
            ServerState::Idle => "idle",
            ServerState::Active => "active",
            ServerState::Tested => "tested",
        },
        address: server.address,
        local_address: server.local_address,
        tls: server.tls,
        connected: server.connected,
        requested: server.requested,
        waiting: Duration::ZERO,
        close_needed: server.close_needed,
        id: server.id.0,
        link: server.client.map(|client| pointer("C", client.0)),
        remote_pid: server.remote_pid,
        application: client.map_or("", |client| &client.application),
        prepared_statements: server.prepared_statements,
    };
    let mut row = connection.row();
    row.extend(connection::activity(client, live));
    row.push(Value::text(&*server.host));
    row
}
