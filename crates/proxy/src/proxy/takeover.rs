//! Another process takes over: no new clients, and those that there are go on there as soon as
//! nothing of theirs is under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::ShutdownMode;
use parking_lot::RwLock;
use tokio::sync::mpsc;
use wire::BackendKey;

use super::{Proxy, Shared};
use crate::client::{self, MovingClient, Order, Passage};
use crate::error::ProxyError;

/// For so long idle server connections are closed as they come free, which they do as their clients
/// leave: the server has to bear those of both processes.
const EXODUS: Duration = Duration::from_secs(2);
/// Numbers of clients that a process which takes over leaves free for those that the other one still
/// lets in.
const FREE_NUMBERS: u64 = 1 << 17;

/// A request to cancel a query that another process may run: the process id and the key that the
/// client shows.
pub type CancelRequest = (i32, Vec<u8>);

/// The processes before and after this one.
#[derive(Debug, Default)]
pub(crate) struct Takeover {
    /// Where clients go.
    after: RwLock<Option<After>>,
    /// Where requests go to cancel what is not known here.
    before: RwLock<Option<mpsc::Sender<CancelRequest>>>,
}

/// As long as it exists, PAUSE, KILL and SUSPEND are refused.
pub struct HoldsNothing(Arc<Shared>);

impl std::fmt::Debug for HoldsNothing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HoldsNothing").finish_non_exhaustive()
    }
}

impl Drop for HoldsNothing {
    fn drop(&mut self) {
        self.0.held.lock().is_passed_on = false;
    }
}

#[derive(Debug)]
struct After {
    passages: mpsc::Sender<Passage>,
    until: Instant,
}

impl Takeover {
    pub(crate) fn passages(&self) -> Option<mpsc::Sender<Passage>> {
        self.after.read().as_ref().map(|after| after.passages.clone())
    }

    /// How long clients that cannot be handed over may stay; none if nobody has taken over.
    pub(super) fn until(&self) -> Option<Instant> {
        self.after.read().as_ref().map(|after| after.until)
    }

    pub(crate) fn cancel_elsewhere(&self, key: &BackendKey) {
        if let Some(before) = &*self.before.read() {
            // Requests that are too many are lost, as they may be anywhere.
            let _ = before.try_send((key.process_id, key.secret.clone()));
        }
    }
}

impl Proxy {
    /// The number that the next client would get, with room for those that still come here: where
    /// the process that takes over is to begin.
    #[must_use]
    pub fn numbers_for_successor(&self) -> u64 {
        let next = self.shared.next_client.load(std::sync::atomic::Ordering::Relaxed);
        next.saturating_add(FREE_NUMBERS)
    }

    /// Clients are numbered from here on: their numbers are not to be those of another process.
    pub fn number_clients_from(&self, number: u64) {
        self.shared.next_client.fetch_max(number, std::sync::atomic::Ordering::Relaxed);
    }

    /// Whether PAUSE, KILL or SUSPEND holds anything.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.shared.held.lock().holds_anything()
    }

    /// Another process is about to serve: nothing is held here while what is returned exists, after
    /// which [`Self::hand_over`] has begun or the other process has failed. None if something is.
    #[must_use]
    pub fn hold_nothing(&self) -> Option<HoldsNothing> {
        let mut held = self.shared.held.lock();
        if held.holds_anything() {
            return None;
        }
        held.is_passed_on = true;
        Some(HoldsNothing(Arc::clone(&self.shared)))
    }

    /// Another process serves. Here no new client is let in, and those that there are, are handed to
    /// `passages` as they become idle; who cannot be goes on here for `limit`, and then until its
    /// transaction is over. [`Self::serve`] returns when none is left.
    pub fn hand_over(&self, passages: mpsc::Sender<Passage>, limit: Duration) {
        let until = Instant::now() + limit;
        *self.shared.takeover.after.write() = Some(After { passages, until });
        self.shut_down(ShutdownMode::WaitForClients);
    }

    /// Takes in a client of the process before this one.
    ///
    /// # Errors
    /// What stands against it; it is to go on where it is.
    pub fn adopt(&self, client: MovingClient) -> Result<(), ProxyError> {
        client::adopt(&self.shared, client)
    }

    /// Requests to cancel what is not known here go there from now on; none: nowhere.
    pub fn cancel_elsewhere(&self, before: Option<mpsc::Sender<CancelRequest>>) {
        *self.shared.takeover.before.write() = before;
    }

    /// Carries out a cancel request that came to another process. Not cancel-safe: dropped, the
    /// request may be lost.
    pub async fn cancel(&self, (process_id, key): CancelRequest) {
        client::cancel(&self.shared, BackendKey { process_id, secret: key }).await;
    }

    /// If another process has taken over: sees clients off until none is left, or those that are must
    /// be told to leave.
    pub(super) async fn see_off(&self, tick: &mut tokio::time::Interval) {
        let shared = &self.shared;
        let Some(until) = shared.takeover.until() else { return };
        let stop = shared.stop.subscribe();
        let since = Instant::now();
        loop {
            // Who is logging in was let in before.
            if shared.clients.len() == 0 && shared.lobby.is_empty() {
                return;
            }
            if *stop.borrow() != Some(ShutdownMode::WaitForClients) {
                return;
            }
            if Instant::now() >= until {
                tracing::info!(
                    clients = shared.clients.len(),
                    "takeover_timeout is over: clients leave when their transaction is over"
                );
                self.shut_down(ShutdownMode::WaitForServers);
                return;
            }
            shared.clients.order_all(Order::Move);
            for pool in shared.all_pools() {
                pool.keep_warm(false);
                if since.elapsed() < EXODUS {
                    pool.close_idle();
                }
            }
            tick.tick().await;
            self.tick();
        }
    }
}
