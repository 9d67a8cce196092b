//! Keys of `[databases.NAME]`, `[users.NAME]` and `[applications.NAME]`.

use super::{COUNT, DURATION, LIMIT, NUMBER, TEXT, TIMEOUT};

/// One key of `[databases.NAME]`, `[users.NAME]` or `[applications.NAME]`.
#[derive(Clone, Copy, Debug)]
pub struct KeyReference {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: &'static str,
    /// What it is if nobody writes it.
    pub default: &'static str,
    /// What it does.
    pub what: &'static str,
}

/// Keys of `[databases.NAME]`.
pub const DATABASE_KEYS: &[KeyReference] = &[
    KeyReference {
        name: "host",
        kind: "text, or a list",
        default: "that of `upstream`",
        what: "Host name or address of the server, or the directory of its Unix socket. Several, as \
               a list or with commas between, are tried as `target_session_attrs` and \
               `load_balance_hosts` say.",
    },
    KeyReference {
        name: "port",
        kind: "port, or a list",
        default: "5432; that of `upstream` if `host` is left out",
        what: "Port of the server: one for all hosts, or one for each.",
    },
    KeyReference {
        name: "target_session_attrs",
        kind: "any, read-write, read-only, primary, standby, prefer-standby",
        default: "any; read-write where there are several hosts",
        what: "Which hosts will do, as in libpq. When one that did becomes another, connections to \
               it are closed as they come free, and new ones go to one that does.",
    },
    KeyReference {
        name: "load_balance_hosts",
        kind: "disable, round-robin, random",
        default: "round-robin",
        what: "Which of several hosts that will do, or of the addresses of a name, is tried first: \
               the one that is written first, the next one each time, or any by chance.",
    },
    KeyReference {
        name: "max_replica_lag",
        kind: TIMEOUT,
        default: "0",
        what: "How far a standby may be behind: one that is further behind gets no new connections, \
               and those to it are closed as they come free.",
    },
    KeyReference {
        name: "dbname",
        kind: TEXT,
        default: "NAME",
        what: "The database's name on the server.",
    },
    KeyReference {
        name: "user",
        kind: TEXT,
        default: "the client's",
        what: "Every server connection logs in as this user, whoever the client is.",
    },
    KeyReference {
        name: "password",
        kind: TEXT,
        default: "that of [users.NAME]",
        what: "Password of `user`.",
    },
    KeyReference {
        name: "auth_user",
        kind: TEXT,
        default: "`auth_user`",
        what: "Who asks about users that want to reach this database.",
    },
    KeyReference {
        name: "auth_query",
        kind: "SQL",
        default: "`auth_query`",
        what: "What is asked.",
    },
    KeyReference {
        name: "auth_dbname",
        kind: TEXT,
        default: "`auth_dbname`, else this database",
        what: "The database in which it is asked.",
    },
    KeyReference {
        name: "pool_size",
        kind: COUNT,
        default: "`default_pool_size`",
        what: "Server connections that a pool of this database may have; if it has a `user`, all \
               its pools together.",
    },
    KeyReference {
        name: "min_pool_size",
        kind: NUMBER,
        default: "`min_pool_size`",
        what: "Server connections that a pool of this database keeps open.",
    },
    KeyReference {
        name: "reserve_pool_size",
        kind: NUMBER,
        default: "`reserve_pool_size`",
        what: "Server connections of the reserve of a pool of this database.",
    },
    KeyReference {
        name: "server_lifetime",
        kind: DURATION,
        default: "`server_lifetime`",
        what: "Age at which server connections of this database are closed.",
    },
    KeyReference {
        name: "max_db_connections",
        kind: LIMIT,
        default: "`max_db_connections`",
        what: "Server connections that all pools of this database may have together.",
    },
    KeyReference {
        name: "max_db_client_connections",
        kind: LIMIT,
        default: "`max_db_client_connections`",
        what: "Clients that may be connected to this database.",
    },
    KeyReference {
        name: "pool_mode",
        kind: "transaction, session, statement, transaction_strict",
        default: "`pool_mode`",
        what: "Mode of this database's pools.",
    },
    KeyReference {
        name: "connect_query",
        kind: "SQL",
        default: "unset",
        what: "Run on each server connection before any client has it. Its errors are logged and \
               ignored. What it sets holds until something resets it.",
    },
    KeyReference {
        name: "application_name",
        kind: TEXT,
        default: "unset",
        what: "What server connections ask for when they log in, and clients have that do not say \
               otherwise.",
    },
    KeyReference {
        name: "client_encoding",
        kind: TEXT,
        default: "the server's",
        what: "The same.",
    },
    KeyReference { name: "datestyle", kind: TEXT, default: "the server's", what: "The same." },
    KeyReference { name: "timezone", kind: TEXT, default: "the server's", what: "The same." },
];

/// Keys of `[users.NAME]`.
pub const USER_KEYS: &[KeyReference] = &[
    KeyReference {
        name: "password",
        kind: TEXT,
        default: "unset",
        what: "The password, or what pg_authid has of it: `md5…` or `SCRAM-SHA-256$…`. A verifier \
               is enough: what a client's login by SCRAM shows is good for a login to a server \
               that keeps the same verifier (and an `md5…` where the server asks for MD5).",
    },
    KeyReference {
        name: "pool_mode",
        kind: "transaction, session, statement, transaction_strict",
        default: "that of the database",
        what: "Mode of this user's pools.",
    },
    KeyReference {
        name: "pool_size",
        kind: COUNT,
        default: "that of the database",
        what: "Server connections that a pool of this user may have.",
    },
    KeyReference {
        name: "reserve_pool_size",
        kind: NUMBER,
        default: "that of the database",
        what: "Server connections of the reserve of a pool of this user.",
    },
    KeyReference {
        name: "max_user_connections",
        kind: LIMIT,
        default: "`max_user_connections`",
        what: "Server connections that log in as this user, over all pools.",
    },
    KeyReference {
        name: "max_user_client_connections",
        kind: LIMIT,
        default: "`max_user_client_connections`",
        what: "Clients that may be connected as this user.",
    },
    KeyReference {
        name: "query_timeout",
        kind: TIMEOUT,
        default: "`query_timeout`",
        what: "How long a statement of this user may run.",
    },
    KeyReference {
        name: "transaction_timeout",
        kind: TIMEOUT,
        default: "`transaction_timeout`",
        what: "How long a transaction of this user may last.",
    },
    KeyReference {
        name: "idle_transaction_timeout",
        kind: TIMEOUT,
        default: "`idle_transaction_timeout`",
        what: "How long this user may be silent in an open transaction.",
    },
    KeyReference {
        name: "client_idle_timeout",
        kind: TIMEOUT,
        default: "`client_idle_timeout`",
        what: "How long this user may ask for nothing.",
    },
    KeyReference {
        name: "priority",
        kind: "high, normal, low",
        default: "normal",
        what: "How urgent this user's queries are: see docs/overload.md. Where pools share a maximum \
               (`max_db_connections`, `max_user_connections`, the `user` of a database), their \
               parts of it are as 16 to 4 to 1.",
    },
];

/// Keys of `[applications.NAME]`.
pub const APPLICATION_KEYS: &[KeyReference] = &[KeyReference {
    name: "priority",
    kind: "high, normal, low",
    default: "that of the user",
    what: "How urgent the queries of clients are that call themselves so: who gets the next server \
           connection that comes free, and who is refused first. Where the user's is written too, the \
           lower one holds.",
}];
