//! What `SHOW CLIENTS` and `SHOW SERVERS` have in common.

use std::time::Duration;

use jiff::Timestamp;
use model::{Address, ClientStatus, PoolKey, Replication, ShapeId};

use super::time;
use crate::live::Live;
use crate::table::{Column, Row, Value};

pub(super) const COLUMNS: &[Column] = &[
    Column::text("type"),
    Column::text("user"),
    Column::text("database"),
    Column::text("replication"),
    Column::text("state"),
    Column::text("addr"),
    Column::int4("port"),
    Column::text("local_addr"),
    Column::int4("local_port"),
    Column::text("connect_time"),
    Column::text("request_time"),
    Column::int4("wait"),
    Column::int4("wait_us"),
    Column::int4("close_needed"),
    Column::text("ptr"),
    Column::text("link"),
    Column::int4("remote_pid"),
    Column::text("tls"),
    Column::text("application_name"),
    Column::int4("prepared_statements"),
    Column::int4("id"),
];

/// What PgBouncer does not tell: of the client, or of the one that holds the server connection.
pub(super) const ACTIVITY: &[Column] = &[
    Column::text("pinned"),
    Column::text("fingerprint"),
    Column::text("activity"),
    Column::text("activity_time"),
];

/// The values of [`ACTIVITY`]; without a client all are NULL.
pub(super) fn activity(client: Option<&ClientStatus>, live: &dyn Live) -> [Value; 4] {
    let Some(client) = client else { return [const { Value::Null }; 4] };
    let fingerprint = match client.statement {
        ShapeId::OTHERS => None,
        shape => live.fingerprint(shape),
    };
    [
        client.pinned.map_or(Value::Null, Value::text),
        fingerprint.map_or(Value::Null, |fingerprint| Value::text(fingerprint.to_string())),
        Value::text(client.state.as_str()),
        Value::text(time(client.since)),
    ]
}

/// A client or server connection.
pub(super) struct Connection<'a> {
    /// `C` or `S`.
    pub(super) side: &'static str,
    pub(super) pool: &'a PoolKey,
    pub(super) replication: Replication,
    pub(super) state: &'static str,
    pub(super) address: Address,
    pub(super) local_address: Address,
    pub(super) tls: &'static str,
    pub(super) connected: Timestamp,
    pub(super) requested: Timestamp,
    pub(super) waiting: Duration,
    pub(super) close_needed: bool,
    pub(super) id: u64,
    /// `ptr` of the connection at the other side.
    pub(super) link: Option<String>,
    pub(super) remote_pid: i32,
    pub(super) application: &'a str,
    pub(super) prepared_statements: u32,
}

/// Stands for PgBouncer's memory address: unique, and the same in `ptr` and `link`.
pub(super) fn pointer(side: &str, id: u64) -> String {
    format!("{side}{id}")
}

impl Connection<'_> {
    pub(super) fn row(self) -> Row {
        vec![
            Value::text(self.side),
            Value::text(&*self.pool.user),
            Value::text(&*self.pool.database),
            Value::text(self.replication.as_str()),
            Value::text(self.state),
            Value::text(self.address.host()),
            Value::int4(self.address.port()),
            Value::text(self.local_address.host()),
            Value::int4(self.local_address.port()),
            Value::text(time(self.connected)),
            Value::text(time(self.requested)),
            Value::int4(self.waiting.as_secs()),
            Value::int4(self.waiting.subsec_micros()),
            Value::int4(self.close_needed),
            Value::text(pointer(self.side, self.id)),
            Value::text(self.link.unwrap_or_default()),
            Value::Int4(self.remote_pid),
            Value::text(self.tls),
            Value::text(self.application),
            Value::int4(self.prepared_statements),
            Value::int4(self.id),
        ]
    }
}
