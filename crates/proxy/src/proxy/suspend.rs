//! SUSPEND: what is under way is written out, then no socket of a client or a server is read, until
//! RESUME.

use std::time::Instant;

use model::{CommandError, PoolerState};

use super::{Proxy, Shared, TICK};
use crate::client;

impl Shared {
    /// Whether SUSPEND is in force.
    pub(crate) fn is_suspended(&self) -> bool {
        *self.suspended.borrow()
    }

    /// Returns when SUSPEND is not in force. Cancel-safe.
    pub(crate) async fn resumed(&self) {
        // Cannot fail: the sender is here.
        let _ = self.suspended.subscribe().wait_for(|suspended| !suspended).await;
    }

    /// Takes SUSPEND back: all clients go on. False if it was not in force.
    pub(super) fn let_go(&self) -> bool {
        {
            let mut held = self.held.lock();
            if held.pooler != PoolerState::Suspended {
                return false;
            }
            held.pooler = PoolerState::Active;
            self.suspended.send_replace(false);
        }
        self.clients.hold_all(false);
        true
    }

    /// Whoever suspended everything is the one to resume it: with the last console connection gone
    /// nobody would be left to do it.
    pub(super) fn resume_if_abandoned(&self) {
        if self.consoles.is_empty() && self.let_go() {
            tracing::warn!("no admin console is connected any more: SUSPEND is taken back");
        }
    }
}

impl Proxy {
    pub(super) async fn suspend(&self) -> Result<(), CommandError> {
        let shared = &self.shared;
        {
            let mut held = shared.held.lock();
            // Under the lock: no end of `HoldsNothing` comes in between.
            self.check_not_draining()?;
            held.suspend()?;
            // Before clients are told: one that logs in now sees it, or is told.
            shared.suspended.send_replace(true);
        }
        shared.clients.hold_all(true);
        let deadline = shared.settings().suspend_timeout.map(|timeout| Instant::now() + timeout);
        let mut tick = tokio::time::interval(TICK);
        loop {
            tick.tick().await;
            if self.state() != PoolerState::Suspended {
                let message = "resumed before all buffers were empty";
                return Err(CommandError::WrongState(message.to_owned()));
            }
            let restless = shared.clients.restless();
            if restless.is_empty() {
                return Ok(());
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                tracing::warn!(
                    clients = restless.len(),
                    "suspend_timeout: closing clients that do not take what they are sent"
                );
                restless.iter().for_each(|client| client.give_order(client::Order::Kill));
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::ShutdownMode;

    use super::super::moved_server::{proxy, settings};
    use super::*;
    use crate::hosts::by_the_system;

    /// As at the end of a takeover: what keeps SUSPEND from it goes when the clients are on their way,
    /// and nobody could take it back.
    #[test]
    fn it_does_not_slip_in_where_the_end_begins() {
        let proxy = proxy(settings(1), by_the_system());
        let held = proxy.shared.held.lock();
        let suspending = std::thread::spawn({
            let proxy = proxy.clone();
            move || {
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = runtime.enable_all().build().unwrap();
                runtime.block_on(proxy.suspend())
            }
        });
        // So that it has looked, if it looks before it has the lock. Fails nobody who is slower.
        std::thread::sleep(Duration::from_millis(50));
        proxy.shut_down(ShutdownMode::WaitForClients);
        drop(held);
        let told = suspending.join().unwrap();
        assert_eq!(told.expect_err("a refusal").to_string(), "pooler is shutting down");
        assert_eq!(proxy.state(), PoolerState::Active);
    }
}
