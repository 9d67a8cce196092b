//! Every setting of PgBouncer's `[pgbouncer]` section, and what becomes of it here.
//!
//! Names and defaults are those of `bouncer_params` in PgBouncer's `src/main.c`, as of 1.25 with what
//! has been added since. What reads a file, `pgweir check` and docs/migrating-from-pgbouncer.md all go
//! by this table.

/// One of PgBouncer's settings.
#[derive(Clone, Copy, Debug)]
pub struct IniSetting {
    /// Its name.
    pub name: &'static str,
    /// PgBouncer's default as one would write it; empty where it has none.
    pub default: &'static str,
    /// What becomes of it.
    pub becomes: Becomes,
    /// How its value is written.
    pub(super) kind: Kind,
}

/// What becomes of a setting of PgBouncer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// It is read, and means what it means in PgBouncer.
    Same,
    /// It is read; this is not as in PgBouncer.
    Different(&'static str),
    /// pgweir has no use for it, for this reason.
    Unneeded(&'static str),
    /// What it does is not offered, for this reason.
    NotOffered(&'static str),
}

/// How PgBouncer reads a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// As it stands.
    Text,
    /// One of several words, in capitals or not (`cf_set_lookup`).
    Word,
    /// A whole number: decimal, `0x…` or, after a 0, octal (`strtol` with base 0).
    Number,
    /// A number that is 0 for no and anything else for yes.
    Flag,
    /// Seconds, with or without decimals.
    Seconds,
    /// A file.
    File,
    /// A file mode, as [`Kind::Number`].
    Mode,
    /// Versions of TLS, with commas or colons between.
    Protocols,
}

use Becomes::{Different, NotOffered, Same, Unneeded};
use Kind::{File, Flag, Mode, Number, Protocols, Seconds, Text, Word};

const fn setting(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    becomes: Becomes,
) -> IniSetting {
    IniSetting { name, default, becomes, kind }
}

const STDERR: Becomes = Unneeded("the log goes to standard error, which the service manager keeps");
const CLEAN: Becomes = Unneeded("server connections are always given back clean");
const LOOKED_AT: Becomes = Unneeded(
    "whether a server connection is still there is looked at, without a query, each time before it is \
     used",
);
const RESOLVED: Becomes =
    Unneeded("a server's name is resolved by the system for each connection that is opened");
const BUFFERS: Becomes = Unneeded(
    "buffers grow as needed, and what is idle has none; nobody is kept waiting by a large result",
);
const SUITES: Becomes = NotOffered("there are only cipher suites that are safe");
const QUIET: Becomes = Unneeded(
    "connections are counted and shown (SHOW STATS, /metrics), not logged; refused logins always are",
);
const SERVICE: Becomes = Unneeded("it is for Windows' services");

/// All settings of the section `[pgbouncer]`, alphabetically.
pub const INI_SETTINGS: &[IniSetting] = &[
    setting("admin_users", Text, "", Different("with auth_type any, too, nobody else is an admin")),
    setting(
        "application_name_add_host",
        Flag,
        "0",
        NotOffered("SHOW CLIENTS and the report say where a client comes from"),
    ),
    setting("auth_dbname", Text, "", Same),
    setting(
        "auth_file",
        File,
        "",
        Different("a line that is wrong, or a file that is not there, is refused and named"),
    ),
    setting("auth_hba_file", File, "", Same),
    setting("auth_ident_file", File, "", Same),
    setting("auth_ldap_options", Text, "", NotOffered("logins by LDAP are not offered")),
    setting("auth_pam_confdir", Text, "", NotOffered("logins by PAM are not offered")),
    setting(
        "auth_query",
        Text,
        "SELECT rolname, CASE WHEN rolvaliduntil < now() THEN NULL ELSE rolpassword END FROM \
         pg_authid WHERE rolname=$1 AND rolcanlogin",
        Different("it runs with search_path pg_catalog: write functions with their schema"),
    ),
    setting(
        "auth_type",
        Word,
        "md5",
        Different("ldap and pam are refused; what a SCRAM login shows is good for the server too"),
    ),
    setting("auth_user", Text, "", Same),
    setting("autodb_idle_timeout", Seconds, "3600", Same),
    setting("cancel_wait_timeout", Seconds, "10", Same),
    setting("client_idle_timeout", Seconds, "0", Same),
    setting("client_login_timeout", Seconds, "60", Same),
    setting("client_tls13_ciphers", Text, "", SUITES),
    setting("client_tls_ca_file", File, "", Same),
    setting("client_tls_cert_file", File, "", Same),
    setting("client_tls_ciphers", Text, "default", SUITES),
    setting("client_tls_dheparams", Text, "auto", SUITES),
    setting("client_tls_ecdhcurve", Text, "auto", SUITES),
    setting("client_tls_key_file", File, "", Same),
    setting(
        "client_tls_protocols",
        Protocols,
        "secure",
        Different("tlsv1.0 and tlsv1.1 are left out: they are broken"),
    ),
    setting("client_tls_sslmode", Word, "disable", Same),
    setting("conffile", Text, "", NotOffered("RELOAD reads the file of the command line again")),
    setting("default_pool_size", Number, "20", Same),
    setting(
        "disable_pqexec",
        Flag,
        "0",
        NotOffered("simple queries are always taken, several statements in one among them"),
    ),
    setting("dns_max_ttl", Seconds, "15", Same),
    setting("dns_nxdomain_ttl", Seconds, "15", RESOLVED),
    setting("dns_zone_check_period", Seconds, "0", RESOLVED),
    setting(
        "idle_transaction_timeout",
        Seconds,
        "0",
        Different("the server connection stays in use: its transaction is rolled back"),
    ),
    setting(
        "ignore_startup_parameters",
        Text,
        "",
        Unneeded("no startup parameter is refused: each follows its client, as SET would"),
    ),
    setting("job_name", Text, "pgbouncer", SERVICE),
    setting(
        "listen_addr",
        Text,
        "",
        Different("becomes `listen`; an IPv6 address that this machine does not have is left out"),
    ),
    setting(
        "listen_backlog",
        Number,
        "128",
        Different("not written it is 4096: a storm of logins waits instead of being refused"),
    ),
    setting("listen_port", Number, "6432", Different("becomes `listen`")),
    setting("log_connections", Flag, "1", QUIET),
    setting("log_disconnections", Flag, "1", QUIET),
    setting("log_pooler_errors", Flag, "1", QUIET),
    setting(
        "log_stats",
        Flag,
        "1",
        Unneeded("statistics are in the console, in /metrics and in the history, not in the log"),
    ),
    setting("logfile", Text, "", STDERR),
    setting("login_notify_message", Text, "", NotOffered("clients are sent no welcome")),
    setting("max_client_conn", Number, "100", Same),
    setting("max_db_client_connections", Number, "0", Same),
    setting(
        "max_db_connections",
        Number,
        "0",
        Different("a pool that needs one gets one that is idle in another pool at once"),
    ),
    setting(
        "max_packet_size",
        Number,
        "2147483647",
        NotOffered("large messages stream through and are not held"),
    ),
    setting(
        "max_prepared_statements",
        Number,
        "200",
        Different("0 means 200: prepared statements are always carried"),
    ),
    setting("max_user_client_connections", Number, "0", Same),
    setting(
        "max_user_connections",
        Number,
        "0",
        Different("a pool that needs one gets one that is idle in another pool at once"),
    ),
    setting("min_pool_size", Number, "0", Same),
    setting("peer_id", Number, "0", Same),
    setting(
        "pidfile",
        Text,
        "",
        Unneeded("no such file is written: the service manager knows the process"),
    ),
    setting("pkt_buf", Number, "4096", BUFFERS),
    setting(
        "pool_idle_timeout",
        Seconds,
        "0",
        NotOffered("only pools of databases that are not configured by name are closed"),
    ),
    setting(
        "pool_mode",
        Word,
        "session",
        Different(
            "in transaction mode, what made session state keeps its server connection until that is \
             gone, and settings follow their client; there is transaction_strict too",
        ),
    ),
    setting(
        "query_timeout",
        Seconds,
        "0",
        Different("the query is cancelled and its client stays connected; PgBouncer closes both"),
    ),
    setting("query_wait_notify", Seconds, "5", Same),
    setting("query_wait_timeout", Seconds, "120", Same),
    setting("reserve_pool_size", Number, "0", Same),
    setting("reserve_pool_timeout", Seconds, "5", Same),
    setting("resolv_conf", Text, "", NotOffered("names are resolved as the system does it")),
    setting("sbuf_loopcnt", Number, "5", BUFFERS),
    setting(
        "scram_iterations",
        Number,
        "4096",
        NotOffered("a SCRAM verifier in auth_file has its own; for cleartext passwords it is 4096"),
    ),
    setting("server_check_delay", Seconds, "30", LOOKED_AT),
    setting("server_check_query", Text, "<empty>", LOOKED_AT),
    setting("server_connect_timeout", Seconds, "15", Same),
    setting(
        "server_fast_close",
        Flag,
        "0",
        NotOffered("connections to an old address end with their clients"),
    ),
    setting("server_idle_timeout", Seconds, "600", Same),
    setting(
        "server_lifetime",
        Seconds,
        "3600",
        Different(
            "each connection has 80 to 100 % of it, so that those opened together do not go together",
        ),
    ),
    setting(
        "server_login_retry",
        Seconds,
        "15",
        Different(
            "clients wait for so long while the server is tried again and again, and are told then; \
             PgBouncer tells them at once and tries again after it",
        ),
    ),
    setting("server_reset_query", Text, "DISCARD ALL", CLEAN),
    setting("server_reset_query_always", Flag, "0", CLEAN),
    setting("server_round_robin", Flag, "0", Same),
    setting("server_tls13_ciphers", Text, "", SUITES),
    setting("server_tls_ca_file", File, "", Same),
    setting("server_tls_cert_file", File, "", Same),
    setting("server_tls_ciphers", Text, "default", SUITES),
    setting("server_tls_key_file", File, "", Same),
    setting(
        "server_tls_protocols",
        Protocols,
        "secure",
        Different("tlsv1.0 and tlsv1.1 are left out: they are broken"),
    ),
    setting(
        "server_tls_sslmode",
        Word,
        "prefer",
        Different("allow tries without encryption first, as libpq does"),
    ),
    setting("service_name", Text, "pgbouncer", SERVICE),
    setting(
        "so_reuseport",
        Flag,
        "0",
        Different("is seldom needed: one process uses several cores (`worker_threads`)"),
    ),
    setting(
        "stats_period",
        Number,
        "60",
        Unneeded("averages are over the last minute, and the history has every minute"),
    ),
    setting("stats_users", Text, "", Same),
    setting("suspend_timeout", Seconds, "10", Same),
    setting("syslog", Flag, "0", STDERR),
    setting("syslog_facility", Text, "daemon", STDERR),
    setting("syslog_ident", Text, "pgbouncer", STDERR),
    setting(
        "tcp_defer_accept",
        Flag,
        "1",
        Unneeded(
            "a connection that says nothing holds a socket and no more, and gives way to others",
        ),
    ),
    setting("tcp_keepalive", Flag, "1", Same),
    setting("tcp_keepcnt", Number, "0", Same),
    setting("tcp_keepidle", Number, "0", Same),
    setting("tcp_keepintvl", Number, "0", Same),
    setting("tcp_socket_buffer", Number, "0", Same),
    setting("tcp_user_timeout", Number, "0", Same),
    setting(
        "track_extra_parameters",
        Text,
        "IntervalStyle",
        Unneeded("all settings follow their client, search_path and roles among them"),
    ),
    setting("transaction_timeout", Seconds, "0", Same),
    setting(
        "unix_socket_dir",
        File,
        "/tmp",
        Different("abstract sockets (`@…`) are refused; the directory must be there"),
    ),
    setting("unix_socket_group", Text, "", Same),
    setting("unix_socket_mode", Mode, "0777", Same),
    setting(
        "user",
        Text,
        "",
        NotOffered("start it as that user: systemd's User=, or `su`; no right is needed to run it"),
    ),
    setting(
        "verbose",
        Number,
        "0",
        Different("becomes `log_level`: 0 is info, 1 debug, more trace"),
    ),
];
