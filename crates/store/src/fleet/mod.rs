//! A PostgreSQL that several instances send their rows to, so that one report sees them all.
//!
//! Its tables are in the schema `pgweir`; docs/history.md describes them. All writing is idempotent:
//! a period that is sent again replaces itself.

mod read;
mod schema;
mod send;
mod sender;

use std::fmt;
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolConfig, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Config, Socket};

pub(crate) use sender::Sender;

use crate::error::StoreError;

/// How the connection is known in `pg_stat_activity`.
const APPLICATION_NAME: &str = "pgweir-store";
/// How long connecting may take, and one statement.
const PATIENCE: Duration = Duration::from_secs(15);

/// The fleet's store. Displays as where it is, without password.
pub struct Fleet {
    pool: Pool,
    shown: String,
}

impl Fleet {
    /// The store that `login` leads to, by one connection, encrypted by `tls`. Nothing is opened yet.
    ///
    /// # Errors
    /// Settings of which no pool can be made.
    pub fn new<T>(mut login: Config, tls: T, shown: impl Into<String>) -> Result<Self, StoreError>
    where
        T: MakeTlsConnect<Socket> + Clone + Sync + Send + 'static,
        T::Stream: Sync + Send,
        T::TlsConnect: Sync + Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        login.application_name(APPLICATION_NAME).connect_timeout(PATIENCE);
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(login, tls, manager);
        let mut config = PoolConfig::new(1);
        config.timeouts =
            Timeouts { wait: Some(PATIENCE), create: Some(PATIENCE), recycle: Some(PATIENCE) };
        let pool = Pool::builder(manager).config(config).runtime(Runtime::Tokio1).build();
        let pool = pool.map_err(|error| StoreError::Fleet { reason: error.to_string() })?;
        Ok(Self { pool, shown: shown.into() })
    }

    async fn connection(&self) -> Result<Object, StoreError> {
        Ok(self.pool.get().await?)
    }
}

impl fmt::Display for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fleet").field(&self.shown).finish()
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let reason = match error.as_db_error() {
            // A detail would quote a row.
            Some(refusal) => format!("{}: {}", refusal.code().code(), refusal.message()),
            None => {
                let mut reason = error.to_string();
                let mut cause = std::error::Error::source(&error);
                while let Some(error) = cause {
                    reason = format!("{reason}: {error}");
                    cause = error.source();
                }
                reason
            }
        };
        Self::Fleet { reason }
    }
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::from(error),
            PoolError::Timeout(_) => Self::Fleet { reason: "no connection in time".to_owned() },
            other => Self::Fleet { reason: other.to_string() },
        }
    }
}
