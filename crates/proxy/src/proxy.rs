//! The proxy as a whole: listener, pools, clients, and what an admin can do to them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use model::{
    ClientStatus, Command, CommandError, DatabaseStatus, LabelRegistry, PoolKey, PoolStatus,
    ServerStatus, ShutdownMode,
};
use parking_lot::{Mutex, RwLock};
use sql::ShapeRegistry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::admin::AdminConsole;
use crate::client::{self, Authenticator, ClientRegistry};
use crate::error::ProxyError;
use crate::events::EventBuffer;
use crate::pool::Pool;
use crate::settings::ProxySettings;
use crate::stream::{Stream, keep_alive};

/// How often pools are looked after. Timeouts are exact to this.
const TICK: Duration = Duration::from_millis(50);
/// The pause after the system has no socket to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

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

/// What all clients share.
pub(crate) struct Shared {
    settings: RwLock<Arc<ProxySettings>>,
    pub(crate) measures: Measures,
    pools: RwLock<HashMap<PoolKey, Arc<Pool>>>,
    paused: Mutex<Paused>,
    pub(crate) clients: ClientRegistry,
    pub(crate) auth: Authenticator,
    pub(crate) admin: Option<Arc<dyn AdminConsole>>,
    places_taken: AtomicUsize,
    pub(crate) next_client: AtomicU64,
    next_server: Arc<AtomicU64>,
    draining: AtomicBool,
    stop: watch::Sender<Option<ShutdownMode>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// What PAUSE holds.
#[derive(Debug, Default)]
struct Paused {
    all: bool,
    databases: BTreeSet<String>,
}

/// A running proxy. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
}

impl Shared {
    pub(crate) fn settings(&self) -> Arc<ProxySettings> {
        Arc::clone(&self.settings.read())
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn all_pools(&self) -> Vec<Arc<Pool>> {
        self.pools.read().values().cloned().collect()
    }

    pub(crate) fn is_paused(&self, database: &str) -> bool {
        let paused = self.paused.lock();
        paused.all || paused.databases.contains(database)
    }

    /// The pool of a database and user, made if need be; none if there is no such database.
    pub(crate) fn pool(&self, settings: &ProxySettings, key: &PoolKey) -> Option<Arc<Pool>> {
        if let Some(pool) = self.pools.read().get(key) {
            return Some(Arc::clone(pool));
        }
        let target = (settings.find_pool)(&key.database, &key.user)?;
        let mut pools = self.pools.write();
        let pool = pools.entry(key.clone()).or_insert_with(|| {
            let (mode, limits) = (target.mode, settings.limits(target.size));
            let (events, ids) = (Arc::clone(&self.measures.events), Arc::clone(&self.next_server));
            Pool::new(key.clone(), settings.upstream(target), mode, limits, events, ids)
        });
        if self.is_paused(&key.database) {
            pool.pause();
        }
        Some(Arc::clone(pool))
    }
}

impl Proxy {
    /// A proxy that is not listening yet.
    #[must_use]
    pub fn new(
        settings: ProxySettings,
        measures: Measures,
        admin: Option<Arc<dyn AdminConsole>>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings: RwLock::new(Arc::new(settings)),
                measures,
                pools: RwLock::default(),
                paused: Mutex::default(),
                clients: ClientRegistry::default(),
                auth: Authenticator::new(),
                admin,
                places_taken: AtomicUsize::new(0),
                next_client: AtomicU64::new(1),
                next_server: Arc::new(AtomicU64::new(1)),
                draining: AtomicBool::new(false),
                stop: watch::Sender::new(None),
            }),
        }
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
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => self.welcome(stream),
                    Err(error) => {
                        // Most likely out of file descriptors: those in use come back.
                        tracing::warn!("cannot accept a connection: {error}");
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
        let mut unused = Vec::new();
        for pool in self.shared.all_pools() {
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

    async fn drain(&self, mode: ShutdownMode, tick: &mut tokio::time::Interval) {
        let shared = &self.shared;
        shared.draining.store(true, Ordering::Release);
        match mode {
            ShutdownMode::Immediate => {}
            ShutdownMode::WaitForServers => shared.clients.order_all(client::Order::Drain),
            ShutdownMode::WaitForClients => {}
        }
        let deadline = match mode {
            ShutdownMode::Immediate => Some(Instant::now()),
            ShutdownMode::WaitForServers => {
                Some(Instant::now() + shared.settings().shutdown_timeout)
            }
            ShutdownMode::WaitForClients => None,
        };
        let mut stop = shared.stop.subscribe();
        while shared.clients.len() > 0 {
            let hurried = *stop.borrow_and_update() == Some(ShutdownMode::Immediate);
            if hurried || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break;
            }
            if mode == ShutdownMode::WaitForServers {
                // Those that logged in while the order was given.
                shared.clients.order_all(client::Order::Drain);
            }
            tick.tick().await;
            self.tick();
        }
        let left = shared.clients.len();
        if left > 0 {
            tracing::warn!(clients = left, "closing clients that are still in a transaction");
            shared.clients.order_all(client::Order::Kill);
        }
        for pool in shared.all_pools() {
            pool.close_idle();
        }
        let deadline = Instant::now() + Duration::from_secs(2);
        while shared.clients.len() > 0 || shared.all_pools().iter().any(|pool| pool.out() > 0) {
            if Instant::now() >= deadline {
                break;
            }
            for pool in shared.all_pools() {
                pool.close_idle();
            }
            tick.tick().await;
        }
    }

    /// Begins to shut down; [`Self::serve`] returns when that is done. Said again, it may only get
    /// more urgent.
    pub fn shut_down(&self, mode: ShutdownMode) {
        self.shared.stop.send_if_modified(|stop| {
            let urgent = mode == ShutdownMode::Immediate;
            let changed = stop.is_none() || (urgent && *stop != Some(mode));
            if changed {
                *stop = Some(mode);
            }
            changed
        });
    }

    /// Carries out an admin's command; RELOAD is the caller's, who has the configuration.
    ///
    /// # Errors
    /// See [`CommandError`].
    ///
    /// Cancel-safe: a PAUSE that is dropped while it waits stays in force.
    pub async fn execute(&self, command: Command) -> Result<(), CommandError> {
        match command {
            Command::Pause(database) => self.pause(database).await,
            Command::Resume(database) => self.resume(database),
            Command::KillClient(id) => {
                let client = self.shared.clients.get(id);
                client.ok_or(CommandError::NoSuchClient(id))?.give_order(client::Order::Kill);
                Ok(())
            }
            Command::Shutdown(mode) => {
                self.shut_down(mode);
                Ok(())
            }
            Command::Reload => Ok(()),
        }
    }

    fn pools_of(&self, database: Option<&str>) -> Result<Vec<Arc<Pool>>, CommandError> {
        let mut pools = self.shared.all_pools();
        if let Some(name) = database {
            pools.retain(|pool| *pool.key.database == *name);
            if pools.is_empty() && (self.shared.settings().find_pool)(name, "").is_none() {
                return Err(CommandError::NoSuchDatabase(name.to_owned()));
            }
        }
        Ok(pools)
    }

    async fn pause(&self, database: Option<String>) -> Result<(), CommandError> {
        self.pools_of(database.as_deref())?;
        {
            let mut paused = self.shared.paused.lock();
            let fresh = match &database {
                Some(name) => !paused.all && paused.databases.insert(name.clone()),
                None => !std::mem::replace(&mut paused.all, true),
            };
            if !fresh {
                return Err(CommandError::WrongState("already suspended/paused".to_owned()));
            }
        }
        // Asked for now, not before: a pool made in between has not heard of it.
        let pools = self.pools_of(database.as_deref())?;
        for pool in &pools {
            pool.pause();
        }
        // Done when no transaction runs; the idle connections are closed then, as PgBouncer does, so
        // that the server can be restarted.
        let mut tick = tokio::time::interval(TICK);
        while pools.iter().any(|pool| pool.is_paused() && pool.out() > 0) {
            tick.tick().await;
        }
        for pool in &pools {
            if pool.is_paused() {
                pool.close_idle();
            }
        }
        Ok(())
    }

    fn resume(&self, database: Option<String>) -> Result<(), CommandError> {
        self.pools_of(database.as_deref())?;
        {
            let mut paused = self.shared.paused.lock();
            let was = match &database {
                Some(name) => !paused.all && paused.databases.remove(name),
                None => {
                    let some = !paused.databases.is_empty();
                    paused.databases.clear();
                    std::mem::replace(&mut paused.all, false) || some
                }
            };
            if !was {
                return Err(CommandError::WrongState("not paused".to_owned()));
            }
        }
        for pool in self.pools_of(database.as_deref())? {
            pool.resume();
        }
        Ok(())
    }

    /// New settings, for clients that log in from now on and for all pools.
    pub fn reconfigure(&self, settings: ProxySettings) {
        let settings = Arc::new(settings);
        *self.shared.settings.write() = Arc::clone(&settings);
        for pool in self.shared.all_pools() {
            // A database that is gone keeps its pool until its clients have left.
            let target = (settings.find_pool)(&pool.key.database, &pool.key.user);
            if let Some(target) = target {
                let (mode, limits) = (target.mode, settings.limits(target.size));
                pool.reconfigure(settings.upstream(target), mode, limits);
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

/// One of `max_client_conn` places, from the startup packet on: a socket that has said nothing, or
/// brings a cancel request, takes none.
pub(crate) struct Place(Arc<Shared>);

impl Place {
    /// None if all are taken.
    pub(crate) fn take(shared: &Arc<Shared>, max: usize) -> Option<Self> {
        let place = Self(Arc::clone(shared));
        (shared.places_taken.fetch_add(1, Ordering::AcqRel) < max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.places_taken.fetch_sub(1, Ordering::AcqRel);
    }
}
