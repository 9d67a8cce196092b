//! Opening and closing server connections.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use model::{ClientId, ConnectionEvent, Event, ServerId, SqlState};

use super::{Inner, Pool};
use crate::error::ProxyError;
use crate::server::{ServerConnection, Upstream, connect};

impl Pool {
    /// Closes a connection that counts as out, then lets the queue have its place.
    pub(crate) fn close_in_background(self: &Arc<Self>, server: Box<ServerConnection>) {
        // None when the runtime is being shut down: then the sockets close by themselves.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let pool = Arc::clone(self);
        runtime.spawn(async move {
            let id = server.id;
            server.close().await;
            pool.closed(id);
        });
    }

    /// A connection that was out is closed.
    pub(crate) fn closed(self: &Arc<Self>, server: ServerId) {
        let mut inner = self.inner.lock();
        inner.out.remove(&server);
        inner.scheduler.closed();
        self.open_due(&mut inner);
    }

    /// Opens the connections that the scheduler asks for.
    pub(super) fn open_due(self: &Arc<Self>, inner: &mut Inner) {
        for _ in 0..inner.scheduler.connects_due(Instant::now()) {
            let pool = Arc::clone(self);
            let (upstream, place) = (inner.upstream.clone(), inner.place);
            let id = ServerId(self.next_server.fetch_add(1, Ordering::Relaxed));
            tokio::spawn(async move {
                match connect(&upstream, id).await {
                    Ok(server) => pool.opened(server, place),
                    Err(error) => pool.open_failed(&upstream, &error),
                }
            });
        }
    }

    fn opened(self: &Arc<Self>, mut server: ServerConnection, place: u32) {
        let mut inner = self.inner.lock();
        inner.scheduler.connected();
        inner.last_failure = None;
        server.place = place;
        let welcome: Arc<[_]> = server.parameters.clone().into();
        if place == inner.place && inner.welcome.as_ref() != Some(&welcome) {
            // Another server, or the same with another configuration.
            inner.settings.clear();
            inner.welcome = Some(welcome);
        }
        drop(inner);
        self.free(Box::new(server));
    }

    fn open_failed(self: &Arc<Self>, upstream: &Upstream, error: &ProxyError) {
        let failure = error.as_connect_failure(&upstream.address);
        let sqlstate = SqlState::from_bytes(failure.sqlstate().as_bytes());
        tracing::warn!(pool = %self.key, server = %upstream.address, %sqlstate,
            "cannot open a server connection: {error}");
        let event = ConnectionEvent::ServerFailed { pool: self.key.clone(), sqlstate };
        self.events.push(ClientId(0), &mut vec![Event::Connection(event)]);
        let mut inner = self.inner.lock();
        let told = inner.scheduler.connect_failed(error.is_permanent(), Instant::now());
        for waiter in told {
            if let Some(waiting) = inner.waiters.remove(&waiter) {
                let _ = waiting.sender.send(Err(failure.clone()));
            }
        }
        inner.last_failure = Some(failure);
    }
}
