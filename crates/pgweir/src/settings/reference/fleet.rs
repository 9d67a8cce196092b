//! What makes a pgweir one of several.

use super::{KeyReference, SettingReference, Value, fixed, setting};

pub(super) const PEER_ID: SettingReference = fixed(setting(
    "peer_id",
    "number from 1 to 16383, 0: no peers",
    Value("0"),
    "Who this pgweir is among several behind one address: a cancel request that comes to another \
     one is passed on, by [peers.ID], to the one whose client's query it is for. Each needs a \
     number of its own. See docs/fleet.md.",
));

pub(super) const SO_REUSEPORT: SettingReference = fixed(setting(
    "so_reuseport",
    "true, false",
    Value("false"),
    "Whether several processes of the same user may listen on `listen`: Linux spreads the clients \
     over them. Each needs `peer_id` and a `unix_socket_dir` of its own, or a cancel request reaches \
     the wrong one.",
));

pub(super) const LISTEN_BACKLOG: SettingReference = fixed(setting(
    "listen_backlog",
    super::COUNT,
    Value("4096"),
    "Clients that may have connected and not been accepted yet. The system makes it less (on Linux, \
     net.core.somaxconn). PgBouncer's default is 128.",
));

pub(super) const PROXY_PROTOCOL_FROM: SettingReference = setting(
    "proxy_protocol_from",
    "list of networks",
    Value(""),
    "Where balancers are, as `10.0.0.0/8` or an address: a connection from there must begin with a \
     header of the PROXY protocol, version 1 or 2, and the address in it is the client's, for \
     rules, SHOW CLIENTS and the log. Nobody else may send one. See docs/fleet.md.",
);

/// Keys of `[peers.ID]`.
pub const PEER_KEYS: &[KeyReference] = &[
    KeyReference {
        name: "host",
        kind: super::TEXT,
        default: "none: it must be written",
        what: "Host name or address where it alone listens, or the directory of its Unix socket.",
    },
    KeyReference { name: "port", kind: "port", default: "6432", what: "Its port." },
    KeyReference {
        name: "pool_size",
        kind: super::COUNT,
        default: "`default_pool_size`",
        what: "Cancel requests that are passed on to it at a time; further ones wait.",
    },
];
