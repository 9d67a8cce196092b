//! Every setting: what it is called, what it may be, what it does. The manual, SHOW CONFIG, the
//! names in the environment and the suggestions in errors come from this table.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct SettingReference {
    /// Its name in the file, in SHOW CONFIG and, in capitals after `PGWEIR_`, in the environment.
    pub name: &'static str,
    /// What it may be.
    pub kind: &'static str,
    /// What it is if nobody writes it.
    pub default: Fallback,
    /// What it does.
    pub what: &'static str,
    /// Whether RELOAD and SIGHUP change it.
    pub reloadable: bool,
}

/// What a setting is if nobody writes it.
#[derive(Clone, Copy, Debug)]
pub enum Fallback {
    /// This, as one would write it.
    Value(&'static str),
    /// Nothing.
    Unset,
    /// It depends, as the sentence says.
    Depends(&'static str),
}

/// One key of `[databases.NAME]` or `[users.NAME]`.
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

const ADDRESS: &str = "address:port";
const COUNT: &str = "number ≥ 1";
const LIMIT: &str = "number, 0: none";
const DURATION: &str = "duration";
const TIMEOUT: &str = "duration, 0: none";
const TEXT: &str = "text";
const NAMES: &str = "list of names";

const fn setting(
    name: &'static str,
    kind: &'static str,
    default: Fallback,
    what: &'static str,
) -> SettingReference {
    SettingReference { name, kind, default, what, reloadable: true }
}

/// Fixed while the process runs.
const fn fixed(setting: SettingReference) -> SettingReference {
    SettingReference { reloadable: false, ..setting }
}

use Fallback::{Depends, Unset, Value};

/// All settings outside `[databases]` and `[users]`, in the order of the manual.
pub const REFERENCE: &[SettingReference] = &[
    fixed(setting(
        "listen",
        ADDRESS,
        Value("127.0.0.1:6432"),
        "Where clients connect. Port 0 takes a free one; the log line that says `ready` names it.",
    )),
    fixed(setting(
        "http",
        ADDRESS,
        Value("127.0.0.1:6433"),
        "Reserved for metrics and health: checked, without effect yet.",
    )),
    fixed(setting(
        "data_dir",
        "directory",
        Unset,
        "Reserved for history: checked, without effect yet.",
    )),
    setting(
        "upstream",
        "URL, or a list of them",
        Unset,
        "The server, as `postgres://user:password@host:port/dbname`. With one URL, clients may \
         ask for any database on that server; with several, each is the way to the database that \
         it names. The URL's user may log in with the URL's password. The same as the arguments of \
         `pgweir run`. `sslmode` may be disable, allow or prefer; TLS to the server is not offered \
         yet.",
    ),
    setting(
        "auth_type",
        "trust, plain, md5, scram-sha-256",
        Depends(
            "scram-sha-256; trust if no user has a password and `listen` is a loopback address",
        ),
        "How clients prove who they are. `plain` asks for the password in cleartext. A SCRAM \
         verifier is checked with scram-sha-256 or plain, an MD5 hash with md5 or plain.",
    ),
    setting(
        "admin_users",
        NAMES,
        Depends("the URL's user"),
        "Who may run commands in the admin console (databases `pgweir` and `pgbouncer`).",
    ),
    setting("stats_users", NAMES, Value(""), "Who may look, and only look, in the admin console."),
    setting(
        "pool_mode",
        "transaction, session",
        Value("transaction"),
        "When a server connection goes back to its pool: at the end of the transaction, or when \
         the client disconnects.",
    ),
    setting(
        "default_pool_size",
        COUNT,
        Value("20"),
        "Server connections that a pool may have. There is one pool for each database and user.",
    ),
    setting(
        "max_client_conn",
        COUNT,
        Value("10000"),
        "Client connections in all. PgBouncer's default is 100.",
    ),
    setting(
        "max_wait_queue",
        LIMIT,
        Value("0"),
        "Clients that may wait in one pool's queue; further ones get an error at once.",
    ),
    setting(
        "max_prepared_statements",
        COUNT,
        Value("200"),
        "Prepared statements kept on a server connection; the one unused for longest makes room.",
    ),
    setting(
        "query_wait_timeout",
        TIMEOUT,
        Value("120s"),
        "How long a client may wait for a server connection before it gets an error.",
    ),
    setting(
        "server_idle_timeout",
        TIMEOUT,
        Value("600s"),
        "A server connection that was idle for so long is closed.",
    ),
    setting(
        "server_lifetime",
        DURATION,
        Value("3600s"),
        "A server connection older than this is closed when it is free. 0 uses each once.",
    ),
    setting(
        "server_connect_timeout",
        DURATION,
        Value("15s"),
        "How long connecting and logging in to the server may take.",
    ),
    setting(
        "server_login_retry",
        DURATION,
        Value("15s"),
        "Pause before the next try when connecting or logging in to the server failed.",
    ),
    setting(
        "client_login_timeout",
        TIMEOUT,
        Value("60s"),
        "A client that has not logged in by then is disconnected.",
    ),
    setting(
        "shutdown_timeout",
        DURATION,
        Value("60s"),
        "How long SIGTERM waits for transactions to end before it closes what is left.",
    ),
    fixed(setting(
        "worker_threads",
        "number, 0: one a core",
        Value("0"),
        "Threads that serve clients.",
    )),
    fixed(setting(
        "max_fingerprints",
        COUNT,
        Value("5000"),
        "Fingerprints kept apart in the statistics; the rest is counted in one row, \"others\".",
    )),
    fixed(setting(
        "analyse",
        "true, false",
        Value("true"),
        "Whether to read the server's catalogues and ask its planner, which finding missing \
         indexes needs. Takes up to two server connections besides the pools.",
    )),
    fixed(setting(
        "catalog_user",
        TEXT,
        Depends("the URL's user"),
        "Who the analyser logs in to the server as.",
    )),
    fixed(setting("catalog_password", TEXT, Unset, "Password of `catalog_user`.")),
    fixed(setting(
        "log_format",
        "human, json",
        Value("human"),
        "What a log line looks like. The log goes to standard error.",
    )),
    fixed(setting(
        "log_level",
        "error, warn, info, debug, trace",
        Value("info"),
        "The least urgent lines that are written.",
    )),
];

/// Keys of `[databases.NAME]`.
pub const DATABASE_KEYS: &[KeyReference] = &[
    KeyReference {
        name: "host",
        kind: TEXT,
        default: "that of `upstream`",
        what: "Host name or address of the server.",
    },
    KeyReference {
        name: "port",
        kind: "port",
        default: "5432; that of `upstream` if `host` is left out",
        what: "Port of the server.",
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
        name: "pool_size",
        kind: COUNT,
        default: "`default_pool_size`",
        what: "Server connections that a pool of this database may have.",
    },
    KeyReference {
        name: "pool_mode",
        kind: "transaction, session",
        default: "`pool_mode`",
        what: "Mode of this database's pools.",
    },
];

/// Keys of `[users.NAME]`.
pub const USER_KEYS: &[KeyReference] = &[
    KeyReference {
        name: "password",
        kind: TEXT,
        default: "unset",
        what: "The password, or what pg_authid has of it: `md5…` or `SCRAM-SHA-256$…`. A verifier \
               can check the client; logging in to the server for the client takes the password \
               itself (an `md5…` is enough where the server asks for MD5).",
    },
    KeyReference {
        name: "pool_mode",
        kind: "transaction, session",
        default: "that of the database",
        what: "Mode of this user's pools.",
    },
];

impl std::fmt::Display for Fallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Value("") => "none",
            Self::Value(text) | Self::Depends(text) => text,
            Self::Unset => "unset",
        })
    }
}
