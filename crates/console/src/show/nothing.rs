//! What PgBouncer shows and pgweir does not have: there so that tools that ask are answered, without
//! rows.

use super::{Rows, Show};
use crate::statement::Accepts;
use crate::table::Column;

/// No peers are configured: a cancel request reaches the process that it is for by itself, or not.
pub(super) static PEERS: Show = Show {
    name: "peers",
    accepts: Accepts::Nothing,
    columns: &[&[
        Column::int4("peer_id"),
        Column::text("host"),
        Column::int4("port"),
        Column::int4("pool_size"),
    ]],
    rows: Rows::Now(|_| Vec::new()),
};

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
    rows: Rows::Now(|_| Vec::new()),
};

/// Names are resolved by the system, each time a connection is opened: none are kept.
pub(super) static DNS_HOSTS: Show = Show {
    name: "dns_hosts",
    accepts: Accepts::Nothing,
    columns: &[&[Column::text("hostname"), Column::int8("ttl"), Column::text("addrs")]],
    rows: Rows::Now(|_| Vec::new()),
};

pub(super) static DNS_ZONES: Show = Show {
    name: "dns_zones",
    accepts: Accepts::Nothing,
    columns: &[&[Column::text("zonename"), Column::int8("serial"), Column::int4("count")]],
    rows: Rows::Now(|_| Vec::new()),
};
