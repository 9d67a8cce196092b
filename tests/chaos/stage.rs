//! What all clients of a run share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::connection::cancel;
use crate::ledger::{Cancelled, Ledger};
use crate::plan::Plan;

/// Process id and secret, as BackendKeyData gives them.
pub(crate) type Key = (i32, Vec<u8>);

/// What all clients of a run share.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) plan: Plan,
    pub(crate) pgweir: SocketAddr,
    /// The relay in front of it, by which some clients come.
    pub(crate) detour: SocketAddr,
    pub(crate) database: String,
    pub(crate) ledger: Arc<Ledger>,
    /// By client: the key, and how cancel requests with it stand.
    pub(crate) keys: Vec<Mutex<(Option<Key>, Cancelled)>>,
    over: AtomicBool,
}

impl Stage {
    pub(crate) fn new(
        plan: Plan,
        pgweir: SocketAddr,
        detour: SocketAddr,
        database: String,
        ledger: Arc<Ledger>,
    ) -> Self {
        let keys = (0..plan.clients).map(|_| Mutex::default()).collect();
        Self { plan, pgweir, detour, database, ledger, keys, over: AtomicBool::new(false) }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Clients leave when they are done with what they do.
    pub(crate) fn close(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Cancels whatever this client runs.
    pub(crate) async fn cancel(&self, client: usize) {
        let key = {
            let mut entry = self.keys[client].lock();
            let Some(key) = entry.0.clone() else { return };
            entry.1.under_way += 1;
            key
        };
        cancel(self.pgweir, &key, Duration::from_secs(10)).await;
        let mut entry = self.keys[client].lock();
        entry.1.under_way -= 1;
        entry.1.last = Some(Instant::now());
    }

    /// Whether a cancel request may have hit what this client began at `since`. The server's signal
    /// may come a moment after the request is over.
    pub(crate) fn may_be_cancelled(&self, client: usize, since: Instant) -> bool {
        let cancelled = self.keys[client].lock().1;
        let late = Duration::from_millis(100);
        cancelled.under_way > 0 || cancelled.last.is_some_and(|last| last + late >= since)
    }
}
