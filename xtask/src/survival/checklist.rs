//! What must be survived, each item once, in the order of the page.

/// A group of items with a title.
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) items: &'static [&'static str],
}

/// The first eight groups were somebody's CVE or bug; the last is what users of poolers report most.
pub(super) const GROUPS: &[Group] = &[
    Group {
        title: "Before login",
        items: &[
            "a length that overflows",
            "a negative length",
            "giant startup packets",
            "long names",
            "packets in the wrong order",
            "SASL garbage",
            "a cap for every size",
            "unbounded allocation from a length field",
            "logins that are begun and not ended",
        ],
    },
    Group {
        title: "A hostile server",
        items: &[
            "a long SCRAM nonce",
            "a giant iteration count",
            "an ErrorResponse without SQLSTATE",
            "truncated messages of a server",
            "oversized messages of a server",
        ],
    },
    Group {
        title: "TLS",
        items: &[
            "bytes already buffered after SSLRequest, from a client",
            "bytes already buffered after SSLRequest, from a server",
        ],
    },
    Group {
        title: "Authentication",
        items: &[
            "users told apart by the text of a refusal",
            "users told apart by time",
            "compares that are not constant-time",
            "an unknown user becomes auth_user",
            "a login after VALID UNTIL",
            "a startup search_path that reaches auth_query",
            "passwords tried one after the other",
            "admin commands only for admin_users",
            "stats only for stats_users",
        ],
    },
    Group {
        title: "Cancel",
        items: &[
            "cancel after the server connection changed hands",
            "a cancel under way while the server connection changes hands",
            "cancel while SETs are replayed",
            "a cancel request at another process than its query",
            "cancel requests that go round for ever",
            "cancel keys that can be guessed",
        ],
    },
    Group {
        title: "Desynchronised streams",
        items: &[
            "error in a pipeline then Sync",
            "late COPY messages",
            "a statement evicted while in use",
            "PortalSuspended",
            "Close of a portal",
            "Close of a statement",
            "a request cut in half, then disconnect",
            "messages larger than any buffer",
            "RST in mid-write by a client",
            "RST in mid-write by a server",
        ],
    },
    Group {
        title: "State left by an abrupt disconnect",
        items: &[
            "an advisory lock left behind",
            "a temporary table left behind",
            "a SET left behind",
            "a PREPARE left behind",
            "an open transaction left behind",
        ],
    },
    Group {
        title: "Operation",
        items: &[
            "RELOAD while in use",
            "min_pool against max limits",
            "a dead server connection handed out",
            "no file descriptors left (keep accepting later)",
            "answers that are due without end",
        ],
    },
    Group {
        title: "What users report",
        items: &[
            "prepared statements in transaction mode",
            "DEALLOCATE as PHP sends it",
            "a prepared statement read under another client's settings",
            "a table that changes under a statement",
            "SET and search_path leak between clients",
            "a pool that collapses",
            "noisy neighbours",
            "a restart that drops transactions",
            "a failed COPY leaks the server connection",
            "a cancel hits somebody else's query",
            "LISTEN and NOTIFY",
            "the console over the extended protocol",
            "a query timeout that ends the connection",
            "sticking to a failed host",
            "memory that grows with a slow reader",
        ],
    },
];
