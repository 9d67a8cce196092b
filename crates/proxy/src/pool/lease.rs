//! A server connection in the hands of a client.

use std::sync::Arc;
use std::time::Duration;

use super::Pool;
use crate::server::{Running, ServerConnection};

/// How long settings that are on their way are waited for before what is behind them is cancelled.
const SETTLING: Duration = Duration::from_secs(1);

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
    /// of.
    pub(crate) fn release(mut self) {
        let Some(server) = self.server.take() else { return };
        if server.was_cancelled() {
            clean(Arc::clone(&self.pool), server, Running::Nothing, false);
        } else {
            self.pool.free(server);
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
        let mut lease = Self::new(Arc::clone(&self.pool), server);
        tokio::spawn(async move {
            let server = lease.server();
            // A server that makes no sense is cancelled all the same.
            let _ = tokio::time::timeout(SETTLING, server.settle()).await;
            server.cancel.set_settling(false);
            if let Err(error) = request.send().await {
                tracing::debug!("cancel request not delivered: {error}");
            }
            drop(lease);
        });
    }

    pub(super) fn into_server(mut self) -> Option<Box<ServerConnection>> {
        self.server.take()
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
                lease.release();
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
