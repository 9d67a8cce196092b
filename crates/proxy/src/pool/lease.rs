//! A server connection in the hands of a client.

use std::sync::Arc;
use std::time::Instant;

use model::{ClientId, ServerId};
use wire::error_response::ErrorFields;

use super::Pool;
use crate::server::{Running, ServerConnection};

/// A server connection in the hands of a client.
///
/// [`Lease::release`] gives back a clean connection. Dropping an unreleased lease closes it, so that
/// a cancelled task or a panic can never put a dirty one back into use.
#[derive(Debug)]
pub(crate) struct Lease {
    pool: Arc<Pool>,
    server: Option<Box<ServerConnection>>,
}

impl Lease {
    pub(super) fn new(pool: Arc<Pool>, server: Box<ServerConnection>) -> Self {
        Self { pool, server: Some(server) }
    }

    /// The connection.
    pub(crate) fn server(&mut self) -> &mut ServerConnection {
        match &mut self.server {
            Some(server) => server,
            // Taken only by methods that consume the lease.
            None => unreachable!("a lease holds its connection until it is consumed"),
        }
    }

    /// Gives back a clean connection. One that a cancel request is on its way to is first made sure
    /// of; one that has begun to say more than it was asked for is closed. `now` is about now.
    pub(crate) fn release(mut self, now: Instant) {
        let Some(mut server) = self.server.take() else { return };
        if server.session.is_worn() {
            self.pool.close_in_background(server);
        } else if !server.has_said_all() {
            tracing::warn!(pool = %self.pool.key, server = %server.id,
                "server connection dropped: it has sent what nobody has asked for");
            self.pool.close_in_background(server);
        } else if server.was_cancelled() {
            clean(Arc::clone(&self.pool), server, Running::Nothing, false);
        } else {
            self.pool.free(server, now);
        }
    }

    /// Gives back a connection that is not clean: it is made so in the background, or closed.
    /// `state`: what was done on it has left what another client must not see.
    pub(crate) fn clean(mut self, running: Running, state: bool) {
        if let Some(server) = self.server.take() {
            clean(Arc::clone(&self.pool), server, running, state);
        }
    }

    /// The connection cannot be used any more: what runs on it is cancelled, then it is closed.
    pub(crate) fn abandon(mut self) {
        let Some(server) = self.server.take() else { return };
        let request = server.cancel.begin();
        let lease = Self::new(Arc::clone(&self.pool), server);
        tokio::spawn(async move {
            if let Err(error) = request.send().await {
                tracing::debug!("cancel request not delivered: {error}");
            }
            drop(lease);
        });
    }

    /// Closes the connection, on which nothing of the client's is left, and opens another in its
    /// place, which nobody has used before. Cancel-safe: dropping the future gives up the place.
    pub(crate) async fn renew(mut self, client: ClientId) -> Result<Self, ErrorFields> {
        let Some(server) = self.server.take() else { return Err(ErrorFields::error("08006", "")) };
        let pool = Arc::clone(&self.pool);
        let place = Place { pool: Arc::clone(&pool), server: server.id, is_free: true };
        server.close().await;
        pool.open_in(place, client).await
    }
}

/// The place of a connection that is being replaced. It counts as out.
pub(super) struct Place {
    pub(super) pool: Arc<Pool>,
    pub(super) server: ServerId,
    is_free: bool,
}

impl Place {
    /// Another connection has it.
    pub(super) fn taken(mut self) {
        self.is_free = false;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_free {
            self.pool.closed(self.server);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.pool.close_in_background(server);
        }
    }
}

fn clean(pool: Arc<Pool>, server: Box<ServerConnection>, running: Running, state: bool) {
    let runs = !matches!(running, Running::Nothing);
    // The lease goes into the task: if that is dropped, the connection is closed.
    let mut lease = Lease::new(pool, server);
    tokio::spawn(async move {
        let server = lease.server();
        match server.clean(running, state).await {
            Ok(()) => {
                server.cancels_before = server.cancel.begun();
                lease.release(Instant::now());
            }
            Err(error) => {
                tracing::debug!(server = %server.id, "server connection is closed, not reused: {error}");
                if runs {
                    // The rest of a pipeline may still run.
                    lease.abandon();
                }
            }
        }
    });
}
