//! Keys of PgBouncer's `[databases]`, `[users]` and `[peers]`, as `loader.c` has them.

use super::table::Becomes::{self, Different, NotOffered, Same};

/// One key of a connection string, or of a user's settings.
#[derive(Clone, Copy, Debug)]
pub struct IniKey {
    /// Its name.
    pub name: &'static str,
    /// What becomes of it.
    pub becomes: Becomes,
    pub(super) kind: KeyKind,
}

/// How PgBouncer reads a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    /// As it stands.
    Text,
    /// One of several words, in capitals or not.
    Word,
    /// A whole number, -1 for "as for all" (`atoi`).
    Number,
}

use KeyKind::{Number, Text, Word};

const fn key(name: &'static str, kind: KeyKind, becomes: Becomes) -> IniKey {
    IniKey { name, becomes, kind }
}

/// Keys of `[databases]`.
pub const INI_DATABASE_KEYS: &[IniKey] = &[
    key("application_name", Text, Same),
    key("auth_dbname", Text, Same),
    key("auth_query", Text, Same),
    key("auth_user", Text, Same),
    key("client_encoding", Text, Same),
    key("connect_query", Text, Same),
    key("datestyle", Text, Same),
    key("dbname", Text, Same),
    key(
        "host",
        Text,
        Different(
            "abstract sockets (`@…`) are refused; a host of a list that is down is left out until it is \
             back",
        ),
    ),
    key("load_balance_hosts", Word, Same),
    key("max_db_client_connections", Number, Same),
    key("max_db_connections", Number, Same),
    key("min_pool_size", Number, Same),
    key("password", Text, Same),
    key("pool_mode", Word, Same),
    key(
        "pool_size",
        Number,
        Different(
            "of a database with a `user`: of all its users together, of whom each has a queue of its \
             own",
        ),
    ),
    key("port", Number, Same),
    key("query_wait_timeout", Number, NotOffered("it is the same for all databases")),
    key("reserve_pool", Number, Same),
    key("reserve_pool_size", Number, Same),
    key("server_lifetime", Number, Same),
    key(
        "target_session_attrs",
        Word,
        Different("it is looked at all the time, not only when a connection is opened"),
    ),
    key("timezone", Text, Same),
    key("user", Text, Same),
];

/// Keys of `[users]`.
pub const INI_USER_KEYS: &[IniKey] = &[
    key("client_idle_timeout", Number, Same),
    key("idle_transaction_timeout", Number, Same),
    key("max_user_client_connections", Number, Same),
    key("max_user_connections", Number, Same),
    key("pool_mode", Word, Same),
    key("pool_size", Number, Same),
    key("query_timeout", Number, Same),
    key("query_wait_timeout", Number, NotOffered("it is the same for all users")),
    key("reserve_pool_size", Number, Same),
    key("transaction_timeout", Number, Same),
];

/// Keys of `[peers]`.
pub const INI_PEER_KEYS: &[IniKey] =
    &[key("host", Text, Same), key("pool_size", Number, Same), key("port", Number, Same)];
