//! Every setting: what it is called, what it may be, what it does. The manual, SHOW CONFIG, the
//! names in the environment and the suggestions in errors come from this table.

mod authentication;
mod fleet;
mod history;
mod hosts;
mod keys;
mod monitoring;
mod tcp;
mod tls;

pub use fleet::PEER_KEYS;
pub use keys::{APPLICATION_KEYS, DATABASE_KEYS, KeyReference, USER_KEYS};

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

const COUNT: &str = "number ≥ 1";
pub(super) const NUMBER: &str = "number";
const LIMIT: &str = "number, 0: none";
pub(super) const DURATION: &str = "duration";
const TIMEOUT: &str = "duration, 0: none";
const TEXT: &str = "text";
const BOOLEAN: &str = "true, false";
const SIZE: &str = "size";
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

/// All settings outside `[databases]`, `[users]` and `[applications]`, in the order of the manual.
pub const REFERENCE: &[SettingReference] = &[
    fixed(setting(
        "listen",
        "address:port, a list of them, off",
        Value("127.0.0.1:6432"),
        "Where clients connect; off: only by the Unix socket. An IPv6 address that this machine does \
         not have is left out, if there are others. Port 0 takes a free one; the log line that says `ready` names it.",
    )),
    fixed(setting(
        "unix_socket_dir",
        "directory",
        Unset,
        "Where clients of this machine may connect too: by the Unix socket `.s.PGSQL.PORT` in this \
         directory, with the port of `listen` (`psql -h DIRECTORY -p PORT`). One that an earlier \
         process has left behind is replaced. PgBouncer's default is /tmp.",
    )),
    fixed(setting(
        "unix_socket_port",
        "port",
        Depends("that of `listen`, else 6432"),
        "The port in the Unix socket's name.",
    )),
    fixed(setting(
        "unix_socket_mode",
        "octal digits",
        Value("0777"),
        "File mode of the Unix socket: who may write may connect.",
    )),
    fixed(setting("unix_socket_group", TEXT, Unset, "Group of the Unix socket, by name.")),
    fleet::SO_REUSEPORT,
    fleet::LISTEN_BACKLOG,
    fleet::PROXY_PROTOCOL_FROM,
    tcp::TCP_KEEPALIVE,
    tcp::TCP_KEEPIDLE,
    tcp::TCP_KEEPINTVL,
    tcp::TCP_KEEPCNT,
    tcp::TCP_USER_TIMEOUT,
    tcp::TCP_SOCKET_BUFFER,
    fleet::PEER_ID,
    monitoring::HTTP,
    monitoring::METRICS_FINGERPRINTS,
    monitoring::OTLP_ENDPOINT,
    monitoring::OTLP_HEADERS,
    monitoring::OTLP_INTERVAL,
    monitoring::OTLP_SERVICE_NAME,
    monitoring::TRACE_SAMPLE_RATIO,
    monitoring::TRACE_MIN_DURATION,
    monitoring::LOG_MIN_DURATION,
    history::DATA_DIR,
    history::HISTORY_MINUTES,
    history::HISTORY_HOURS,
    history::HISTORY_DAYS,
    history::HISTORY_SIZE,
    history::HISTORY_FLUSH,
    history::STORE,
    history::INSTANCE_NAME,
    setting(
        "upstream",
        "URL, or a list of them",
        Unset,
        "The server, as `postgres://user:password@host:port/dbname`. With one URL, clients may \
         ask for any database on that server; with several, each is the way to the database that \
         it names. The URL's user may log in with the URL's password. The same as the arguments of \
         `pgweir run`. `sslmode`, `sslrootcert`, `sslcert` and `sslkey` take the place of \
         `server_tls_…`; `sslnegotiation`, `channel_binding` and `target_session_attrs` mean what \
         they do in libpq. A URL may name several hosts, as `postgres://user@a:5432,b:5433/dbname`; \
         see docs/high-availability.md.",
    ),
    tls::CLIENT_TLS_SSLMODE,
    tls::CLIENT_TLS_KEY_FILE,
    tls::CLIENT_TLS_CERT_FILE,
    tls::CLIENT_TLS_CA_FILE,
    tls::CLIENT_TLS_PROTOCOLS,
    tls::SERVER_TLS_SSLMODE,
    tls::SERVER_TLS_CA_FILE,
    tls::SERVER_TLS_KEY_FILE,
    tls::SERVER_TLS_CERT_FILE,
    tls::SERVER_TLS_PROTOCOLS,
    authentication::AUTH_TYPE,
    authentication::AUTH_FILE,
    authentication::AUTH_HBA_FILE,
    authentication::AUTH_IDENT_FILE,
    authentication::AUTH_USER,
    authentication::AUTH_QUERY,
    authentication::AUTH_DBNAME,
    authentication::ADMIN_USERS,
    authentication::STATS_USERS,
    setting(
        "pool_mode",
        "transaction, session, statement, transaction_strict",
        Value("transaction"),
        "When a server connection goes back to its pool: at the end of the transaction, unless the \
         client has made state that cannot be carried (`transaction`); when the client disconnects \
         (`session`); after each statement, and transaction blocks are refused (`statement`); at the \
         end of the transaction, and what would make such state is refused (`transaction_strict`).",
    ),
    setting(
        "default_pool_size",
        COUNT,
        Value("20"),
        "Server connections that a pool may have. There is one pool for each database and user.",
    ),
    setting(
        "min_pool_size",
        NUMBER,
        Value("0"),
        "Server connections that a pool keeps open even if nobody wants them, so that load that \
         comes back finds them; never more than its size. Kept in pools that have clients, and from \
         the start in those whose user is known: databases with a `user`, and URLs that name both.",
    ),
    setting(
        "reserve_pool_size",
        NUMBER,
        Value("0"),
        "Server connections that a pool may have beyond its size for clients that have waited for \
         `reserve_pool_timeout`.",
    ),
    setting(
        "reserve_pool_timeout",
        "duration, 0: no reserve",
        Value("5s"),
        "How long a client must have waited before the reserve is used. A connection of the reserve \
         that was idle for so long is closed again.",
    ),
    setting(
        "max_db_connections",
        LIMIT,
        Value("0"),
        "Server connections that all pools of a database may have together. When they are all in \
         use, a pool that needs one gets one that is idle in another pool, or the next that comes \
         free in a pool that has more.",
    ),
    setting(
        "max_user_connections",
        LIMIT,
        Value("0"),
        "Server connections that all pools of a user may have together: the user that they log in \
         as. Shared like `max_db_connections`.",
    ),
    setting(
        "max_db_client_connections",
        LIMIT,
        Value("0"),
        "Clients that may be connected to a database; further ones are refused.",
    ),
    setting(
        "max_user_client_connections",
        LIMIT,
        Value("0"),
        "Clients that may be connected as the same user; further ones are refused.",
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
        "Clients that may wait in one pool's queue; further ones get an error at once (53300), or \
         take the place of one of a lower priority.",
    ),
    setting(
        "max_queue_age",
        TIMEOUT,
        Value("0"),
        "A client that would have to wait for longer for a server connection, as fast as the queue \
         moves now, gets an error at once (53300) and stays connected. Those of low priority are \
         refused first. Not while PAUSE or an outage holds the queue up. See docs/overload.md.",
    ),
    setting(
        "low_priority_share",
        "percent, 1 to 100",
        Value("75"),
        "The part of a pool's size (or of a maximum that it is under, if that is less), and of \
         `max_wait_queue`, that clients of low priority may have; \
         the rest is kept for others, who need not wait for a long statement to end. Not in pools \
         whose user has low priority.",
    ),
    setting(
        "max_prepared_statements",
        COUNT,
        Value("200"),
        "Prepared statements kept on a server connection; the one unused for longest makes room.",
    ),
    setting(
        "share_unnamed_statements",
        BOOLEAN,
        Value("true"),
        "Whether a statement that drivers prepare anew each time, without a name, is parsed once on \
         each server connection. Should it take clearly longer with a plan for all values, it is \
         parsed and planned each time again; `plan_cache_mode` rules here too.",
    ),
    setting(
        "prepare_simple_queries",
        BOOLEAN,
        Value("false"),
        "Whether a SELECT that comes again and again with other values in its text (the simple \
         protocol) is parsed once on each server connection, and its values are bound: for \
         applications that never prepare it saves the server much of its work. Only outside of \
         transaction blocks, and only values that a column is compared with. Guarded as \
         `share_unnamed_statements` is; docs/ARCHITECTURE.md says what is not as it would be without.",
    ),
    setting(
        "query_wait_timeout",
        TIMEOUT,
        Value("120s"),
        "How long a client may wait for a server connection before it gets an error.",
    ),
    setting(
        "query_wait_notify",
        TIMEOUT,
        Value("5s"),
        "A client that has waited so long for a server connection gets a NOTICE that it waits.",
    ),
    setting(
        "query_timeout",
        TIMEOUT,
        Value("0"),
        "A statement that runs for longer is cancelled: the client gets an error (57014) and stays \
         connected, and the server connection stays in use. PgBouncer closes both. Waiting for a \
         server connection does not count. What a client sends ahead goes to the server request by \
         request then, so that no cancellation meets the next one. This and the three below are \
         exact to a tenth of a second.",
    ),
    setting(
        "transaction_timeout",
        TIMEOUT,
        Value("0"),
        "A client whose transaction lasts longer, single statements included, is disconnected \
         (25P04); its transaction is rolled back. Waiting for a server connection does not count.",
    ),
    setting(
        "idle_transaction_timeout",
        TIMEOUT,
        Value("0"),
        "A client that is silent for longer in an open transaction is disconnected (25P03); its \
         transaction is rolled back, and the server connection stays in use.",
    ),
    setting(
        "client_idle_timeout",
        TIMEOUT,
        Value("0"),
        "A client that asks for nothing for longer, outside of transactions, is disconnected \
         (57P05). Clients of pools in session mode are not.",
    ),
    setting(
        "cancel_wait_timeout",
        TIMEOUT,
        Value("10s"),
        "How long passing on a cancel request to the server may take.",
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
        "A server connection older than this is closed when it is free. Each has between 80 % of \
         this time and all of it, by chance, so that those opened together are not closed together. \
         0 uses each once.",
    ),
    setting(
        "server_round_robin",
        BOOLEAN,
        Value("false"),
        "Gives out the server connection that was idle for longest. Without it a client gets the one \
         that it had last, or the one used last, so that a pool too large shrinks.",
    ),
    setting(
        "autodb_idle_timeout",
        TIMEOUT,
        Value("3600s"),
        "The pool of a database that is not configured by name is closed when it was without \
         clients for so long.",
    ),
    setting(
        "server_connect_timeout",
        DURATION,
        Value("15s"),
        "How long connecting and logging in to the server may take.",
    ),
    hosts::HOST_CHECK_INTERVAL,
    hosts::HOST_CHECK_TIMEOUT,
    hosts::DNS_MAX_TTL,
    setting(
        "server_login_retry",
        DURATION,
        Value("15s"),
        "How long clients wait for a server that was there and cannot be reached, before they are \
         told. It is tried again all the while, after pauses that grow from 50 ms to 1 s, each \
         shortened by chance. Of a database with several hosts they wait for `query_wait_timeout`.",
    ),
    setting(
        "client_login_timeout",
        TIMEOUT,
        Value("60s"),
        "A client that has not logged in by then is disconnected.",
    ),
    setting(
        "console_query_timeout",
        DURATION,
        Value("10s"),
        "How long a SELECT in the admin console may run before it is cancelled (57014). It runs on a \
         thread of its own, two at a time.",
    ),
    setting(
        "shutdown_timeout",
        DURATION,
        Value("60s"),
        "How long SIGTERM waits for transactions to end before it closes what is left.",
    ),
    setting(
        "suspend_timeout",
        TIMEOUT,
        Value("10s"),
        "How long SUSPEND waits for clients to take what they are sent before it closes those that \
         do not.",
    ),
    setting(
        "takeover_timeout",
        DURATION,
        Value("1h"),
        "How long a process that another has taken over from goes on serving clients that cannot be \
         handed over (encrypted, or with state on a server connection) until they leave by \
         themselves; then they leave when their transaction is over.",
    ),
    fixed(setting(
        "worker_threads",
        "number, 0: one for two processors",
        Value("0"),
        "Threads that serve clients; a machine that pgweir has to itself may need one for each \
         processor. The analyser has threads of its own.",
    )),
    fixed(setting(
        "max_fingerprints",
        COUNT,
        Value("5000"),
        "Fingerprints kept apart in the statistics; the rest is counted in one row, \"others\".",
    )),
    fixed(setting(
        "statistics",
        BOOLEAN,
        Value("true"),
        "Whether statements and transactions are counted and timed. Without it there is no report, \
         and the console's statistics stay empty.",
    )),
    fixed(setting(
        "analyse",
        BOOLEAN,
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
    setting(
        "report_values",
        BOOLEAN,
        Value("false"),
        "Whether `pgweir report --show-values` may show what clients sent with the slowest \
         executions, to admin_users only. Those values may be personal data.",
    ),
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

impl std::fmt::Display for Fallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Value("") => "none",
            Self::Value(text) | Self::Depends(text) => text,
            Self::Unset => "unset",
        })
    }
}
