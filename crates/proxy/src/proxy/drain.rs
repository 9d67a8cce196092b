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
            let urgent = mode == ShutdownMode::Immediate;
            let changed = stop.is_none() || (urgent && *stop != Some(mode));
            if changed {
                *stop = Some(mode);
            }
            changed
        });
    }
}
