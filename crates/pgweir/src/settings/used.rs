//! The configuration as used: checked, with units in types.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use insight::DetectionSettings;
use model::{PoolMode, Priority};
use proxy::{ClientTlsFiles, ServerTlsFiles, TcpOptions};

use super::authentication::Authentication;
use super::database::{Database, User};
use super::fleet::Fleet;
use super::history::HistoryKept;
use super::monitoring::Monitoring;
use super::password::Secret;
use super::unix_socket::UnixSocket;
use super::upstream::Upstream;
use super::values::{AuthType, LogFormat};

/// The configuration. `settings/reference.rs` says what each setting does and where 0 is "none".
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where clients connect by TCP; empty: nowhere.
    pub listen: Vec<SocketAddr>,
    /// Where clients of this machine may connect too.
    pub unix_socket: UnixSocket,
    /// What makes it one of several.
    pub fleet: Fleet,
    /// What the system is asked to do with TCP connections.
    pub tcp: TcpOptions,
    /// Where metrics and health are served; none serves nothing.
    pub http: Option<SocketAddr>,
    /// Where history is kept; none: the platform's state folder.
    pub data_dir: Option<PathBuf>,
    /// How much of it, and where besides.
    pub history: HistoryKept,
    /// Servers given as URLs.
    pub upstreams: Vec<Upstream>,
    /// Databases by the name that clients use.
    pub databases: BTreeMap<String, Database>,
    /// What any other name leads to.
    pub fallback: Option<Database>,
    /// Users by name, the URLs' users among them.
    pub users: BTreeMap<String, User>,
    /// Priorities of applications, by what they call themselves; `*` stands for anything.
    pub applications: BTreeMap<String, Priority>,
    /// How clients' connections are encrypted.
    pub client_tls: ClientTlsFiles,
    /// How connections to servers are encrypted, where their URL does not say otherwise.
    pub server_tls: ServerTlsFiles,
    /// How clients prove who they are.
    pub auth_type: AuthType,
    /// The files that say more of that, and whom to ask about the others.
    pub authentication: Authentication,
    /// Who may run commands in the admin console.
    pub admin_users: Vec<String>,
    /// Who may look in the admin console.
    pub stats_users: Vec<String>,
    /// Mode of pools where neither user nor database says otherwise.
    pub pool_mode: PoolMode,
    /// Server connections a pool may have where the database does not say otherwise.
    pub default_pool_size: NonZeroU32,
    /// Server connections kept open in a pool where the database does not say otherwise.
    pub min_pool_size: u32,
    /// Server connections of the reserve where neither user nor database says otherwise.
    pub reserve_pool_size: u32,
    /// How long a client must wait before the reserve is used; none: it is not.
    pub reserve_pool_timeout: Option<Duration>,
    /// Server connections of a database where it does not say otherwise; none is no limit.
    pub max_db_connections: Option<NonZeroU32>,
    /// Server connections of a user where it does not say otherwise; none is no limit.
    pub max_user_connections: Option<NonZeroU32>,
    /// Clients of a database where it does not say otherwise; none is no limit.
    pub max_db_client_connections: Option<NonZeroU32>,
    /// Clients of a user where it does not say otherwise; none is no limit.
    pub max_user_client_connections: Option<NonZeroU32>,
    /// Client connections in all.
    pub max_client_conn: NonZeroU32,
    /// Clients in the queue of one pool; none is no limit.
    pub max_wait_queue: Option<NonZeroU32>,
    /// How long a client may have to expect to wait and still joins a queue; none is no limit.
    pub max_queue_age: Option<Duration>,
    /// The part of a pool and of its queue that clients of low priority may have, in percent.
    pub low_priority_share: u32,
    /// Prepared statements kept on a server connection.
    pub max_prepared_statements: NonZeroU32,
    /// Whether the unnamed statement is served from named ones.
    pub share_unnamed_statements: bool,
    /// Whether queries of the simple protocol are served from named statements.
    pub prepare_simple_queries: bool,
    /// How long a client waits for a server connection; none is for ever.
    pub query_wait_timeout: Option<Duration>,
    /// When a client in the queue is told that it waits; none is never.
    pub query_wait_notify: Option<Duration>,
    /// How long a statement may run; none is for ever.
    pub query_timeout: Option<Duration>,
    /// How long a transaction may last; none is for ever.
    pub transaction_timeout: Option<Duration>,
    /// How long nothing may happen in an open transaction; none is for ever.
    pub idle_transaction_timeout: Option<Duration>,
    /// How long a client may ask for nothing; none is for ever.
    pub client_idle_timeout: Option<Duration>,
    /// How long passing on a cancel request may take; none is for ever.
    pub cancel_wait_timeout: Option<Duration>,
    /// How long a server connection may be idle; none is for ever.
    pub server_idle_timeout: Option<Duration>,
    /// Age at which a server connection is closed when it is next free; zero uses each once.
    pub server_lifetime: Duration,
    /// Whether server connections are used in turn.
    pub server_round_robin: bool,
    /// How long the pool of a database that is not configured by name may be without clients; none
    /// is for ever.
    pub autodb_idle_timeout: Option<Duration>,
    /// How long connecting and logging in to the server may take.
    pub server_connect_timeout: Duration,
    /// How often it is checked what each of several hosts is; none is never.
    pub host_check_interval: Option<Duration>,
    /// How long a host may take to answer that.
    pub host_check_timeout: Duration,
    /// How long the addresses that a host's name leads to are used; none: for one connection.
    pub dns_max_ttl: Option<Duration>,
    /// How long the server may be out of reach before waiting clients are told.
    pub server_login_retry: Duration,
    /// How long a client may take to log in; none is for ever.
    pub client_login_timeout: Option<Duration>,
    /// How long a query over the admin console's tables may run.
    pub console_query_timeout: Duration,
    /// How long SIGTERM waits for transactions to end.
    pub shutdown_timeout: Duration,
    /// How long SUSPEND waits for clients to take what they are sent; none is for ever.
    pub suspend_timeout: Option<Duration>,
    /// How long clients that cannot be handed over may stay where another process has taken over.
    pub takeover_timeout: Duration,
    /// Worker threads; none is one for two processors.
    pub worker_threads: Option<NonZeroUsize>,
    /// Fingerprints kept apart in the statistics.
    pub max_fingerprints: NonZeroU32,
    /// Whether to read catalogues and to plan, so as to find missing indexes.
    pub analyse: bool,
    /// Whether statements and transactions are counted and timed.
    pub statistics: bool,
    /// When detectors speak.
    pub detection: DetectionSettings,
    /// The analyser's user on the server, where not the URL's.
    pub catalog_user: Option<String>,
    /// Password of `catalog_user`.
    pub catalog_password: Option<Secret>,
    /// Whether reports may show the values that clients sent.
    pub report_values: bool,
    /// Metrics, traces, slow statements.
    pub monitoring: Monitoring,
    /// What a log line looks like.
    pub log_format: LogFormat,
    /// The least urgent log level that is written.
    pub log_level: tracing::Level,
}

/// PgBouncer's port, and ours.
pub(super) const DEFAULT_PORT: u16 = 6432;

impl Settings {
    /// The port that this process is known by: of `listen`, else the one in the Unix socket's name.
    pub(crate) fn port(&self) -> u16 {
        let tcp = self.listen.first().map(SocketAddr::port);
        tcp.or(self.unix_socket.port).unwrap_or(DEFAULT_PORT)
    }

    /// Where others than this machine can connect, if they can.
    pub(super) fn open_address(&self) -> Option<SocketAddr> {
        self.listen.iter().copied().find(|address| !address.ip().is_loopback())
    }
}

const fn non_zero(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))],
            unix_socket: UnixSocket::default(),
            fleet: Fleet::default(),
            tcp: TcpOptions::default(),
            http: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 6433))),
            data_dir: None,
            history: HistoryKept::default(),
            upstreams: Vec::new(),
            databases: BTreeMap::new(),
            fallback: None,
            users: BTreeMap::new(),
            applications: BTreeMap::new(),
            client_tls: ClientTlsFiles::default(),
            server_tls: ServerTlsFiles::default(),
            auth_type: AuthType::ScramSha256,
            authentication: Authentication::default(),
            admin_users: Vec::new(),
            stats_users: Vec::new(),
            pool_mode: PoolMode::Transaction,
            default_pool_size: non_zero(20),
            min_pool_size: 0,
            reserve_pool_size: 0,
            reserve_pool_timeout: Some(Duration::from_secs(5)),
            max_db_connections: None,
            max_user_connections: None,
            max_db_client_connections: None,
            max_user_client_connections: None,
            // PgBouncer's 100 is what most of its users run into first.
            max_client_conn: non_zero(10_000),
            max_wait_queue: None,
            max_queue_age: None,
            low_priority_share: 75,
            max_prepared_statements: non_zero(200),
            share_unnamed_statements: true,
            prepare_simple_queries: false,
            query_wait_timeout: Some(Duration::from_secs(120)),
            query_wait_notify: Some(Duration::from_secs(5)),
            query_timeout: None,
            transaction_timeout: None,
            idle_transaction_timeout: None,
            client_idle_timeout: None,
            cancel_wait_timeout: Some(Duration::from_secs(10)),
            server_idle_timeout: Some(Duration::from_secs(600)),
            server_lifetime: Duration::from_secs(3600),
            server_round_robin: false,
            autodb_idle_timeout: Some(Duration::from_secs(3600)),
            server_connect_timeout: Duration::from_secs(15),
            host_check_interval: Some(Duration::from_secs(1)),
            host_check_timeout: Duration::from_secs(3),
            dns_max_ttl: Some(Duration::from_secs(15)),
            server_login_retry: Duration::from_secs(15),
            client_login_timeout: Some(Duration::from_secs(60)),
            console_query_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(60),
            suspend_timeout: Some(Duration::from_secs(10)),
            takeover_timeout: Duration::from_secs(3600),
            worker_threads: None,
            max_fingerprints: non_zero(5_000),
            analyse: true,
            statistics: true,
            detection: DetectionSettings::default(),
            catalog_user: None,
            catalog_password: None,
            report_values: false,
            monitoring: Monitoring::default(),
            log_format: LogFormat::Human,
            log_level: tracing::Level::INFO,
        }
    }
}
