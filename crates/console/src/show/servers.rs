//! `SHOW SERVERS`: one row for each server connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use model::{ClientId, ServerState, ServerStatus};

use super::connection::{self, Connection, pointer};
use super::{Rows, Show};
use crate::live::Live;
use crate::statement::Accepts;
use crate::table::Row;

pub(super) static SERVERS: Show = Show {
    name: "servers",
    accepts: Accepts::Nothing,
    columns: &[connection::COLUMNS],
    rows: Rows::Now(rows),
};

fn rows(live: &dyn Live) -> Vec<Row> {
    let applications: HashMap<ClientId, Arc<str>> =
        live.clients().into_iter().map(|client| (client.id, client.application)).collect();
    live.servers().iter().map(|server| row(server, &applications)).collect()
}

fn row(server: &ServerStatus, applications: &HashMap<ClientId, Arc<str>>) -> Row {
    let application = server.client.and_then(|client| applications.get(&client));
    let connection = Connection {
        side: "S",
        pool: &server.pool,
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
        application: application.map_or("", |name| name),
        prepared_statements: server.prepared_statements,
    };
    connection.row()
}
