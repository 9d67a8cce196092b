//! Pools: the shell around `pooling::scheduler`. It keeps the connections, opens and closes them,
//! and hands them over; who gets which is the scheduler's decision.

mod lease;
mod status;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use model::{ClientId, ConnectionEvent, Event, PoolKey, PoolMode, ServerId, SqlState};
use parking_lot::Mutex;
use pooling::scheduler::{Freed, Limits, Refusal, Request, Scheduler, WaiterId};
use tokio::sync::oneshot;
use wire::error_response::ErrorFields;

pub(crate) use lease::Lease;

use crate::error::ProxyError;
use crate::events::EventBuffer;
use crate::server::{ServerConnection, Upstream, connect};

/// What a client that waits is told in the end.
pub(crate) type Grant = Result<Lease, ErrorFields>;

/// The answer to a client that wants a server connection.
pub(crate) enum Acquired {
    /// Here it is.
    Now(Lease),
    /// It will come, or an error will.
    Later(Ticket),
    /// It will not.
    Refused(ErrorFields),
}

/// A place in the queue. Dropping it gives up the place.
pub(crate) struct Ticket {
    pool: Arc<Pool>,
    waiter: WaiterId,
    pub(crate) grant: oneshot::Receiver<Grant>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.pool.give_up(self.waiter);
        // A connection that was granted in this very moment goes to the next in the queue.
        self.grant.close();
        if let Ok(Ok(lease)) = self.grant.try_recv() {
            lease.release();
        }
    }
}

/// The server connections of one database and user.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) key: PoolKey,
    pub(crate) clients: AtomicU32,
    pub(crate) cancels: AtomicU32,
    next_waiter: AtomicU64,
    next_server: Arc<AtomicU64>,
    events: Arc<EventBuffer>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    scheduler: Scheduler,
    upstream: Upstream,
    /// Counts the places that `upstream` has led to.
    place: u32,
    mode: PoolMode,
    idle: HashMap<ServerId, Box<ServerConnection>>,
    /// Connections out, for SHOW SERVERS.
    out: HashMap<ServerId, status::Out>,
    waiters: HashMap<WaiterId, Waiting>,
    last_failure: Option<ErrorFields>,
    /// What a server reported at login, for clients that log in.
    welcome: Option<Arc<[(String, String)]>>,
    /// What servers reported when settings that clients ask for at login were applied, by the SQL
    /// that applies them.
    settings: HashMap<String, Arc<[(String, String)]>>,
}

/// Sets of settings remembered per pool; applications have few.
const MAX_KNOWN_SETTINGS: usize = 256;

#[derive(Debug)]
struct Waiting {
    client: ClientId,
    sender: oneshot::Sender<Grant>,
}

impl Pool {
    pub(crate) fn new(
        key: PoolKey,
        upstream: Upstream,
        mode: PoolMode,
        limits: Limits,
        events: Arc<EventBuffer>,
        next_server: Arc<AtomicU64>,
    ) -> Arc<Self> {
        let inner = Inner {
            scheduler: Scheduler::new(limits),
            upstream,
            place: 0,
            mode,
            idle: HashMap::new(),
            out: HashMap::new(),
            waiters: HashMap::new(),
            last_failure: None,
            welcome: None,
            settings: HashMap::new(),
        };
        Arc::new(Self {
            key,
            clients: AtomicU32::new(0),
            cancels: AtomicU32::new(0),
            next_waiter: AtomicU64::new(1),
            next_server,
            events,
            inner: Mutex::new(inner),
        })
    }

    pub(crate) fn mode(&self) -> PoolMode {
        self.inner.lock().mode
    }

    /// What a server reported at login; none before the first one was opened.
    pub(crate) fn welcome(&self) -> Option<Arc<[(String, String)]>> {
        self.inner.lock().welcome.clone()
    }

    /// What the server reported when these settings were applied.
    pub(crate) fn known_settings(&self, sql: &str) -> Option<Arc<[(String, String)]>> {
        self.inner.lock().settings.get(sql).cloned()
    }

    pub(crate) fn remember_settings(&self, sql: String, reported: Arc<[(String, String)]>) {
        let mut inner = self.inner.lock();
        if inner.settings.len() < MAX_KNOWN_SETTINGS {
            inner.settings.insert(sql, reported);
        }
    }

    /// New settings. Connections that lead to where clients do not belong any more are closed, or
    /// will be when they come free.
    pub(crate) fn reconfigure(
        self: &Arc<Self>,
        upstream: Upstream,
        mode: PoolMode,
        limits: Limits,
    ) {
        let mut inner = self.inner.lock();
        if !upstream.is_same_place(&inner.upstream) {
            inner.place += 1;
            inner.welcome = None;
            self.close_all_idle(&mut inner);
        }
        inner.upstream = upstream;
        inner.mode = mode;
        inner.scheduler.set_limits(limits);
        self.open_due(&mut inner);
    }

    /// Asks for a server connection, preferably the one the client had last.
    pub(crate) fn acquire(
        self: &Arc<Self>,
        client: ClientId,
        prefer: Option<ServerId>,
    ) -> Acquired {
        let waiter = WaiterId(self.next_waiter.fetch_add(1, Ordering::Relaxed));
        let now = Instant::now();
        let mut inner = self.inner.lock();
        match inner.scheduler.request(waiter, prefer, now) {
            Request::Granted(server) => {
                if let Some(server) = self.take_alive(&mut inner, server) {
                    return Acquired::Now(self.lease(&mut inner, server, client));
                }
                inner.scheduler.requeue_first(waiter, now);
            }
            Request::Queued => {}
            Request::Rejected(refusal) => return Acquired::Refused(refused(&inner, refusal)),
        }
        let (sender, grant) = oneshot::channel();
        inner.waiters.insert(waiter, Waiting { client, sender });
        self.open_due(&mut inner);
        Acquired::Later(Ticket { pool: Arc::clone(self), waiter, grant })
    }

    /// The granted connection, or another idle one if it is dead.
    fn take_alive(
        self: &Arc<Self>,
        inner: &mut Inner,
        granted: ServerId,
    ) -> Option<Box<ServerConnection>> {
        let mut next = Some(granted);
        while let Some(id) = next {
            match inner.idle.remove(&id) {
                Some(mut server) => {
                    if server.is_alive() {
                        return Some(server);
                    }
                    tracing::debug!(pool = %self.key, server = %id, "idle server connection is gone");
                    self.close_in_background(server);
                }
                None => inner.scheduler.closed(),
            }
            next = inner.scheduler.another();
        }
        None
    }

    fn lease(
        self: &Arc<Self>,
        inner: &mut Inner,
        mut server: Box<ServerConnection>,
        client: ClientId,
    ) -> Lease {
        server.cancels_before = server.cancel.begun();
        inner.out.insert(server.id, status::Out::of(&server, Some(client)));
        Lease::new(Arc::clone(self), server)
    }

    fn give_up(self: &Arc<Self>, waiter: WaiterId) {
        let mut inner = self.inner.lock();
        inner.waiters.remove(&waiter);
        inner.scheduler.cancel_wait(waiter);
    }

    /// A clean connection comes free: it goes to the first in the queue, or is idle, or is closed.
    pub(crate) fn free(self: &Arc<Self>, server: Box<ServerConnection>) {
        let now = Instant::now();
        let mut inner = self.inner.lock();
        inner.out.remove(&server.id);
        let mut server = server;
        loop {
            if server.place != inner.place {
                return self.close_in_background(server);
            }
            match inner.scheduler.freed(server.id, server.opened, now) {
                Freed::To(waiter) => {
                    let Some(waiting) = inner.waiters.remove(&waiter) else { continue };
                    let lease = self.lease(&mut inner, server, waiting.client);
                    match waiting.sender.send(Ok(lease)) {
                        Ok(()) => return,
                        // It has just left: the next one gets it.
                        Err(Ok(lease)) => {
                            let Some(back) = lease.into_server() else { return };
                            inner.out.remove(&back.id);
                            server = back;
                        }
                        Err(Err(_)) => return,
                    }
                }
                Freed::Idle => {
                    inner.idle.insert(server.id, server);
                    return;
                }
                Freed::Close => return self.close_in_background(server),
            }
        }
    }

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
    fn open_due(self: &Arc<Self>, inner: &mut Inner) {
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

    /// What is due by now. Called several times a second, so that no query needs a timer.
    pub(crate) fn tick(self: &Arc<Self>, now: Instant) {
        let mut inner = self.inner.lock();
        let due = inner.scheduler.tick(now);
        for id in due.close {
            match inner.idle.remove(&id) {
                Some(server) => self.close_in_background(server),
                None => inner.scheduler.closed(),
            }
        }
        for (waiter, refusal) in due.refuse {
            let error = refused(&inner, refusal);
            if let Some(waiting) = inner.waiters.remove(&waiter) {
                let _ = waiting.sender.send(Err(error));
            }
        }
        let idle: Vec<_> = inner.scheduler.idle().collect();
        for id in idle {
            let alive = inner.idle.get_mut(&id).is_some_and(|server| server.is_alive());
            if !alive && inner.scheduler.idle_died(id) {
                match inner.idle.remove(&id) {
                    Some(server) => self.close_in_background(server),
                    None => inner.scheduler.closed(),
                }
            }
        }
        self.open_due(&mut inner);
    }

    pub(crate) fn pause(&self) {
        self.inner.lock().scheduler.pause();
    }

    pub(crate) fn resume(self: &Arc<Self>) {
        let mut inner = self.inner.lock();
        for (waiter, id) in inner.scheduler.resume() {
            match (inner.idle.remove(&id), inner.waiters.remove(&waiter)) {
                (Some(server), Some(waiting)) => {
                    let lease = self.lease(&mut inner, server, waiting.client);
                    if let Err(Ok(lease)) = waiting.sender.send(Ok(lease))
                        && let Some(server) = lease.into_server()
                    {
                        self.close_in_background(server);
                    }
                }
                (Some(server), None) => self.close_in_background(server),
                (None, _) => inner.scheduler.closed(),
            }
        }
        self.open_due(&mut inner);
    }

    /// Closes idle connections; those that are out are closed by their clients.
    pub(crate) fn close_idle(self: &Arc<Self>) {
        self.close_all_idle(&mut self.inner.lock());
    }

    fn close_all_idle(self: &Arc<Self>, inner: &mut Inner) {
        let idle: Vec<_> = inner.scheduler.idle().collect();
        for id in idle {
            if inner.scheduler.idle_died(id)
                && let Some(server) = inner.idle.remove(&id)
            {
                self.close_in_background(server);
            }
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.inner.lock().scheduler.is_paused()
    }

    /// Server connections held by clients, or being cleaned or closed.
    pub(crate) fn out(&self) -> u32 {
        self.inner.lock().scheduler.out()
    }

    /// Whether nobody uses it and nothing is left of it.
    pub(crate) fn is_unused(&self) -> bool {
        self.clients.load(Ordering::Acquire) == 0 && {
            let inner = self.inner.lock();
            inner.scheduler.total() == 0 && inner.waiters.is_empty() && !inner.scheduler.is_paused()
        }
    }
}

fn refused(inner: &Inner, refusal: Refusal) -> ErrorFields {
    let limits = inner.scheduler.limits();
    match refusal {
        Refusal::QueueFull => ErrorFields::error(
            "53300",
            "too many clients wait for a server connection (max_wait_queue)",
        )
        .with_hint("Raise max_wait_queue or default_pool_size, or make the queries faster."),
        Refusal::TimedOut => {
            let error = ErrorFields::error(
                "53300",
                format!(
                    "query_wait_timeout: no server connection was free within {} s",
                    limits.wait_timeout.as_secs_f64()
                ),
            );
            match &inner.last_failure {
                Some(failure) => error.with_detail(failure.message.clone()),
                None => error.with_hint(format!(
                    "All {} server connections of the pool were busy. SHOW POOLS and SHOW QUERIES \
                     in the admin console say with what.",
                    limits.size
                )),
            }
        }
        Refusal::Unreachable => inner.last_failure.clone().unwrap_or_else(|| {
            ErrorFields::error("08006", "the PostgreSQL server cannot be reached")
        }),
    }
}
