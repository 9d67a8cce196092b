//! The proxy as a whole: listener, pools, clients, and what an admin can do to them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{ClientStatus, DatabaseStatus, LabelRegistry, PoolStatus, ServerStatus, ShutdownMode};
use sql::ShapeRegistry;
use tokio::net::{TcpListener, TcpStream};

use crate::admin::AdminConsole;
use crate::client;
use crate::error::ProxyError;
use crate::events::EventBuffer;
use crate::settings::ProxySettings;
use crate::stream::{Stream, keep_alive};

mod command;
mod drain;
mod places;
mod shared;
mod timeouts;

pub(crate) use places::{Place, Seat};
pub(crate) use shared::Shared;

/// How often pools are looked after. Timeouts are exact to this.
const TICK: Duration = Duration::from_millis(50);
/// The pause after the system has no socket to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// How often it is said that it has none.
const ACCEPT_WARNING: Duration = Duration::from_secs(10);

/// Where the data path leaves what it measures.
#[derive(Clone, Debug)]
pub struct Measures {
    /// Statements' shapes.
    pub shapes: Arc<ShapeRegistry>,
    /// Databases, users, applications.
    pub labels: Arc<LabelRegistry>,
    /// Events, until somebody takes them.
    pub events: Arc<EventBuffer>,
}

/// A running proxy. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
}

impl Proxy {
    /// A proxy that is not listening yet.
    #[must_use]
    pub fn new(
        settings: ProxySettings,
        measures: Measures,
        admin: Option<Arc<dyn AdminConsole>>,
    ) -> Self {
        Self { shared: Arc::new(Shared::new(settings, measures, admin)) }
    }

    /// Opens the listener.
    ///
    /// # Errors
    /// [`ProxyError::Listen`].
    pub async fn listen(&self) -> Result<TcpListener, ProxyError> {
        let address = self.shared.settings().listen;
        TcpListener::bind(address).await.map_err(|source| ProxyError::Listen { address, source })
    }

    /// Serves until it is shut down. Not cancel-safe: dropped, it stops accepting; clients go on
    /// until their tasks end.
    pub async fn serve(&self, listener: TcpListener) {
        let mut stop = self.shared.stop.subscribe();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut warned: Option<Instant> = None;
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.welcome(stream),
                    Err(error) => {
                        // Most likely out of file descriptors: those in use come back.
                        if warned.is_none_or(|last| last.elapsed() >= ACCEPT_WARNING) {
                            warned = Some(Instant::now());
                            tracing::warn!("cannot accept connections: {error}");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                _ = tick.tick() => self.tick(),
                _ = stop.wait_for(Option::is_some) => break,
            }
        }
        drop(listener);
        let mode = (*stop.borrow()).unwrap_or(ShutdownMode::Immediate);
        self.drain(mode, &mut tick).await;
    }

    fn welcome(&self, stream: TcpStream) {
        let shared = Arc::clone(&self.shared);
        // Answers are written whole; waiting for more to fill a packet only delays them.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        keep_alive(&stream);
        tokio::spawn(client::serve(shared, Stream::Tcp(stream)));
    }

    fn tick(&self) {
        let now = Instant::now();
        self.shared.keep_warm();
        self.shared.shares.balance(now);
        let mut unused = Vec::new();
        let pools = self.shared.all_pools();
        self.shared.ring_overdue(&pools, now);
        for pool in pools {
            pool.tick(now);
            if pool.is_unused() {
                unused.push(pool.key.clone());
            }
        }
        if !unused.is_empty() {
            let mut pools = self.shared.pools.write();
            for key in unused {
                // Again under the lock; a client that has the pool in hand makes it count as two.
                let idle = pools.get(&key);
                if idle.is_some_and(|pool| pool.is_unused() && Arc::strong_count(pool) == 1) {
                    pools.remove(&key);
                }
            }
        }
    }

    /// Pools, now.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolStatus> {
        self.shared.pool_status()
    }

    /// Client connections, now.
    #[must_use]
    pub fn clients(&self) -> Vec<ClientStatus> {
        self.shared.client_status()
    }

    /// How many client connections, now.
    #[must_use]
    pub fn client_count(&self) -> usize {
        self.shared.clients.len()
    }

    /// Server connections, now.
    #[must_use]
    pub fn servers(&self) -> Vec<ServerStatus> {
        self.shared.server_status()
    }

    /// Databases, now.
    #[must_use]
    pub fn databases(&self) -> Vec<DatabaseStatus> {
        self.shared.database_status()
    }
}
