//! `SHOW CLIENTS`: one row for each client connection, with why it is pinned and what it runs.

use model::{ClientState, ClientStatus};

use super::connection::{self, Connection, pointer};
use super::{Rows, Show};
use crate::live::Live;
use crate::statement::Accepts;
use crate::table::Row;

pub(super) static CLIENTS: Show = Show {
    name: "clients",
    accepts: Accepts::Nothing,
    columns: &[connection::COLUMNS, connection::ACTIVITY],
    rows: Rows::Now(rows),
};

fn rows(live: &dyn Live) -> Vec<Row> {
    live.clients().iter().map(|client| row(client, live)).collect()
}

/// One client's row.
pub(crate) fn row(client: &ClientStatus, live: &dyn Live) -> Row {
    let connection = Connection {
        side: "C",
        pool: &client.pool,
        replication: client.replication,
        state: match client.state {
            ClientState::Login => "login",
            ClientState::Idle => "idle",
            ClientState::Waiting => "waiting",
            // PgBouncer does not tell them apart.
            ClientState::Active
            | ClientState::IdleInTransaction
            | ClientState::IdlePinned
            | ClientState::IdleInSession => "active",
        },
        address: client.address,
        local_address: client.local_address,
        tls: client.tls,
        connected: client.connected,
        requested: client.requested,
        waiting: client.waiting,
        close_needed: false,
        id: client.id.0,
        link: client.server.map(|server| pointer("S", server.0)),
        remote_pid: client.process_id.unwrap_or(0),
        application: &client.application,
        prepared_statements: client.prepared_statements,
    };
    let mut row = connection.row();
    row.extend(connection::activity(Some(client), live));
    row
}
