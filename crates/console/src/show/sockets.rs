//! `SHOW SOCKETS` and `SHOW ACTIVE_SOCKETS`: client and server connections in one table.

use model::{ClientState, ServerState};

use super::{Rows, Show, clients, connection, servers};
use crate::live::Live;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

pub(super) static SOCKETS: Show = Show {
    name: "sockets",
    accepts: Accepts::Nothing,
    columns: &[connection::COLUMNS, BUFFERS],
    rows: Rows::Now(|live| rows(live, false)),
};

pub(super) static ACTIVE_SOCKETS: Show = Show {
    name: "active_sockets",
    accepts: Accepts::Nothing,
    columns: &[connection::COLUMNS, BUFFERS],
    rows: Rows::Now(|live| rows(live, true)),
};

/// PgBouncer's places in its buffers. There is nothing like them here: all are NULL.
const BUFFERS: &[Column] = &[
    Column::int4("recv_pos"),
    Column::int4("pkt_pos"),
    Column::int4("pkt_remain"),
    Column::int4("send_pos"),
    Column::int4("send_remain"),
    Column::int4("pkt_avail"),
    Column::int4("send_avail"),
];

/// Where a row has its state.
const STATE: usize = 4;

fn rows(live: &dyn Live, active: bool) -> Vec<Row> {
    let works = |state| matches!(state, ClientState::Active | ClientState::Waiting);
    let clients = live.clients().into_iter().filter(|client| !active || works(client.state));
    let clients = clients.map(|client| {
        let state = match client.state {
            ClientState::Login => "cl_login",
            ClientState::Waiting => "cl_waiting",
            _ => "cl_active",
        };
        (state, clients::row(&client, live))
    });
    let works = |state| matches!(state, ServerState::Active | ServerState::Tested);
    let servers = live.servers().into_iter().filter(|server| !active || works(server.state));
    let servers: Vec<_> = servers.collect();
    let states = servers.iter().map(|server| match server.state {
        ServerState::Login => "sv_login",
        ServerState::Idle => "sv_idle",
        ServerState::Active => "sv_active",
        ServerState::Tested => "sv_tested",
    });
    let servers = states.zip(servers::rows_of(&servers, live));
    let row = |(state, mut row): (&'static str, Row)| {
        row.truncate(connection::COLUMNS.len());
        row[STATE] = Value::text(state);
        row.extend(BUFFERS.iter().map(|_| Value::Null));
        row
    };
    clients.chain(servers).map(row).collect()
}
