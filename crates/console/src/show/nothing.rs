//! What PgBouncer shows and pgweir does not have: there so that tools that ask are answered, without
//! rows.

use super::{Rows, Show};
use crate::statement::Accepts;
use crate::table::Column;

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

/// PgBouncer's slabs. What pgweir needs of memory is in `/metrics`.
pub(super) static MEM: Show = Show {
    name: "mem",
    accepts: Accepts::Nothing,
    columns: &[&[
        Column::text("name"),
        Column::int4("size"),
        Column::int4("used"),
        Column::int4("free"),
        Column::int4("memtotal"),
    ]],
    rows: Rows::Now(|_| Vec::new()),
};
