//! Opening and closing server connections.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use model::{ClientId, ConnectionEvent, Event, ServerId, SqlState};

use super::lease::Place;
use super::{Inner, Lease, Pool, Welcome};
use wire::error_response::ErrorFields;

use crate::error::ProxyError;
use crate::error::names;
use crate::server::{ServerConnection, Upstream};

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
        inner.scheduler.lost(server);
        self.note_closed(&mut inner);
        self.open_due(&mut inner);
    }

    /// A connection that counted as out is closed, or was never there.
    pub(super) fn note_closed(&self, inner: &mut Inner) {
        inner.scheduler.closed();
        self.shares.released(self.member, 1);
    }

    /// Whether it is kept at its minimum.
    pub(super) fn is_warm(&self) -> bool {
        self.clients.load(Ordering::Acquire) > 0 || self.keep_warm.load(Ordering::Acquire)
    }

    /// From now on it is kept at its minimum, with clients or without.
    pub(crate) fn keep_warm(&self, warm: bool) {
        self.keep_warm.store(warm, Ordering::Release);
    }

    /// Opens the connections that the scheduler asks for, as far as the maxima that are shared with
    /// other pools allow it; the rest is opened when it is granted.
    pub(super) fn open_due(self: &Arc<Self>, inner: &mut Inner) {
        self.open_due_at(inner, Instant::now());
    }

    /// The same, where the time is known.
    pub(super) fn open_due_at(self: &Arc<Self>, inner: &mut Inner, now: Instant) {
        let wanted = inner.scheduler.connects_due(self.is_warm(), now);
        let asks = wanted.for_queue > 0;
        // The quota's lock is not for every tick of every pool.
        if asks || inner.asks || wanted.to_keep_warm > 0 {
            let number = self.shares.ask(self.member, wanted, now);
            inner.asks = asks;
            self.open(inner, number);
        }
    }

    /// So many connections were granted that it asked for earlier.
    pub(super) fn open_granted(self: &Arc<Self>, number: u32) {
        let mut inner = self.inner.lock();
        let wanted = inner.scheduler.connects_due(self.is_warm(), Instant::now()).for_queue;
        let number_used = number.min(wanted);
        self.open(&mut inner, number_used);
        if number_used < number {
            // Who waited has left, or got another one.
            self.shares.released(self.member, number - number_used);
        }
        self.open_due(&mut inner);
    }

    fn open(self: &Arc<Self>, inner: &mut Inner, number: u32) {
        inner.scheduler.begin_connects(number);
        for _ in 0..number {
            let (upstream, place) = (inner.upstream.clone(), inner.place);
            let (pool, cluster) = (Arc::clone(self), Arc::clone(&inner.cluster));
            let id = ServerId(self.next_server.fetch_add(1, Ordering::Relaxed));
            tokio::spawn(async move {
                // Not before: a runtime that is being shut down drops the task at once, where the
                // pool is locked. Then nobody needs the place any more.
                let opening = Opening { pool, upstream, place, is_under_way: true };
                match cluster.connect(&opening.upstream, id).await {
                    Ok(server) => opening.succeeded(server),
                    Err(error) => opening.failed(&error),
                }
            });
        }
    }

    /// Opens a connection in the place of another one, for `client`.
    pub(super) async fn open_in(
        self: &Arc<Self>,
        old: Place,
        client: ClientId,
    ) -> Result<Lease, ErrorFields> {
        let (upstream, place, cluster) = {
            let inner = self.inner.lock();
            (inner.upstream.clone(), inner.place, Arc::clone(&inner.cluster))
        };
        let id = ServerId(self.next_server.fetch_add(1, Ordering::Relaxed));
        match cluster.connect(&upstream, id).await {
            Ok(mut server) => {
                server.place = place;
                let mut inner = self.inner.lock();
                inner.out.remove(&old.server);
                inner.scheduler.took_its_place(old.server, id);
                old.taken();
                Ok(self.lease(&mut inner, Box::new(server), client, Instant::now()))
            }
            Err(error) => Err(error.as_connect_failure(&upstream.hosts)),
        }
    }

    fn opened(self: &Arc<Self>, mut server: ServerConnection, place: u32) {
        let mut inner = self.inner.lock();
        inner.scheduler.connected();
        inner.last_failure = None;
        inner.out_of_reach_at = None;
        server.place = place;
        let is_new = |welcome: &Arc<Welcome>| *welcome.reported != *server.parameters;
        if place == inner.place && inner.welcome.as_ref().is_none_or(is_new) {
            // Another server, or the same with another configuration.
            inner.settings.clear();
            inner.welcome = Some(Arc::new(Welcome::new(&server.parameters)));
        }
        drop(inner);
        self.free(Box::new(server), Instant::now());
    }

    fn open_failed(self: &Arc<Self>, upstream: &Upstream, error: &ProxyError) {
        let failure = error.as_connect_failure(&upstream.hosts);
        let sqlstate = SqlState::from_bytes(failure.sqlstate().as_bytes());
        tracing::warn!(pool = %self.key, server = %names(&upstream.hosts), %sqlstate,
            "cannot open a server connection: {error}");
        let event = ConnectionEvent::ServerFailed { pool: self.key.clone(), sqlstate };
        self.events.push(ClientId(0), &mut vec![Event::Connection(event)]);
        self.not_opened(upstream, failure, error.is_permanent());
    }

    /// A connection that counts as being opened will not be there.
    fn not_opened(self: &Arc<Self>, upstream: &Upstream, failure: ErrorFields, permanent: bool) {
        let mut inner = self.inner.lock();
        self.shares.released(self.member, 1);
        if inner.cluster.was_there(&upstream.wish) && upstream.hosts.len() > 1 {
            inner.scheduler.was_reachable();
        }
        let told = inner.scheduler.connect_failed(permanent, Instant::now(), rand::random());
        for waiter in told {
            inner.answer(waiter, Err(Box::new(failure.clone())));
        }
        inner.last_failure = Some(failure);
        inner.out_of_reach_at = (!permanent).then(Instant::now);
    }
}

/// A connection that is being opened, and counts as such in its pool. Dropped before that is over (its
/// task has panicked), it counts as one that failed: the pool would have one less for ever.
struct Opening {
    pool: Arc<Pool>,
    upstream: Upstream,
    /// The pool's when this was begun.
    place: u32,
    is_under_way: bool,
}

impl Opening {
    fn succeeded(mut self, server: ServerConnection) {
        self.is_under_way = false;
        self.pool.opened(server, self.place);
    }

    fn failed(mut self, error: &ProxyError) {
        self.is_under_way = false;
        self.pool.open_failed(&self.upstream, error);
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if self.is_under_way {
            let failure = ProxyError::Closed.as_connect_failure(&self.upstream.hosts);
            self.pool.not_opened(&self.upstream, failure, false);
        }
    }
}
