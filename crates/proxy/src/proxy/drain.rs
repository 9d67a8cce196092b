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
        let mut mode = mode;
        match mode {
            ShutdownMode::Immediate => {}
            ShutdownMode::WaitForServers => shared.clients.order_all(client::Order::Drain),
            ShutdownMode::WaitForClients => {}
        }
        let deadline = |mode| match mode {
            ShutdownMode::Immediate => Some(Instant::now()),
            ShutdownMode::WaitForServers => {
                Some(Instant::now() + shared.settings().shutdown_timeout)
            }
            ShutdownMode::WaitForClients => None,
        };
        let mut until = deadline(mode);
        let mut stop = shared.stop.subscribe();
        while shared.clients.len() > 0 {
            // Clients that SUSPEND holds could not come to their end.
            shared.let_go();
            let told = (*stop.borrow_and_update()).unwrap_or(mode);
            if told != mode {
                mode = told;
                until = deadline(mode);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
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
