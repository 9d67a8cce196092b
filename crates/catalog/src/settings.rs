//! Where the upstream is, and how much of it pgweir may use for itself.

use std::time::Duration;

/// The server to ask, and as whom.
#[derive(Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Host names, addresses, or directories of Unix sockets, with the TCP port, or the number in the
    /// Unix socket's name. Of several, the first that will do is asked.
    pub hosts: Vec<(String, u16)>,
    /// Whether only a host that can be written to will do.
    pub to_write: bool,
    /// Role to log in as.
    pub user: String,
    /// Its password, where the server wants one.
    pub password: Option<String>,
    /// How connections to it are encrypted; none is not at all.
    pub tls: Option<crate::Tls>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("hosts", &self.hosts)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Limits on what the analysis asks of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogSettings {
    /// Connections open at once to one database, at least one. DDL has one of its own besides.
    pub max_connections: usize,
    /// Longest wait for a new connection to be logged in.
    pub connect_timeout: Duration,
    /// `statement_timeout` of every statement but DDL.
    pub statement_timeout: Duration,
    /// `lock_timeout` of every statement but DDL: the analysis never stands in the way of a lock.
    pub lock_timeout: Duration,
    /// A connection unused for so long is closed when the facts are next read.
    pub idle_timeout: Duration,
    /// Tables read per database, the largest first.
    pub max_tables: u32,
    /// Sequences read per database, those whose numbers end soonest first.
    pub max_sequences: u32,
    /// Foreign keys read per database.
    pub max_foreign_keys: u32,
    /// The age of a database, transactions or multixacts, from which its oldest tables are looked
    /// for: that reads all of pg_class.
    pub oldest_from_age: u64,
}

impl Default for CatalogSettings {
    fn default() -> Self {
        Self {
            max_connections: 2,
            connect_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(2),
            lock_timeout: Duration::from_millis(100),
            idle_timeout: Duration::from_secs(60),
            max_tables: 2_000,
            max_sequences: 2_000,
            max_foreign_keys: 10_000,
            oldest_from_age: 100_000_000,
        }
    }
}

impl CatalogSettings {
    /// When an answer is late although the server should have cancelled the statement, the
    /// network is dead: no longer than this for one transaction of a few statements.
    pub(crate) fn transaction_timeout(&self) -> Duration {
        self.statement_timeout * 4
    }
}
