//! How it ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use model::ShutdownMode;

use super::lobby::Room;
use super::unix_socket::UnixSocket;
use super::{Listeners, Proxy};
use crate::client;
use crate::stream::Stream;

/// What is left open while clients are waited for: the Unix socket, to reach the admin console by.
pub(super) type Door = Arc<UnixSocket>;

impl Proxy {
    /// While clients leave by themselves, which may take long, somebody may want to know who they are,
    /// or to hurry them. None where another process serves in this one's place.
    pub(super) fn door_for_consoles(
        &self,
        mode: ShutdownMode,
        listeners: &Listeners,
    ) -> Option<Door> {
        let waits = mode == ShutdownMode::WaitForClients && self.shared.takeover.until().is_none();
        listeners.own_unix_socket().filter(|_| waits)
    }

    /// Until the next tick. Whoever comes meanwhile is let in, and sent away unless it goes to the
    /// console.
    async fn next_tick(&self, door: Option<&UnixSocket>, tick: &mut tokio::time::Interval) {
        loop {
            let room = self.shared.lobby.room(self.max_not_logged_in(), Instant::now());
            let Some(door) = door.filter(|_| room != Room::None) else { break };
            tokio::select! {
                accepted = self.shared.turns.take(door.accept()) => match accepted {
                    Ok(stream) => self.welcome(Stream::Unix(stream), None),
                    // Most likely out of file descriptors: those in use come back.
                    Err(_) => break,
                },
                _ = tick.tick() => return,
            }
        }
        tick.tick().await;
    }

    pub(super) async fn drain(
        &self,
        mode: ShutdownMode,
        mut door: Option<Door>,
        tick: &mut tokio::time::Interval,
    ) {
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
                    door = None;
                    shared.clients.order_all(client::Order::Drain);
                    let timeout = shared.settings().shutdown_timeout;
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + timeout);
                    if Instant::now() >= deadline {
                        break;
                    }
                }
                ShutdownMode::WaitForClients => {}
            }
            self.next_tick(door.as_deref(), tick).await;
            self.tick();
        }
        drop(door);
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
