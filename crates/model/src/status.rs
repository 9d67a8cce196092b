//! The live state of connections and pools, as SHOW prints it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Address, ClientId, PoolKey, ServerId, ShapeId};

/// When a server connection goes back to its pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolMode {
    /// When the client disconnects.
    Session,
    /// When the transaction ends; a client whose state cannot be carried keeps it.
    #[default]
    Transaction,
    /// When the transaction ends; a statement whose state could not be carried is refused.
    TransactionStrict,
    /// When the statement ends; transaction blocks are refused.
    Statement,
}

impl std::fmt::Display for PoolMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
            Self::TransactionStrict => "transaction_strict",
            Self::Statement => "statement",
        })
    }
}

/// Whether a connection is one of replication, and what it replicates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replication {
    /// It is not.
    #[default]
    None,
    /// One database.
    Logical,
    /// The whole server.
    Physical,
}

impl Replication {
    /// As PgBouncer's SHOW prints it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Logical => "logical",
            Self::Physical => "physical",
        }
    }
}

/// A pool at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolStatus {
    /// Which.
    pub key: PoolKey,
    /// Its mode.
    pub mode: PoolMode,
    /// Clients that hold a server connection, or are idle.
    pub clients_active: u32,
    /// Clients in the queue.
    pub clients_waiting: u32,
    /// Clients that keep their server connection between transactions.
    pub clients_pinned: u32,
    /// Cancel requests under way.
    pub cancels_active: u32,
    /// Server connections held by clients.
    pub servers_active: u32,
    /// Server connections ready for use.
    pub servers_idle: u32,
    /// Server connections being checked or cleaned after use.
    pub servers_tested: u32,
    /// Server connections being opened.
    pub servers_login: u32,
    /// Server connections allowed.
    pub size: u32,
    /// How long the first in the queue has waited.
    pub longest_wait: Duration,
    /// What 95 of 100 requests of the last minute did not wait longer than; those served at once
    /// waited for nothing.
    pub wait_p95: Duration,
    /// Transactions since the pool was made.
    pub transactions: u64,
    /// Of these, run by clients that were pinned before the transaction began.
    pub pinned_transactions: u64,
    /// In which order its hosts are tried, where there are several.
    pub load_balance_hosts: Option<&'static str>,
    /// Queries refused since the pool was made.
    pub rejected: Rejections,
    /// Whether PAUSE holds it.
    pub paused: bool,
    /// Why the last attempt to open a server connection failed, if it did.
    pub last_failure: Option<String>,
}

/// Queries that a pool refused because it had too much to do, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejections {
    /// The queue had `max_wait_queue` clients.
    pub queue_full: u64,
    /// They would have waited for longer than `max_queue_age`.
    pub queue_age: u64,
    /// They gave up their place in a full queue to a client of a higher priority.
    pub displaced: u64,
    /// They had waited for `query_wait_timeout`.
    pub timed_out: u64,
}

impl Rejections {
    /// Each reason by its name, with its count.
    #[must_use]
    pub fn by_reason(&self) -> [(&'static str, u64); 4] {
        [
            ("queue_full", self.queue_full),
            ("queue_age", self.queue_age),
            ("displaced", self.displaced),
            ("timed_out", self.timed_out),
        ]
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason().iter().map(|(_, count)| count).sum()
    }
}

/// What a client is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientState {
    /// Logging in.
    Login,
    /// Has no server connection and wants none.
    Idle,
    /// In the queue for a server connection.
    Waiting,
    /// Holds a server connection that works for it.
    Active,
    /// Holds a server connection in an open transaction block, and sends nothing.
    IdleInTransaction,
    /// Holds a server connection between transactions, since it is pinned.
    IdlePinned,
    /// Holds a server connection between transactions, in a pool in session mode.
    IdleInSession,
}

impl ClientState {
    /// As the console prints it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::IdleInTransaction => "idle in transaction",
            Self::IdlePinned => "idle, pinned",
            Self::IdleInSession => "idle, in session",
        }
    }
}

/// A client connection at one moment.
#[derive(Clone, Debug)]
pub struct ClientStatus {
    /// Its number.
    pub id: ClientId,
    /// Database and user.
    pub pool: PoolKey,
    /// What it replicates.
    pub replication: Replication,
    /// `application_name`.
    pub application: Arc<str>,
    /// What it is doing.
    pub state: ClientState,
    /// Since when.
    pub since: Timestamp,
    /// Where it comes from.
    pub address: Address,
    /// Where it came to.
    pub local_address: Address,
    /// Version of TLS and cipher suite; empty without TLS.
    pub tls: &'static str,
    /// When it came.
    pub connected: Timestamp,
    /// When its last request came.
    pub requested: Timestamp,
    /// How long it has been waiting for a server connection; zero if it does not.
    pub waiting: Duration,
    /// The server connection that it holds.
    pub server: Option<ServerId>,
    /// Why it keeps its server connection between transactions.
    pub pinned: Option<&'static str>,
    /// Its process, if it is one of this machine that the system names.
    pub process_id: Option<i32>,
    /// Statements it has prepared.
    pub prepared_statements: u32,
    /// The statement it runs, or ran last.
    pub statement: ShapeId,
}

/// What a server connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// Being opened.
    Login,
    /// Ready for use.
    Idle,
    /// Held by a client.
    Active,
    /// Being checked or cleaned after use.
    Tested,
}

/// A server connection at one moment.
#[derive(Clone, Debug)]
pub struct ServerStatus {
    /// Its number.
    pub id: ServerId,
    /// Database and user.
    pub pool: PoolKey,
    /// What it replicates.
    pub replication: Replication,
    /// What it is doing.
    pub state: ServerState,
    /// The server's address.
    pub address: Address,
    /// Our end.
    pub local_address: Address,
    /// Version of TLS and cipher suite; empty without TLS.
    pub tls: &'static str,
    /// When it was opened.
    pub connected: Timestamp,
    /// When it was last given to a client.
    pub requested: Timestamp,
    /// The client that holds it.
    pub client: Option<ClientId>,
    /// The server's process id.
    pub remote_pid: i32,
    /// Statements prepared on it.
    pub prepared_statements: u32,
    /// Whether it will be closed when it is given back.
    pub close_needed: bool,
    /// The host that it goes to, as it is written, with its port; empty if it is none any more.
    pub host: String,
}

/// A database as configured, or as met.
#[derive(Clone, Debug)]
pub struct DatabaseStatus {
    /// The name clients use.
    pub name: String,
    /// The upstream's host; of several, all, with commas between.
    pub host: String,
    /// The upstream's port; of several hosts, that of the first.
    pub port: u16,
    /// In which order its hosts are tried, where there are several.
    pub load_balance_hosts: Option<&'static str>,
    /// Which of them will do, in libpq's words.
    pub target_session_attrs: &'static str,
    /// The name on the upstream.
    pub database: String,
    /// The user that all its server connections log in as, if there is one.
    pub force_user: Option<String>,
    /// Server connections a pool may have.
    pub pool_size: u32,
    /// Server connections a pool keeps open.
    pub min_pool_size: u32,
    /// Server connections a pool may have beyond its size.
    pub reserve_pool_size: u32,
    /// Server connections that all its pools may have; none is no bound.
    pub max_connections: Option<u32>,
    /// Clients that may be connected to it; none is no bound.
    pub max_client_connections: Option<u32>,
    /// Mode of its pools.
    pub mode: PoolMode,
    /// `server_lifetime`.
    pub server_lifetime: Duration,
    /// Server connections now.
    pub servers: u32,
    /// Client connections now.
    pub clients: u32,
    /// Whether PAUSE or KILL holds it.
    pub paused: bool,
    /// Whether DISABLE keeps new clients out.
    pub disabled: bool,
}

/// Whether the pooler as a whole is at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PoolerState {
    /// It is; single databases may be paused.
    #[default]
    Active,
    /// PAUSE or KILL of all databases is in force.
    Paused,
    /// SUSPEND is in force.
    Suspended,
}

/// What is known of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// It was there when it was last tried.
    Up,
    /// It was not.
    Down,
    /// It was never tried.
    Unknown,
}

impl HostState {
    /// As the console prints it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// A host that pools go to, at one moment; of a name that leads to several addresses, one of them.
#[derive(Clone, Debug)]
pub struct HostStatus {
    /// The host as it is written.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The address that its name leads to; empty if it is no name.
    pub address: String,
    /// `primary` or `standby`; none if nobody knows.
    pub role: Option<&'static str>,
    /// Whether no session can write there unless it asks for it; none if nobody has asked.
    pub read_only: Option<bool>,
    /// Whether it is there.
    pub state: HostState,
    /// How far it is behind; none if nobody has asked, or it cannot tell.
    pub lag: Option<Duration>,
    /// The timeline that it writes; none if nobody has asked, or it is a standby.
    pub timeline: Option<u32>,
    /// When it last said what it is.
    pub checked: Option<Timestamp>,
    /// What was last wrong with it.
    pub last_error: Option<String>,
    /// How many attempts to reach it have failed.
    pub failures: u64,
    /// How often, among the hosts of the same databases, another was found to be the primary than before.
    pub failovers: u64,
    /// The databases whose pools go there.
    pub databases: Vec<String>,
    /// Server connections to it.
    pub connections: u32,
}

/// A user that clients may log in as, with what is set for this user alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserStatus {
    /// The name.
    pub name: String,
    /// Server connections a pool of the user may have.
    pub pool_size: Option<u32>,
    /// Server connections a pool of the user may have beyond its size.
    pub reserve_pool_size: Option<u32>,
    /// Mode of the user's pools.
    pub pool_mode: Option<PoolMode>,
    /// Server connections that log in as the user; none is no bound.
    pub max_connections: Option<u32>,
    /// Clients that may be logged in as the user; none is no bound.
    pub max_client_connections: Option<u32>,
}

/// Another pooler of the fleet, and the cancel requests on their way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerStatus {
    /// Its `peer_id`.
    pub id: u16,
    /// Its host, or the directory of its Unix socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Cancel requests that are passed on to it at a time.
    pub pool_size: u32,
    /// Cancel requests that wait for their turn.
    pub cancels_waiting: u32,
    /// Cancel requests that it has, and has not dealt with.
    pub cancels_active: u32,
    /// Connections being opened to it.
    pub connecting: u32,
}

/// A setting, as SHOW CONFIG prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingStatus {
    /// Its name.
    pub key: String,
    /// Its value, secrets hidden.
    pub value: String,
    /// Its default.
    pub default: String,
    /// Whether RELOAD can change it.
    pub changeable: bool,
}
