//! pgweir's own connections: a small pool per database, and single ones for DDL.

use std::collections::HashMap;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolConfig, RecyclingMethod, Runtime, Timeouts,
};
use parking_lot::Mutex;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config};

use crate::tls::Connector;
use crate::{CatalogError, CatalogSettings, Upstream};

/// How the connections are known in `pg_stat_activity`.
const APPLICATION_NAME: &str = "pgweir-catalog";

pub(crate) struct Connections {
    /// All but the database's name.
    login: Config,
    connector: Connector,
    settings: CatalogSettings,
    pools: Mutex<HashMap<String, Pool>>,
}

impl Connections {
    pub(crate) fn new(upstream: &Upstream, settings: CatalogSettings) -> Self {
        let mut login = Config::new();
        for (host, port) in &upstream.hosts {
            login.host(host).port(*port);
        }
        if upstream.to_write {
            login.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        login
            .user(&upstream.user)
            .application_name(APPLICATION_NAME)
            .connect_timeout(settings.connect_timeout);
        if let Some(password) = &upstream.password {
            login.password(password);
        }
        let connector = Connector::new(upstream.tls.clone(), &mut login);
        Self { login, connector, settings, pools: Mutex::default() }
    }

    /// Takes a connection to `database` from its pool, a new one if need be.
    ///
    /// Cancel-safe: a connection that was being opened is closed.
    pub(crate) async fn take(&self, database: &str) -> Result<Object, CatalogError> {
        let pool = self.pool(database)?;
        Ok(pool.get().await?)
    }

    /// Opens a connection that no pool knows; it ends when the client is dropped and the server
    /// has answered what was asked.
    ///
    /// Cancel-safe.
    pub(crate) async fn open(&self, database: &str) -> Result<Client, CatalogError> {
        let login = self.login_to(database);
        let connecting = login.connect(self.connector.clone());
        let (client, connection) = timeout(self.settings.connect_timeout, connecting)
            .await
            .map_err(|_| CatalogError::Unreachable { reason: "no connection in time".to_owned() })?
            .map_err(CatalogError::from_login)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a catalogue connection ended");
            }
        });
        Ok(client)
    }

    /// Closes connections that have been idle for long, and all to other databases than these.
    pub(crate) fn tidy(&self, databases: &[String]) {
        let idle_timeout = self.settings.idle_timeout;
        self.pools.lock().retain(|database, pool| {
            pool.retain(|_, metrics| metrics.last_used() < idle_timeout);
            databases.contains(database)
        });
    }

    fn pool(&self, database: &str) -> Result<Pool, CatalogError> {
        let mut pools = self.pools.lock();
        if let Some(pool) = pools.get(database) {
            return Ok(pool.clone());
        }
        let manager = Manager::from_config(
            self.login_to(database),
            self.connector.clone(),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let mut config = PoolConfig::new(self.settings.max_connections.max(1));
        config.timeouts = Timeouts {
            wait: Some(self.settings.transaction_timeout()),
            create: Some(self.settings.connect_timeout),
            recycle: Some(self.settings.connect_timeout),
        };
        let pool = Pool::builder(manager)
            .config(config)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| CatalogError::Connection { reason: error.to_string() })?;
        pools.insert(database.to_owned(), pool.clone());
        Ok(pool)
    }

    fn login_to(&self, database: &str) -> Config {
        let mut login = self.login.clone();
        login.dbname(database);
        login
    }
}

/// Gives a connection back to its pool, or closes it if it is in doubt: an unfinished answer must
/// not be in the way of the next question.
pub(crate) fn give_back<T>(
    connection: Object,
    outcome: Result<Result<T, CatalogError>, Elapsed>,
) -> Result<T, CatalogError> {
    let outcome = outcome.unwrap_or(Err(CatalogError::TimedOut));
    if outcome.as_ref().is_err_and(CatalogError::spoils_connection) {
        drop(Object::take(connection));
    }
    outcome
}
