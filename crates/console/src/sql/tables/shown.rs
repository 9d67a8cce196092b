//! The tables that SHOW has too: its columns, with times and counts as such, and more of them.

use model::{ClientStatus, ServerStatus};

use super::{Data, SqlTable, text_or_null};
use crate::refusal::Refusal;
use crate::show::{self, Rows, Show};
use crate::sql::time;
use crate::statement::Arguments;
use crate::table::{Column, Kind, Row, Value};

pub(super) static POOLS: SqlTable = SqlTable::own(
    "pools",
    "One row for each database and user: its clients, its server connections, who waits.",
    || {
        with(
            show::find("pools"),
            &[Column::int4("size"), Column::bool("paused"), Column::text("last_failure")],
        )
    },
    |data| {
        let pools = data.live.pools();
        let rows = pools.iter().map(show::pools::row).collect();
        let more = pools.iter().map(|pool| {
            let failure = text_or_null(pool.last_failure.clone());
            vec![Value::int4(pool.size), Value::Bool(pool.paused), failure]
        });
        Ok(converted(show::find("pools"), rows, more))
    },
);

pub(super) static CLIENTS: SqlTable = SqlTable::own(
    "clients",
    "One row for each client connection: what it runs or ran last, why it is pinned, which server \
     connection it holds (`server` is `servers.id`).",
    || {
        let more = [Column::text("application"), Column::int8("server"), Column::float8("wait_ms")];
        with(show::find("clients"), &more)
    },
    |data| {
        let clients = data.live.clients();
        let rows = clients.iter().map(|client| show::clients::row(client, &*data.live)).collect();
        Ok(converted(show::find("clients"), rows, clients.iter().map(client)))
    },
);

fn client(client: &ClientStatus) -> Row {
    vec![
        Value::text(&*client.application),
        client.server.map_or(Value::Null, |server| Value::int8(server.0)),
        Value::Float8(super::milliseconds(client.waiting.as_secs_f64() * 1e3)),
    ]
}

pub(super) static SERVERS: SqlTable = SqlTable::own(
    "servers",
    "One row for each server connection; `client` is the `clients.id` that holds it.",
    || with(show::find("servers"), &[Column::int8("client")]),
    |data| {
        let servers = data.live.servers();
        let rows = show::servers::rows_of(&servers, &*data.live);
        Ok(converted(show::find("servers"), rows, servers.iter().map(server)))
    },
);

fn server(server: &ServerStatus) -> Row {
    vec![server.client.map_or(Value::Null, |client| Value::int8(client.0))]
}

pub(super) static DATABASES: SqlTable = SqlTable::own(
    "databases",
    "The databases configured, and those met, with their limits.",
    || with(show::find("databases"), &[]),
    |data| plain(show::find("databases"), data),
);

pub(super) static HOSTS: SqlTable = SqlTable::own(
    "hosts",
    "The servers that pools go to: what each is, whether it is there, how far it is behind.",
    || with(show::find("hosts"), &[]),
    |data| plain(show::find("hosts"), data),
);

pub(super) static USERS: SqlTable = SqlTable::own(
    "users",
    "The users known, with their connections now.",
    || with(show::find("users"), &[]),
    |data| plain(show::find("users"), data),
);

pub(super) static PEERS: SqlTable = SqlTable::own(
    "peers",
    "The other poolers that cancel requests for their clients are passed on to.",
    || with(show::find("peers"), &[]),
    |data| plain(show::find("peers"), data),
);

pub(super) static PEER_POOLS: SqlTable = SqlTable::own(
    "peer_pools",
    "Cancel requests on their way to each of them.",
    || with(show::find("peer_pools"), &[]),
    |data| plain(show::find("peer_pools"), data),
);

pub(super) static STATS: SqlTable = SqlTable::own(
    "stats",
    "Traffic by database since the start, and in the last minute; times are µs, as PgBouncer's.",
    || with(show::find("stats"), &[]),
    |data| plain(show::find("stats"), data),
);

pub(super) static STATS_TOTALS: SqlTable = SqlTable::own(
    "stats_totals",
    "Traffic by database since the start; times are µs.",
    || with(show::find("stats_totals"), &[]),
    |data| plain(show::find("stats_totals"), data),
);

pub(super) static STATS_AVERAGES: SqlTable = SqlTable::own(
    "stats_averages",
    "Traffic by database in the last minute; times are µs.",
    || with(show::find("stats_averages"), &[]),
    |data| plain(show::find("stats_averages"), data),
);

pub(super) static TOTALS: SqlTable = SqlTable::own(
    "totals",
    "Traffic of all databases together since the start, and in the last minute; times are µs.",
    || with(show::find("totals"), &[]),
    |data| plain(show::find("totals"), data),
);

pub(super) static SOCKETS: SqlTable = SqlTable::own(
    "sockets",
    "Client and server connections in one table; what PgBouncer says of its buffers is NULL.",
    || with(show::find("sockets"), &[]),
    |data| plain(show::find("sockets"), data),
);

pub(super) static ACTIVE_SOCKETS: SqlTable = SqlTable::own(
    "active_sockets",
    "The same of connections at which something is done.",
    || with(show::find("active_sockets"), &[]),
    |data| plain(show::find("active_sockets"), data),
);

pub(super) static LISTS: SqlTable = SqlTable::own(
    "lists",
    "How many there are of everything.",
    || with(show::find("lists"), &[]),
    |data| plain(show::find("lists"), data),
);

pub(super) static STATE: SqlTable = SqlTable::own(
    "state",
    "Whether the pooler is at work or paused.",
    || with(show::find("state"), &[]),
    |data| plain(show::find("state"), data),
);

pub(super) static VERSION: SqlTable = SqlTable::own(
    "version",
    "pgweir's version.",
    || with(show::find("version"), &[]),
    |data| plain(show::find("version"), data),
);

/// SHOW's columns as SQL has them, and more.
pub(super) fn with(show: Option<&Show>, more: &[Column]) -> Vec<Column> {
    let columns = show.map(Show::columns).unwrap_or_default().into_iter().map(|column| {
        let kind = kind(&column);
        Column { kind, ..column }
    });
    columns.chain(more.iter().cloned()).collect()
}

/// PgBouncer writes times as text, and counts as numeric.
fn kind(column: &Column) -> Kind {
    match column.kind {
        Kind::Numeric => Kind::Int8,
        Kind::Text if column.name.ends_with("_time") => Kind::Timestamptz,
        kind => kind,
    }
}

fn plain(show: Option<&'static Show>, data: &Data) -> Result<Vec<Row>, Refusal> {
    joined(show, data, std::iter::repeat_with(Vec::new))
}

/// SHOW's rows as SQL has them; `more` are the rest of each row.
pub(super) fn joined(
    show: Option<&'static Show>,
    data: &Data,
    more: impl Iterator<Item = Row>,
) -> Result<Vec<Row>, Refusal> {
    let Some(show) = show else { return Ok(Vec::new()) };
    let arguments = Arguments { limit: Some(usize::MAX), ..Arguments::default() };
    let rows = match show.rows {
        Rows::Now(rows) => rows(&*data.live),
        Rows::Tick(rows) => rows(&data.tick(&arguments))?,
    };
    Ok(converted(Some(show), rows, more))
}

/// Rows of SHOW's as SQL has them; `more` are the rest of each row.
fn converted(
    show: Option<&'static Show>,
    rows: Vec<Row>,
    more: impl Iterator<Item = Row>,
) -> Vec<Row> {
    let kinds: Vec<_> = show.map(Show::columns).unwrap_or_default().iter().map(kind).collect();
    let rows = rows.into_iter().zip(more).map(|(row, more)| {
        row.into_iter().zip(&kinds).map(|(value, kind)| as_kind(value, *kind)).chain(more).collect()
    });
    rows.collect()
}

fn as_kind(value: Value, kind: Kind) -> Value {
    match (value, kind) {
        (Value::Text(text), Kind::Timestamptz) => {
            time::parse_timestamp(&text).map_or(Value::Null, Value::Time)
        }
        (Value::Numeric(number), _) => Value::int8(number),
        (value, _) => value,
    }
}
