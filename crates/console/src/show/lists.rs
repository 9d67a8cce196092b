//! `SHOW LISTS`: how many there are of everything.

use model::ClientState;

use super::{Rows, Show};
use crate::live::Live;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

pub(super) static LISTS: Show = Show {
    name: "lists",
    accepts: Accepts::Nothing,
    columns: &[&[Column::text("list"), Column::int4("items")]],
    rows: Rows::Now(rows),
};

fn rows(live: &dyn Live) -> Vec<Row> {
    let clients = live.clients();
    let login = clients.iter().filter(|client| client.state == ClientState::Login).count();
    let peers = live.peers().len();
    // "Free" are PgBouncer's preallocated structures, which pgweir does not have; names are
    // resolved by the system, so that there is nothing to count of DNS.
    let lists = [
        ("databases", live.databases().len()),
        ("users", live.users().len()),
        ("peers", peers),
        ("pools", live.pools().len()),
        ("peer_pools", peers),
        ("free_clients", 0),
        ("used_clients", clients.len()),
        ("login_clients", login),
        ("free_servers", 0),
        ("used_servers", live.servers().len()),
        ("dns_names", 0),
        ("dns_zones", 0),
        ("dns_queries", 0),
        ("dns_pending", 0),
    ];
    lists.map(|(list, items)| vec![Value::text(list), Value::int4(items)]).into()
}
