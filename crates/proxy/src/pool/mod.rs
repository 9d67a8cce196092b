//! Pools: the shell around `pooling::scheduler`. It keeps the connections, opens and closes them,
//! and hands them over; who gets which is the scheduler's decision.

mod handover;
mod hosts;
mod lease;
mod opening;
mod refusal;
mod shares;
mod status;
mod upkeep;
mod waiting;
mod welcome;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::{ById, ClientId, PoolKey, PoolMode, Priority, Rejections, Replication, ServerId};
use parking_lot::{Mutex, RwLock};
use pooling::hosts::HostId;
use pooling::known::{KnownStatements, Serves};
use pooling::quota::{Maximum, MemberId};
use pooling::scheduler::{Limits, Scheduler, WaiterId};
use pooling::timeouts::Timeouts;
use pooling::waits::Waits;
use wire::error_response::ErrorFields;

pub(crate) use lease::Lease;
pub(crate) use shares::Shares;
pub(crate) use waiting::{Grant, Ticket};
pub(crate) use welcome::Welcome;

use crate::events::EventBuffer;
use crate::hosts::Cluster;
use crate::server::{CancelUnderWay, Learned, ServerConnection, Upstream};
use waiting::Waiting;

/// The answer to a client that wants a server connection.
pub(crate) enum Acquired {
    /// Here it is.
    Now(Lease),
    /// It will come, or an error will.
    Later(Ticket),
    /// It will not.
    Refused(Box<ErrorFields>),
}

/// What the clients of a pool have done, as SHOW POOLS prints it. Written with relaxed adds.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Clients that are pinned now.
    pub(crate) pinned: AtomicU32,
    /// Transactions over.
    pub(crate) transactions: AtomicU64,
    /// Of these, run by clients that were pinned before.
    pub(crate) pinned_transactions: AtomicU64,
}

/// The server connections of one database and user.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) key: PoolKey,
    /// What its one connection replicates; none where it is a pool as any other.
    pub(crate) replication: Replication,
    pub(crate) clients: AtomicU32,
    pub(crate) cancels: AtomicU32,
    /// What its clients have done.
    pub(crate) counters: Counters,
    /// Statements that its servers have parsed.
    pub(crate) known: Arc<KnownStatements>,
    /// Whether it is kept at its minimum even without clients.
    keep_warm: AtomicBool,
    timeouts: RwLock<Timeouts>,
    /// Whether one of these cancels statements.
    cancels_statements: AtomicBool,
    next_waiter: AtomicU64,
    next_server: Arc<AtomicU64>,
    events: Arc<EventBuffer>,
    shares: Arc<Shares>,
    member: MemberId,
    /// Whether clients stood in the queue when that was last looked at.
    has_queue: AtomicBool,
    inner: Mutex<Inner>,
}

/// How a pool is run.
#[derive(Debug)]
pub(crate) struct PoolSetup {
    pub(crate) upstream: Upstream,
    pub(crate) mode: PoolMode,
    /// Of its user, as far as it shares with other pools.
    pub(crate) priority: Priority,
    pub(crate) limits: Limits,
    /// What it shares with other pools.
    pub(crate) maxima: Vec<Maximum>,
    /// Whether the unnamed statement is served from named ones.
    pub(crate) serves: Serves,
    /// How long it may be without clients; none is for ever.
    pub(crate) unused_timeout: Option<Duration>,
    /// The hosts of `upstream`.
    pub(crate) cluster: Arc<Cluster>,
}

#[derive(Debug)]
struct Inner {
    scheduler: Scheduler,
    upstream: Upstream,
    /// Counts the places that `upstream` has led to.
    place: u32,
    /// The hosts that it leads to.
    cluster: Arc<Cluster>,
    /// That of the cluster when it was last looked at.
    cluster_version: Option<u64>,
    /// Hosts that connections are not to be used to any more.
    unwelcome: Vec<HostId>,
    mode: PoolMode,
    idle: ById<ServerId, Box<ServerConnection>>,
    /// Connections out, for SHOW SERVERS.
    out: ById<ServerId, status::Out>,
    /// Those in the scheduler's queue, and those that have not taken their answer yet.
    waiters: ById<WaiterId, Waiting>,
    waits: Waits,
    rejected: Rejections,
    /// Whether the pool has asked for connections that it has not got yet.
    asks: bool,
    unused_timeout: Option<Duration>,
    /// Since when it has no clients, as far as was noticed.
    unused_since: Option<Instant>,
    last_failure: Option<ErrorFields>,
    /// When that was, where it was not that the server would not have us.
    out_of_reach_at: Option<Instant>,
    /// What a server reported at login, for clients that log in.
    welcome: Option<Arc<Welcome>>,
    /// What servers reported when settings that clients ask for at login were applied, by the SQL
    /// that applies them.
    settings: HashMap<String, Arc<[(String, String)]>>,
}

/// How long a pool without clients stays to show that its server could not be reached: longer than
/// scrapes and checks of `/ready` are apart. Somebody has to try again, which only clients do.
const OUTAGE_SHOWN: Duration = Duration::from_secs(60);
/// Sets of settings remembered per pool; applications have few.
const MAX_KNOWN_SETTINGS: usize = 256;

impl Pool {
    pub(crate) fn new(
        key: PoolKey,
        setup: PoolSetup,
        events: Arc<EventBuffer>,
        shares: Arc<Shares>,
        next_server: Arc<AtomicU64>,
    ) -> Arc<Self> {
        let start = setup.upstream.replication.as_ref();
        let replication = start.map_or(Replication::None, |start| start.kind);
        let inner = Inner {
            scheduler: Scheduler::new(setup.limits),
            upstream: setup.upstream,
            place: 0,
            cluster: setup.cluster,
            cluster_version: None,
            unwelcome: Vec::new(),
            mode: setup.mode,
            idle: ById::default(),
            out: ById::default(),
            waiters: ById::default(),
            waits: Waits::default(),
            rejected: Rejections::default(),
            asks: false,
            unused_timeout: setup.unused_timeout,
            unused_since: None,
            last_failure: None,
            out_of_reach_at: None,
            welcome: None,
            settings: HashMap::new(),
        };
        let pool = Arc::new(Self {
            key,
            replication,
            clients: AtomicU32::new(0),
            cancels: AtomicU32::new(0),
            counters: Counters::default(),
            known: Arc::default(),
            keep_warm: AtomicBool::new(false),
            timeouts: RwLock::default(),
            cancels_statements: AtomicBool::new(false),
            next_waiter: AtomicU64::new(1),
            next_server,
            events,
            member: shares.new_member(),
            shares,
            has_queue: AtomicBool::new(false),
            inner: Mutex::new(inner),
        });
        pool.known.serve(setup.serves);
        pool.shares.join(&pool, setup.priority, setup.maxima);
        pool
    }

    pub(crate) fn mode(&self) -> PoolMode {
        self.inner.lock().mode
    }

    /// How long its clients may take over what.
    pub(crate) fn timeouts(&self) -> Timeouts {
        *self.timeouts.read()
    }

    pub(crate) fn set_timeouts(&self, timeouts: Timeouts) {
        self.cancels_statements.store(timeouts.query.is_some(), Ordering::Relaxed);
        *self.timeouts.write() = timeouts;
    }

    /// Whether statements that take too long are cancelled. Takes no lock.
    pub(crate) fn cancels_statements(&self) -> bool {
        self.cancels_statements.load(Ordering::Relaxed)
    }

    /// Clients whose timeouts may be over: those that hold a server connection, and those in the
    /// queue if the first of them has been there for too long.
    pub(crate) fn perhaps_overdue(&self, timeouts: &Timeouts, now: Instant) -> Vec<ClientId> {
        let mut clients = Vec::new();
        let inner = self.inner.lock();
        if timeouts.concern_holders() {
            clients.extend(inner.out.values().filter_map(status::Out::client));
        }
        let wait = inner.scheduler.longest_wait(now);
        if timeouts.query_wait_notify.is_some_and(|patience| wait >= patience) {
            clients.extend(inner.waiters.values().map(|waiting| waiting.client));
        }
        clients
    }

    /// Passes on a cancel request. Not cancel-safe: the server connection is not used again.
    pub(crate) async fn deliver(&self, request: CancelUnderWay) {
        self.cancels.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = request.send().await {
            tracing::warn!(pool = %self.key, "cancel request not delivered: {error}");
        }
        self.cancels.fetch_sub(1, Ordering::Relaxed);
    }

    /// What a server reported at login; none before the first one was opened.
    pub(crate) fn welcome(&self) -> Option<Arc<Welcome>> {
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
    pub(crate) fn reconfigure(self: &Arc<Self>, setup: PoolSetup) {
        self.known.serve(setup.serves);
        self.shares.join(self, setup.priority, setup.maxima);
        let mut inner = self.inner.lock();
        let mut upstream = setup.upstream;
        if upstream.user == inner.upstream.user {
            upstream.learned = inner.upstream.learned.clone();
        }
        if !upstream.is_same_place(&inner.upstream) {
            inner.place += 1;
            inner.welcome = None;
            self.close_all_idle(&mut inner);
        }
        inner.cluster = setup.cluster;
        inner.cluster_version = None;
        inner.upstream = upstream;
        inner.mode = setup.mode;
        inner.unused_timeout = setup.unused_timeout;
        inner.scheduler.set_limits(setup.limits);
        self.open_due(&mut inner);
    }

    /// A client of this user has logged in: new server connections can log in with what it showed,
    /// which after a change of the password is the new one.
    pub(crate) fn learn(&self, user: &str, learned: Learned) {
        let mut inner = self.inner.lock();
        if inner.upstream.user == user {
            inner.upstream.learned = learned;
        }
    }

    /// What was learned so.
    pub(crate) fn learned(&self) -> Learned {
        self.inner.lock().upstream.learned.clone()
    }

    fn note_queue(&self, inner: &Inner) {
        self.has_queue.store(inner.scheduler.waiting() > 0, Ordering::Relaxed);
    }

    /// Whether clients wait for a server connection, as of a moment ago. Takes no lock.
    pub(crate) fn has_queue(&self) -> bool {
        self.has_queue.load(Ordering::Relaxed)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.inner.lock().scheduler.is_paused()
    }

    /// Server connections held by clients, or being cleaned or closed.
    pub(crate) fn out(&self) -> u32 {
        self.inner.lock().scheduler.out()
    }

    /// Server connections in all states, those being opened and closed among them.
    pub(crate) fn total(&self) -> u32 {
        self.inner.lock().scheduler.total()
    }

    /// Whether its server could not be reached of late: what is to be seen of that must not go with the
    /// last client that was told so.
    pub(crate) fn tells_of_outage(&self, now: Instant) -> bool {
        let at = self.inner.lock().out_of_reach_at;
        at.is_some_and(|at| now.saturating_duration_since(at) < OUTAGE_SHOWN)
    }

    /// What the last attempt to connect came to, if that was no connection.
    pub(crate) fn last_failure(&self) -> Option<String> {
        self.inner.lock().last_failure.as_ref().map(|failure| failure.message.clone())
    }

    /// Whether nobody uses it and nothing is left of it.
    pub(crate) fn is_unused(&self) -> bool {
        self.clients.load(Ordering::Acquire) == 0 && !self.keep_warm.load(Ordering::Acquire) && {
            let inner = self.inner.lock();
            inner.scheduler.total() == 0 && inner.waiters.is_empty() && !inner.scheduler.is_paused()
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shares.leave(self.member);
    }
}
