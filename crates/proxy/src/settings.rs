//! Settings of the data path, as used.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use access::Networks;
use model::{PoolKey, PoolMode, Priority};
use pooling::hosts::Wish;
use pooling::known::Serves;
use pooling::priorities::Priorities;
use pooling::quota::Scope;
use pooling::scheduler::Limits;
use pooling::timeouts::Timeouts;
use wire::PeerId;
use wire::auth::Secret;

use crate::hosts::{Clusters, HostSettings};
use crate::login_settings::LoginSettings;
use crate::peers::Peer;
use crate::pool::PoolSetup;
use crate::server::{Learned, ReplicationStart, Upstream};
use crate::stream::ServerAddress;
use crate::tcp::TcpOptions;
use crate::tls::{ClientTls, ServerTls};

/// Where the server connections of a pool go, and how it is run.
#[derive(Clone, Debug)]
pub struct PoolTarget {
    /// The hosts that its connections may go to, in the order in which they are written.
    pub hosts: Vec<ServerAddress>,
    /// Which of them will do.
    pub wish: Wish,
    /// Name of the database there.
    pub database: String,
    /// User there.
    pub user: String,
    /// Password there.
    pub password: Option<Secret>,
    /// How connections to it are encrypted.
    pub tls: ServerTls,
    /// What the system is asked to do with them.
    pub tcp: TcpOptions,
    /// Run on each server connection before any client has it.
    pub connect_query: Option<String>,
    /// Settings that server connections ask for when they log in.
    pub startup: Vec<(String, String)>,
    /// Server connections at most, the reserve aside.
    pub size: u32,
    /// Server connections that are kept open.
    pub min_size: u32,
    /// Server connections of the reserve.
    pub reserve_size: u32,
    /// Age at which a server connection is closed when it is next free.
    pub server_lifetime: Duration,
    /// When a server connection goes back to the pool.
    pub mode: PoolMode,
    /// How long its clients may take over what.
    pub timeouts: Timeouts,
    /// What it shares with others.
    pub maxima: Maxima,
    /// Whether the database is not configured by name.
    pub on_demand: bool,
    /// Whether all server connections of the database log in as `user`, whoever the client is. Then
    /// its pools share the size of one.
    pub forced_user: bool,
}

/// Connections at most, over all pools of a database or of a user; none is no bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maxima {
    /// Server connections of the database.
    pub db_connections: Option<u32>,
    /// Server connections that log in as the user.
    pub user_connections: Option<u32>,
    /// Clients of the database.
    pub db_client_connections: Option<u32>,
    /// Clients that have logged in as the user.
    pub user_client_connections: Option<u32>,
}

/// Where a Unix socket is made, and who may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocketPlace {
    /// The directory.
    pub directory: PathBuf,
    /// The port in its name, where there is no TCP port or another one.
    pub port: Option<u16>,
    /// The file mode: who may write may connect.
    pub mode: u32,
    /// The file's group by number; none leaves it as it comes.
    pub group: Option<u32>,
}

/// How the system takes clients in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Whether other processes may listen on the same address.
    pub reuse_port: bool,
    /// Clients that have connected and are not accepted yet; the system may make it less.
    pub backlog: u32,
}

/// Finds the pool for a database and a user, as the client names them; none if there is no such
/// database.
pub type FindPool = Arc<dyn Fn(&str, &str) -> Option<PoolTarget> + Send + Sync>;

/// Settings of the data path.
#[derive(Clone)]
pub struct ProxySettings {
    /// Where clients connect by TCP; empty: nowhere.
    pub listen: Vec<SocketAddr>,
    /// Where clients of this machine may connect too; the socket's name has the port of `listen`.
    pub unix_socket: Option<UnixSocketPlace>,
    /// How the system takes clients in.
    pub listening: Listening,
    /// Who this is among its peers; fixed while it runs.
    pub peer_id: Option<PeerId>,
    /// The other poolers of the fleet.
    pub peers: Vec<Peer>,
    /// Where balancers are: connections from there must begin with a PROXY header.
    pub proxy_protocol_from: Networks,
    /// What the system is asked to do with clients' connections.
    pub tcp: TcpOptions,
    /// How clients' connections are encrypted.
    pub client_tls: ClientTls,
    /// Finds pools.
    pub find_pool: FindPool,
    /// Databases that are configured by name.
    pub databases: Vec<String>,
    /// Databases with the user that is known to use them: their pools are kept at `min_size` from
    /// the start.
    pub warm: Vec<PoolKey>,
    /// Who may log in, and how they prove who they are.
    pub login: LoginSettings,
    /// Who may run commands in the admin console.
    pub admin_users: Vec<String>,
    /// Who may look in the admin console.
    pub stats_users: Vec<String>,
    /// Clients that are logged in.
    pub max_client_conn: usize,
    /// Of these, those for whom there are file descriptors.
    pub clients_that_fit: usize,
    /// Connections that are not logged in: when there are more, those that have been there for
    /// longest are closed.
    pub max_not_logged_in: usize,
    /// Clients in the queue of one pool; none is no limit.
    pub max_wait_queue: Option<usize>,
    /// How long a client may have to expect to wait and still joins the queue; none is no limit.
    pub max_queue_age: Option<Duration>,
    /// The part of a pool that clients of low priority may have, in percent.
    pub low_priority_share: u32,
    /// Whose queries go first.
    pub priorities: Priorities,
    /// Prepared statements kept on a server connection.
    pub max_prepared_statements: usize,
    /// Whether the unnamed statement is served from named ones.
    pub share_unnamed_statements: bool,
    /// Whether queries of the simple protocol are served from named statements.
    pub prepare_simple_queries: bool,
    /// How long a client waits for a server connection.
    pub query_wait_timeout: Duration,
    /// How long a server connection may be idle.
    pub server_idle_timeout: Duration,
    /// How long a client must wait before the reserve is used; none: it is not.
    pub reserve_pool_timeout: Option<Duration>,
    /// Whether server connections are used in turn.
    pub server_round_robin: bool,
    /// How long the pool of a database that is not configured by name may be without clients; none
    /// is for ever.
    pub autodb_idle_timeout: Option<Duration>,
    /// How long connecting and logging in to the server may take.
    pub server_connect_timeout: Duration,
    /// How hosts are looked after.
    pub hosts: HostSettings,
    /// How long the upstream may be unreachable before clients in the queue are told.
    pub server_login_retry: Duration,
    /// How long a client may take to log in.
    pub client_login_timeout: Duration,
    /// How long passing on a cancel request may take.
    pub cancel_wait_timeout: Duration,
    /// How long SUSPEND waits for clients to take what they are sent; none is for ever.
    pub suspend_timeout: Option<Duration>,
    /// How long a drain waits for transactions to end.
    pub shutdown_timeout: Duration,
}

impl ProxySettings {
    /// Clients that are let in.
    pub(crate) fn client_places(&self) -> usize {
        self.max_client_conn.min(self.clients_that_fit)
    }

    /// How a pool of this database and user is run.
    pub(crate) fn pool_setup(
        &self,
        key: &PoolKey,
        target: PoolTarget,
        clusters: &Clusters,
    ) -> PoolSetup {
        let database = &key.database;
        let priority = self.priorities.of_user(&key.user);
        let limits = self.limits(&target, priority);
        let mut maxima = vec![
            (Scope::Database(Arc::clone(database)), target.maxima.db_connections),
            (Scope::User(target.user.as_str().into()), target.maxima.user_connections),
        ];
        if target.forced_user {
            // For PgBouncer they are one pool; here each user has a queue of its own, so that none
            // is kept waiting by another.
            let size = limits.size_with_reserve();
            maxima.push((Scope::OneUser(Arc::clone(database)), Some(size)));
        }
        PoolSetup {
            mode: target.mode,
            priority,
            limits,
            maxima,
            serves: Serves {
                unnamed: self.share_unnamed_statements,
                queries: self.prepare_simple_queries,
            },
            unused_timeout: self.autodb_idle_timeout.filter(|_| target.on_demand),
            cluster: clusters.of(&target.hosts),
            upstream: self.upstream(target),
        }
    }

    /// How the one connection of a client that replicates is run: it is of no pool, and counts for the
    /// maxima of its database and its user.
    pub(crate) fn replication_setup(
        &self,
        key: &PoolKey,
        target: PoolTarget,
        start: ReplicationStart,
        learned: Learned,
        clusters: &Clusters,
    ) -> PoolSetup {
        let mut setup = self.pool_setup(key, target, clusters);
        setup.mode = PoolMode::Session;
        setup.limits = Limits { size: 1, min_size: 0, reserve_size: 0, ..setup.limits };
        setup.maxima.retain(|(scope, _)| !matches!(scope, Scope::OneUser(_)));
        setup.unused_timeout = None;
        setup.upstream.learned = learned;
        setup.upstream.replication = Some(Arc::new(start));
        setup
    }

    /// `priority`: of the pool's user.
    fn limits(&self, target: &PoolTarget, priority: Priority) -> Limits {
        // A failover may take longer: who waits for one is told by `query_wait_timeout`.
        let login_retry = match target.hosts.len() {
            0 | 1 => self.server_login_retry,
            _ => self.server_login_retry.max(self.query_wait_timeout),
        };
        Limits {
            size: target.size,
            min_size: target.min_size,
            reserve_size: target.reserve_size,
            reserve_timeout: self.reserve_pool_timeout,
            max_waiting: self.max_wait_queue,
            max_age: self.max_queue_age,
            low_share: match priority {
                // There are no others in this pool to keep anything for.
                Priority::Low => 100,
                Priority::Normal | Priority::High => self.low_priority_share,
            },
            low_share_of: [target.maxima.db_connections, target.maxima.user_connections]
                .into_iter()
                .flatten()
                .fold(target.size, u32::min),
            wait_timeout: self.query_wait_timeout,
            idle_timeout: self.server_idle_timeout,
            lifetime: target.server_lifetime,
            login_retry,
            round_robin: self.server_round_robin,
        }
    }

    fn upstream(&self, target: PoolTarget) -> Upstream {
        let cancel_timeout = self.cancel_wait_timeout;
        let prepared = self.max_prepared_statements;
        Upstream::new(target, self.server_connect_timeout, cancel_timeout, prepared)
    }
}

impl std::fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProxySettings").field("listen", &self.listen).finish_non_exhaustive()
    }
}
