//! Settings of the data path, as used.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use model::PoolMode;
use pooling::scheduler::Limits;
use wire::auth::Secret;

use crate::server::Upstream;
use crate::stream::ServerAddress;

/// How clients prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthType {
    /// They need not.
    Trust,
    /// Password in clear text.
    Plain,
    /// MD5, or SCRAM for users whose secret is a SCRAM verifier.
    Md5,
    /// SCRAM-SHA-256.
    ScramSha256,
}

/// Where the server connections of a pool go, and how it is run.
#[derive(Clone, Debug)]
pub struct PoolTarget {
    /// The upstream.
    pub address: ServerAddress,
    /// Name of the database there.
    pub database: String,
    /// User there.
    pub user: String,
    /// Password there.
    pub password: Option<Secret>,
    /// Server connections at most.
    pub size: u32,
    /// When a server connection goes back to the pool.
    pub mode: PoolMode,
}

/// Finds the pool for a database and a user, as the client names them; none if there is no such
/// database.
pub type FindPool = Arc<dyn Fn(&str, &str) -> Option<PoolTarget> + Send + Sync>;

/// Settings of the data path.
#[derive(Clone)]
pub struct ProxySettings {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Finds pools.
    pub find_pool: FindPool,
    /// Databases that are configured by name.
    pub databases: Vec<String>,
    /// Users that may log in by password, and what it is checked against.
    pub users: HashMap<String, Secret>,
    /// How clients prove who they are.
    pub auth_type: AuthType,
    /// Who may run commands in the admin console.
    pub admin_users: Vec<String>,
    /// Who may look in the admin console.
    pub stats_users: Vec<String>,
    /// Client connections in all.
    pub max_client_conn: usize,
    /// Clients in the queue of one pool; none is no limit.
    pub max_wait_queue: Option<usize>,
    /// Prepared statements kept on a server connection.
    pub max_prepared_statements: usize,
    /// How long a client waits for a server connection.
    pub query_wait_timeout: Duration,
    /// How long a server connection may be idle.
    pub server_idle_timeout: Duration,
    /// Age at which a server connection is closed when it is next free.
    pub server_lifetime: Duration,
    /// How long connecting and logging in to the server may take.
    pub server_connect_timeout: Duration,
    /// How long the upstream may be unreachable before clients in the queue are told.
    pub server_login_retry: Duration,
    /// How long a client may take to log in.
    pub client_login_timeout: Duration,
    /// How long a drain waits for transactions to end.
    pub shutdown_timeout: Duration,
}

impl ProxySettings {
    pub(crate) fn limits(&self, size: u32) -> Limits {
        Limits {
            size,
            max_waiting: self.max_wait_queue,
            wait_timeout: self.query_wait_timeout,
            idle_timeout: self.server_idle_timeout,
            lifetime: self.server_lifetime,
            login_retry: self.server_login_retry,
        }
    }

    pub(crate) fn upstream(&self, target: PoolTarget) -> Upstream {
        Upstream {
            address: target.address,
            database: target.database,
            user: target.user,
            password: target.password,
            timeout: self.server_connect_timeout,
            max_prepared_statements: self.max_prepared_statements,
        }
    }
}

impl std::fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProxySettings").field("listen", &self.listen).finish_non_exhaustive()
    }
}
