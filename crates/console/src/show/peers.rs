//! `SHOW PEERS` and `SHOW PEER_POOLS`: the other poolers that cancel requests are passed on to, and
//! the requests that are on their way.

use super::{Rows, Show};
use crate::live::Live;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

pub(super) static PEERS: Show = Show {
    name: "peers",
    accepts: Accepts::Nothing,
    columns: &[&[
        Column::int4("peer_id"),
        Column::text("host"),
        Column::int4("port"),
        Column::int4("pool_size"),
    ]],
    rows: Rows::Now(peers),
};

fn peers(live: &dyn Live) -> Vec<Row> {
    let row = |peer: model::PeerStatus| {
        vec![
            Value::int4(peer.id),
            Value::text(peer.host),
            Value::int4(peer.port),
            Value::int4(peer.pool_size),
        ]
    };
    live.peers().into_iter().map(row).collect()
}

pub(super) static PEER_POOLS: Show = Show {
    name: "peer_pools",
    accepts: Accepts::Nothing,
    columns: &[&[
        Column::int4("peer_id"),
        Column::int4("cl_active_cancel_req"),
        Column::int4("cl_waiting_cancel_req"),
        Column::int4("sv_active_cancel"),
        Column::int4("sv_login"),
    ]],
    rows: Rows::Now(pools),
};

fn pools(live: &dyn Live) -> Vec<Row> {
    let row = |peer: model::PeerStatus| {
        vec![
            Value::int4(peer.id),
            // A request that has a connection is one on either side.
            Value::int4(peer.cancels_active),
            Value::int4(peer.cancels_waiting),
            Value::int4(peer.cancels_active),
            Value::int4(peer.connecting),
        ]
    };
    live.peers().into_iter().map(row).collect()
}
