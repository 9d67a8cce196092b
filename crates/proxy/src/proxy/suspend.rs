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
        self.check_not_draining()?;
        {
            let mut held = shared.held.lock();
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
