//! What all clients share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use model::{PoolKey, ShutdownMode};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::Measures;
use super::held::Held;
use super::lobby::Lobby;
use super::places::Places;
use super::spares::Spares;
use super::takeover::Takeover;
use crate::admin::AdminConsole;
use crate::client::{Authenticator, ClientRegistry, Consoles, Turns};
use crate::hosts::{Clusters, Resolve};
use crate::peers::Peers;
use crate::pool::{Pool, Shares};
use crate::server::{Learned, ReplicationStart};
use crate::settings::ProxySettings;

/// What all clients share.
pub(crate) struct Shared {
    pub(super) settings: RwLock<Arc<ProxySettings>>,
    pub(crate) measures: Measures,
    pub(super) pools: RwLock<HashMap<PoolKey, Arc<Pool>>>,
    pub(super) held: Mutex<Held>,
    /// Whether SUSPEND is in force.
    pub(super) suspended: watch::Sender<bool>,
    /// The one connection of each client that replicates.
    pub(super) replication: Mutex<Vec<Arc<Pool>>>,
    pub(crate) clients: ClientRegistry,
    pub(crate) consoles: Arc<Consoles>,
    pub(crate) peers: Peers,
    pub(crate) auth: Authenticator,
    pub(crate) turns: Turns,
    pub(crate) admin: Option<Arc<dyn AdminConsole>>,
    pub(super) places: Places,
    pub(super) lobby: Lobby,
    pub(crate) spares: Arc<Spares>,
    pub(crate) next_client: AtomicU64,
    next_server: Arc<AtomicU64>,
    pub(super) shares: Arc<Shares>,
    pub(super) clusters: Arc<Clusters>,
    pub(super) draining: AtomicBool,
    /// When idle clients are looked at next.
    pub(super) next_look_at_idle: Mutex<Instant>,
    pub(super) stop: watch::Sender<Option<ShutdownMode>>,
    pub(crate) takeover: Takeover,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(
        settings: ProxySettings,
        measures: Measures,
        admin: Option<Arc<dyn AdminConsole>>,
        resolve: Resolve,
    ) -> Self {
        let clusters = Arc::new(Clusters::new(settings.hosts, resolve));
        let auth = Authenticator::new(Arc::clone(&clusters));
        auth.prepare(&settings.login);
        let peers = Peers::new(settings.peer_id, &settings.peers);
        Self {
            settings: RwLock::new(Arc::new(settings)),
            measures,
            pools: RwLock::default(),
            held: Mutex::default(),
            suspended: watch::Sender::new(false),
            replication: Mutex::default(),
            clients: ClientRegistry::default(),
            consoles: Arc::default(),
            peers,
            auth,
            turns: Turns::default(),
            admin,
            places: Places::default(),
            lobby: Lobby::default(),
            spares: Arc::default(),
            next_client: AtomicU64::new(1),
            next_server: Arc::new(AtomicU64::new(1)),
            shares: Arc::default(),
            clusters,
            draining: AtomicBool::new(false),
            next_look_at_idle: Mutex::new(Instant::now()),
            stop: watch::Sender::new(None),
            takeover: Takeover::default(),
        }
    }

    pub(crate) fn settings(&self) -> Arc<ProxySettings> {
        Arc::clone(&self.settings.read())
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// All pools, and what is run as one for each client that replicates.
    pub(crate) fn all_pools(&self) -> Vec<Arc<Pool>> {
        let mut all: Vec<_> = self.pools.read().values().cloned().collect();
        all.extend(self.replication.lock().iter().cloned());
        all
    }

    /// A server connection for a client that replicates; none if there is no such database.
    pub(crate) fn replication_pool(
        self: &Arc<Self>,
        settings: &ProxySettings,
        key: &PoolKey,
        start: ReplicationStart,
        learned: Learned,
    ) -> Option<Arc<Pool>> {
        let target = (settings.find_pool)(&key.database, &key.user)?;
        let setup = settings.replication_setup(key, target, start, learned, &self.clusters);
        let (events, ids) = (Arc::clone(&self.measures.events), Arc::clone(&self.next_server));
        let pool = Pool::new(key.clone(), setup, events, Arc::clone(&self.shares), ids);
        self.replication.lock().push(Arc::clone(&pool));
        if self.is_paused(&key.database) {
            pool.pause();
        }
        Some(pool)
    }

    pub(crate) fn is_paused(&self, database: &str) -> bool {
        self.held.lock().is_paused(database)
    }

    /// Whether DISABLE keeps new clients out of a database.
    pub(crate) fn is_disabled(&self, database: &str) -> bool {
        self.held.lock().disabled.contains(database)
    }

    /// Databases that an admin holds back by their names.
    pub(crate) fn held_databases(&self) -> Vec<String> {
        let held = self.held.lock();
        held.paused.iter().chain(&held.disabled).cloned().collect()
    }

    /// Keeps the pools of known users at their minimum, with clients or without.
    pub(super) fn keep_warm(&self) {
        let settings = self.settings();
        for key in &settings.warm {
            // A process that has handed over, or is about to end, needs none.
            if self.stop.borrow().is_none()
                && let Some(pool) = self.pool(&settings, key)
            {
                pool.keep_warm(true);
            }
        }
    }

    /// The pool of a database and user, made if need be; none if there is no such database.
    pub(crate) fn pool(&self, settings: &ProxySettings, key: &PoolKey) -> Option<Arc<Pool>> {
        if let Some(pool) = self.pools.read().get(key) {
            return Some(Arc::clone(pool));
        }
        let target = (settings.find_pool)(&key.database, &key.user)?;
        let timeouts = target.timeouts;
        let mut pools = self.pools.write();
        let pool = pools.entry(key.clone()).or_insert_with(|| {
            let (events, ids) = (Arc::clone(&self.measures.events), Arc::clone(&self.next_server));
            let setup = settings.pool_setup(key, target, &self.clusters);
            Pool::new(key.clone(), setup, events, Arc::clone(&self.shares), ids)
        });
        pool.set_timeouts(timeouts);
        if self.is_paused(&key.database) {
            pool.pause();
        }
        Some(Arc::clone(pool))
    }
}
