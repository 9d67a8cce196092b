//! How it ends.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use model::ShutdownMode;

use super::Proxy;
use crate::client;

impl Proxy {
    pub(super) async fn drain(&self, mode: ShutdownMode, tick: &mut tokio::time::Interval) {
        let shared = &self.shared;
        shared.draining.store(true, Ordering::Release);
        let mut stop = shared.stop.subscribe();
        let mut deadline = None;
        while shared.clients.len() > 0 {
            // Clients that SUSPEND holds could not come to their end.
            shared.let_go();
            // It may have become more urgent.
            match (*stop.borrow_and_update()).unwrap_or(mode) {
                ShutdownMode::Immediate => break,
                // Again and again, for those that logged in while the order was given.
                ShutdownMode::WaitForServers => {
                    shared.clients.order_all(client::Order::Drain);
                    let timeout = shared.settings().shutdown_timeout;
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + timeout);
                    if Instant::now() >= deadline {
                        break;
                    }
                }
                ShutdownMode::WaitForClients => {}
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
            pool.keep_warm(false);
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
            let changed = stop.is_none_or(|before| urgency(mode) > urgency(before));
            if changed {
                *stop = Some(mode);
            }
            changed
        });
    }
}

/// Which of two ways to shut down takes the other's place.
fn urgency(mode: ShutdownMode) -> u8 {
    match mode {
        ShutdownMode::WaitForClients => 0,
        ShutdownMode::WaitForServers => 1,
        ShutdownMode::Immediate => 2,
    }
}
