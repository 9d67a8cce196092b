//! What RELOAD can change: every setting of the tables that the manual is made from, with a value that is
//! not its default and does not stop the load.

use std::path::Path;
use std::time::Duration;

use insight::{DetectionSettings, ThresholdReference, ThresholdValue};
use pgweir::settings::{
    APPLICATION_KEYS, DATABASE_KEYS, KeyReference, PEER_KEYS, REFERENCE, Settings, USER_KEYS,
    Written,
};

use crate::scene::Scene;

/// Settings, and what is written so that each is another one: `DIRECTORY` is that of the test,
/// `DATABASE` that of the clients, `PORT` the server's.
type Others = &'static [(&'static str, &'static str)];

/// A setting that is changed.
#[derive(Clone)]
pub(crate) struct Change {
    /// Its name, with the section's.
    pub(crate) name: String,
    /// The whole file.
    pub(crate) file: String,
}

/// Where things are in a test.
pub(crate) struct Places {
    upstream: String,
    port: u16,
    database: String,
    directory: String,
}

impl Places {
    pub(crate) fn of(scene: &Scene) -> Self {
        Self {
            upstream: scene.postgres.url("postgres", "postgres"),
            port: scene.postgres.port(),
            database: scene.database.name.clone(),
            directory: scene.folder.path().display().to_string(),
        }
    }

    /// The file with these lines too, which may say where the upstream is.
    pub(crate) fn file(&self, lines: &str) -> String {
        let lines = self.filled_in(lines);
        let upstream = match lines.contains("upstream = ") || lines.contains("[databases.\"*\"]") {
            true => String::new(),
            false => format!("upstream = {:?}\n", self.upstream),
        };
        format!("analyse = false\npeer_id = 1\n{upstream}{lines}\n")
    }

    fn filled_in(&self, lines: &str) -> String {
        lines
            .replace("DIRECTORY", &self.directory)
            .replace("PORT", &self.port.to_string())
            .replace("DATABASE", &self.database)
    }

    fn change(&self, name: String, lines: &str) -> Change {
        Change { name, file: self.file(lines) }
    }

    /// Every setting outside of sections, and what else says where databases are.
    pub(crate) fn settings(&self) -> Vec<Change> {
        let reloadable = REFERENCE.iter().filter(|setting| setting.reloadable);
        let named = reloadable.map(|setting| (setting.name, other(setting.name, OTHER_VALUES)));
        let all = named.chain([("databases.*", ANY_DATABASE)]);
        all.map(|(name, lines)| self.change(name.to_owned(), lines)).collect()
    }

    /// Every key of the sections that have names of the administrator's choice.
    pub(crate) fn sections(&self) -> Vec<Change> {
        let of = |section: &'static str, keys: &'static [KeyReference], others: Others| {
            keys.iter().map(move |key| {
                let lines = other(key.name, others);
                // The clients cannot do without the name: it is changed of a database without any.
                let section = if key.name == "dbname" { "databases.elsewhere" } else { section };
                // A user with a password changes the default.
                let lines = format!("auth_type = \"trust\"\n[{section}]\n{lines}");
                self.change(format!("{section}.{}", key.name), &lines)
            })
        };
        of("databases.DATABASE", DATABASE_KEYS, OF_DATABASES)
            .chain(of("users.postgres", USER_KEYS, OF_USERS))
            .chain(of("applications.pgbench", APPLICATION_KEYS, OF_APPLICATIONS))
            .chain(of("peers.2", PEER_KEYS, OF_PEERS))
            .collect()
    }

    /// Every threshold of every detector, and whether it looks at all.
    pub(crate) fn detection(&self) -> Vec<Change> {
        let mut changes = vec![self.change("window".into(), "[detection]\nwindow = \"10m\"")];
        for (section, thresholds) in DetectionSettings::default().reference() {
            let mut change = |key: &str, value: &str| {
                let lines = format!("[detection.{section}]\n{key} = {value}");
                changes.push(self.change(format!("detection.{section}.{key}"), &lines));
            };
            change("enabled", "false");
            for threshold in thresholds {
                change(threshold.key, &other_threshold(&threshold));
            }
        }
        changes
    }
}

/// What a file comes to.
pub(crate) fn used(file: &str) -> Settings {
    let mut written = Written::default();
    written.add_file(Path::new("pgweir.toml"), file);
    written.resolve().unwrap_or_else(|error| panic!("{error}\n{file}")).settings
}

/// Panics if a setting is new and has no other value here.
fn other(name: &str, others: Others) -> &'static str {
    let found = others.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("no other value of {name} is known here")).1
}

fn other_threshold(threshold: &ThresholdReference) -> String {
    match threshold.value {
        ThresholdValue::Count(number) => (number + 1).to_string(),
        ThresholdValue::Number(number) => format!("{:?}", number + 1.0),
        ThresholdValue::Ratio(share) => format!("{:?}", if share > 0.5 { 0.5 } else { 0.6 }),
        ThresholdValue::Duration(time) => {
            format!("{:?}", ThresholdValue::Duration(time + Duration::from_secs(1)).to_string())
        }
    }
}

const ANY_DATABASE: &str = "admin_users = [\"postgres\"]
[databases.\"*\"]
host = \"127.0.0.1\"
port = PORT
pool_size = 7";

const ANYBODY: &str = "auth_type = \"any\"
admin_users = [\"postgres\"]
[databases.\"*\"]
host = \"127.0.0.1\"
port = PORT
user = \"postgres\"";

const OTHER_VALUES: Others = &[
    ("trace_sample_ratio", "trace_sample_ratio = 0.5"),
    ("trace_min_duration", "trace_min_duration = \"2s\""),
    ("log_min_duration", "log_min_duration = \"5s\""),
    ("upstream", "upstream = \"postgres://postgres@localhost:PORT/postgres\""),
    ("client_tls_sslmode", CLIENT_TLS),
    ("client_tls_key_file", CLIENT_TLS),
    ("client_tls_cert_file", CLIENT_TLS),
    ("client_tls_ca_file", CLIENT_TLS),
    ("client_tls_protocols", "client_tls_protocols = \"tlsv1.3\""),
    ("server_tls_sslmode", "server_tls_sslmode = \"disable\""),
    ("server_tls_ca_file", SERVER_TLS),
    ("server_tls_key_file", SERVER_TLS),
    ("server_tls_cert_file", SERVER_TLS),
    ("server_tls_protocols", "server_tls_protocols = \"tlsv1.3\""),
    ("auth_type", ANYBODY),
    ("auth_file", "auth_file = \"DIRECTORY/userlist.txt\""),
    ("auth_hba_file", HBA),
    ("auth_ident_file", HBA),
    ("auth_user", "auth_user = \"postgres\""),
    (
        "auth_query",
        "auth_query = \"SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1\"",
    ),
    ("auth_dbname", "auth_dbname = \"postgres\""),
    ("admin_users", "admin_users = [\"postgres\", \"ada\"]"),
    ("stats_users", "stats_users = [\"grace\"]"),
    ("pool_mode", "pool_mode = \"transaction_strict\""),
    ("default_pool_size", "default_pool_size = 5"),
    ("min_pool_size", "min_pool_size = 3"),
    ("reserve_pool_size", "reserve_pool_size = 3"),
    ("reserve_pool_timeout", "reserve_pool_timeout = \"100ms\""),
    ("max_db_connections", "max_db_connections = 7"),
    ("max_user_connections", "max_user_connections = 7"),
    ("max_db_client_connections", "max_db_client_connections = 500"),
    ("max_user_client_connections", "max_user_client_connections = 500"),
    ("max_client_conn", "max_client_conn = 200"),
    ("max_wait_queue", "max_wait_queue = 1000"),
    ("max_queue_age", "max_queue_age = \"30s\""),
    ("low_priority_share", "low_priority_share = 50"),
    ("max_prepared_statements", "max_prepared_statements = 1"),
    ("share_unnamed_statements", "share_unnamed_statements = false"),
    ("prepare_simple_queries", "prepare_simple_queries = true"),
    ("query_wait_timeout", "query_wait_timeout = \"60s\""),
    ("query_wait_notify", "query_wait_notify = \"50ms\""),
    ("query_timeout", "query_timeout = \"60s\""),
    ("transaction_timeout", "transaction_timeout = \"60s\""),
    ("idle_transaction_timeout", "idle_transaction_timeout = \"60s\""),
    ("client_idle_timeout", "client_idle_timeout = \"60s\""),
    ("cancel_wait_timeout", "cancel_wait_timeout = \"5s\""),
    ("server_idle_timeout", "server_idle_timeout = \"50ms\""),
    ("server_lifetime", "server_lifetime = \"100ms\""),
    ("server_round_robin", "server_round_robin = true"),
    ("autodb_idle_timeout", "autodb_idle_timeout = \"1s\""),
    ("server_connect_timeout", "server_connect_timeout = \"10s\""),
    ("server_login_retry", "server_login_retry = \"10s\""),
    ("client_login_timeout", "client_login_timeout = \"10s\""),
    ("console_query_timeout", "console_query_timeout = \"5s\""),
    ("shutdown_timeout", "shutdown_timeout = \"10s\""),
    ("suspend_timeout", "suspend_timeout = \"5s\""),
    ("takeover_timeout", "takeover_timeout = \"10s\""),
    (
        "host_check_interval",
        "host_check_interval = \"50ms\"\n[databases.DATABASE]\nhost = [\"127.0.0.1\", \"localhost\"]\nport = PORT",
    ),
    (
        "host_check_timeout",
        "host_check_timeout = \"2s\"\n[databases.DATABASE]\nhost = [\"127.0.0.1\", \"localhost\"]\nport = PORT",
    ),
    (
        "dns_max_ttl",
        "dns_max_ttl = \"50ms\"\n[databases.DATABASE]\nhost = [\"127.0.0.1\", \"localhost\"]\nport = PORT",
    ),
    ("tcp_keepalive", "tcp_keepalive = false"),
    ("tcp_keepidle", "tcp_keepidle = 30"),
    ("tcp_keepintvl", "tcp_keepintvl = 5"),
    ("tcp_keepcnt", "tcp_keepcnt = 3"),
    ("tcp_user_timeout", "tcp_user_timeout = 5000"),
    ("tcp_socket_buffer", "tcp_socket_buffer = \"64kB\""),
    ("proxy_protocol_from", "proxy_protocol_from = [\"192.0.2.0/24\"]"),
    ("report_values", "report_values = true"),
];

const CLIENT_TLS: &str = "client_tls_sslmode = \"allow\"
client_tls_cert_file = \"DIRECTORY/pgweir.crt\"
client_tls_key_file = \"DIRECTORY/pgweir.key\"
client_tls_ca_file = \"DIRECTORY/pgweir.crt\"";
const SERVER_TLS: &str = "server_tls_sslmode = \"allow\"
server_tls_ca_file = \"DIRECTORY/pgweir.crt\"
server_tls_cert_file = \"DIRECTORY/pgweir.crt\"
server_tls_key_file = \"DIRECTORY/pgweir.key\"";
/// Clients' logins by files.
pub(crate) const HBA: &str = "auth_type = \"hba\"
auth_file = \"DIRECTORY/userlist.txt\"
auth_hba_file = \"DIRECTORY/hba.conf\"
auth_ident_file = \"DIRECTORY/ident.conf\"
stats_users = [\"ada\"]";

const OF_DATABASES: Others = &[
    ("host", "host = [\"127.0.0.1\", \"localhost\"]\nport = PORT"),
    ("port", "port = PORT"),
    ("target_session_attrs", "target_session_attrs = \"primary\""),
    (
        "load_balance_hosts",
        "host = [\"127.0.0.1\", \"localhost\"]\nport = PORT\nload_balance_hosts = \"random\"",
    ),
    ("max_replica_lag", "max_replica_lag = \"10s\""),
    ("dbname", "dbname = \"postgres\""),
    ("user", "user = \"postgres\""),
    ("password", "user = \"postgres\"\npassword = \"any\""),
    ("auth_user", "auth_user = \"postgres\""),
    (
        "auth_query",
        "auth_query = \"SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1\"",
    ),
    ("auth_dbname", "auth_dbname = \"postgres\""),
    ("pool_size", "pool_size = 5"),
    ("min_pool_size", "min_pool_size = 3"),
    ("reserve_pool_size", "reserve_pool_size = 3"),
    ("server_lifetime", "server_lifetime = \"100ms\""),
    ("max_db_connections", "max_db_connections = 7"),
    ("max_db_client_connections", "max_db_client_connections = 500"),
    ("pool_mode", "pool_mode = \"transaction_strict\""),
    ("connect_query", "connect_query = \"SELECT 1\""),
    ("application_name", "application_name = \"changed\""),
    ("client_encoding", "client_encoding = \"UTF8\""),
    ("datestyle", "datestyle = \"ISO, DMY\""),
    ("timezone", "timezone = \"Asia/Tokyo\""),
];

const OF_USERS: Others = &[
    ("password", "password = \"any\""),
    ("pool_mode", "pool_mode = \"transaction_strict\""),
    ("pool_size", "pool_size = 5"),
    ("reserve_pool_size", "reserve_pool_size = 3"),
    ("max_user_connections", "max_user_connections = 7"),
    ("max_user_client_connections", "max_user_client_connections = 500"),
    ("query_timeout", "query_timeout = \"60s\""),
    ("transaction_timeout", "transaction_timeout = \"60s\""),
    ("idle_transaction_timeout", "idle_transaction_timeout = \"60s\""),
    ("client_idle_timeout", "client_idle_timeout = \"60s\""),
    ("priority", "priority = \"low\""),
];

const OF_APPLICATIONS: Others = &[("priority", "priority = \"low\"")];

const OF_PEERS: Others = &[
    ("host", "host = \"127.0.0.1\""),
    ("port", "host = \"127.0.0.1\"\nport = 7432"),
    ("pool_size", "host = \"127.0.0.1\"\npool_size = 3"),
];
