//! The proxy as a whole: listener, pools, clients, and what an admin can do to them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{
    ClientStatus, DatabaseStatus, HostStatus, LabelRegistry, OpenTransaction, PeerStatus,
    PoolStatus, Replication, ServerStatus, ShutdownMode,
};
use sql::ShapeRegistry;
use tokio::sync::watch;

use crate::admin::AdminConsole;
use crate::client;
use crate::error::ProxyError;
use crate::events::EventBuffer;
use crate::hosts::by_the_system;
use crate::pool::Pool;
use crate::settings::ProxySettings;
use crate::stream::Stream;
use lobby::Room;

mod command;
mod drain;
mod held;
mod listeners;
mod lobby;
// Other systems have one address of the loopback network unless they are told of more.
#[cfg(all(test, target_os = "linux"))]
mod moved_server;
mod places;
mod shared;
mod spares;
mod suspend;
mod takeover;
mod timeouts;
mod unix_socket;

pub use listeners::{Listeners, PassedListeners, PassedSocket};
pub(crate) use lobby::Stay;
pub(crate) use places::{Place, Seat};
pub(crate) use shared::Shared;
pub(crate) use spares::Spare;
pub use takeover::{CancelRequest, HoldsNothing};

/// Pools without clients that are kept to show that their servers cannot be reached.
const OUTAGES_SHOWN: usize = 100;
/// How often pools are looked after. Timeouts are exact to this.
const TICK: Duration = Duration::from_millis(50);
/// The pause after the system has no socket to give, if there is nothing kept back either.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// How often the same trouble with new connections is told of.
const ACCEPT_WARNING: Duration = Duration::from_secs(10);

/// A warning that is not repeated all the time.
#[derive(Debug, Default)]
struct Warning {
    last: Option<Instant>,
}

impl Warning {
    /// Whether it may be said again; then it is taken for said.
    fn is_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() >= ACCEPT_WARNING);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }
}

/// Where the data path leaves what it measures.
#[derive(Clone, Debug)]
pub struct Measures {
    /// Statements' shapes.
    pub shapes: Arc<ShapeRegistry>,
    /// Databases, users, applications.
    pub labels: Arc<LabelRegistry>,
    /// Events, until somebody takes them.
    pub events: Arc<EventBuffer>,
    /// Whether events are to say where in a trace their statement was sent.
    pub traces: bool,
}

/// A running proxy. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
}

/// Until it is told to end. Cancel-safe.
async fn is_told(stop: &mut watch::Receiver<Option<ShutdownMode>>) {
    // The sender is gone only with the proxy itself.
    let _ = stop.wait_for(Option::is_some).await.map(drop);
}

impl Proxy {
    /// A proxy that is not listening yet.
    #[must_use]
    pub fn new(
        settings: ProxySettings,
        measures: Measures,
        admin: Option<Arc<dyn AdminConsole>>,
    ) -> Self {
        let shared = Shared::new(settings, measures, admin, by_the_system());
        Self { shared: Arc::new(shared) }
    }

    /// Opens the listeners; those that were passed by another process are gone on with.
    ///
    /// # Errors
    /// [`ProxyError::Listen`], [`ProxyError::Socket`].
    pub async fn listen(&self, passed: PassedListeners) -> Result<Listeners, ProxyError> {
        // Before the first client takes the last one.
        self.shared.spares.fill();
        let settings = self.shared.settings();
        let (unix, how) = (settings.unix_socket.as_ref(), settings.listening);
        Listeners::open(&settings.listen, unix, how, passed).await
    }

    /// Serves until it is shut down. Not cancel-safe: dropped, it stops accepting; clients go on
    /// until their tasks end.
    pub async fn serve(&self, listeners: Arc<Listeners>) {
        let mut stop = self.shared.stop.subscribe();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut failed, mut crowded) = (Warning::default(), Warning::default());
        loop {
            // Looked at again with each tick, if there is none.
            let room = self.shared.lobby.room(self.max_not_logged_in(), Instant::now());
            if room != Room::Free && crowded.is_due() {
                tracing::warn!(
                    "{} connections are not logged in: those that have been there for longest are \
                     closed to make room",
                    self.max_not_logged_in()
                );
            }
            tokio::select! {
                accepted = self.shared.turns.take(listeners.accept()), if room != Room::None => match accepted {
                    Ok(stream) => self.welcome(stream, None),
                    Err(error) => {
                        // Most likely out of file descriptors: those in use come back.
                        if failed.is_due() {
                            tracing::warn!("cannot accept connections: {error}");
                        }
                        if !spares::is_exhausted(&error) || !self.turn_one_away(&listeners).await {
                            self.pause_accepting().await;
                        }
                    }
                },
                _ = tick.tick() => self.tick(),
                () = is_told(&mut stop) => break,
            }
        }
        let mode = (*stop.borrow()).unwrap_or(ShutdownMode::Immediate);
        let door = self.door_for_consoles(mode, &listeners);
        drop(listeners);
        self.see_off(&mut tick).await;
        let mode = (*stop.borrow()).unwrap_or(mode);
        self.drain(mode, door, &mut tick).await;
    }

    fn max_not_logged_in(&self) -> usize {
        self.shared.settings.read().max_not_logged_in
    }

    /// Without descriptors: lets a client in with one that was kept back, to tell it. False if there
    /// is none, or somebody else was faster.
    async fn turn_one_away(&self, listeners: &Listeners) -> bool {
        let Some(spare) = self.shared.spares.take() else { return false };
        // Linux says that there is no descriptor before it looks whether anybody is there. If nobody
        // is, whoever comes next may find one.
        let accepted = tokio::select! {
            biased;
            accepted = listeners.accept() => accepted,
            () = std::future::ready(()) => return true,
        };
        match accepted {
            Ok(stream) => self.welcome(stream, Some(spare)),
            Err(_) => return false,
        }
        true
    }

    async fn pause_accepting(&self) {
        tokio::select! {
            () = tokio::time::sleep(ACCEPT_PAUSE) => {}
            () = self.shared.spares.returned() => {}
        }
    }

    /// `spare`: what it is let in with, to be told that there is no room.
    fn welcome(&self, stream: Stream, spare: Option<Spare>) {
        if let Stream::Tcp(stream) = &stream {
            // Answers are written whole; waiting for more to fill a packet only delays them.
            if stream.set_nodelay(true).is_err() {
                return;
            }
            self.shared.settings().tcp.apply(stream);
        }
        let stay = Stay::begin(&self.shared, self.max_not_logged_in(), Instant::now());
        tokio::spawn(client::serve(Arc::clone(&self.shared), stream, stay, spare));
    }

    fn tick(&self) {
        if self.shared.is_suspended() {
            // Nobody is told off for what SUSPEND keeps from being done.
            return self.shared.resume_if_abandoned();
        }
        let now = Instant::now();
        self.shared.spares.fill();
        self.shared.keep_warm();
        self.shared.shares.balance(now);
        let (mut unused, mut outages) = (Vec::new(), 0);
        let pools = self.shared.all_pools();
        self.shared.ring_overdue(&pools, now);
        for pool in pools {
            pool.tick(now);
            if pool.is_unused() && pool.replication == Replication::None {
                // Not many: names of databases are the clients' to choose.
                let stays = outages < OUTAGES_SHOWN && pool.tells_of_outage(now);
                outages += usize::from(stays);
                if !stays {
                    unused.push(pool.key.clone());
                }
            }
        }
        // A client that is logging in has the pool in hand.
        let used = |pool: &Arc<Pool>| !pool.is_unused() || Arc::strong_count(pool) > 1;
        self.shared.replication.lock().retain(used);
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

    /// The `most` oldest transactions that have been open for longer than `older`.
    #[must_use]
    pub fn open_transactions(&self, older: Duration, most: usize) -> Vec<OpenTransaction> {
        self.shared.clients.open_transactions(older, most)
    }

    /// How many client connections, now.
    #[must_use]
    pub fn client_count(&self) -> usize {
        self.shared.clients.len()
    }

    /// How many keys for cancel requests are good, now.
    #[must_use]
    pub fn cancel_key_count(&self) -> usize {
        self.shared.clients.key_count() + self.shared.consoles.key_count()
    }

    /// Whether it has been told to end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.shared.stop.borrow().is_some()
    }

    /// Server connections, now.
    #[must_use]
    pub fn servers(&self) -> Vec<ServerStatus> {
        self.shared.server_status()
    }

    /// The hosts that pools go to, now.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostStatus> {
        self.shared.host_status()
    }

    /// The other poolers of the fleet, now.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerStatus> {
        self.shared.peers.status()
    }

    /// Databases, now.
    #[must_use]
    pub fn databases(&self) -> Vec<DatabaseStatus> {
        self.shared.database_status()
    }
}
