//! What the rest of the process may know of a client, and do to it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use model::{
    Address, ClientId, ClientState, ClientStatus, OpenTransaction, Priority, Replication, ServerId,
    ShapeId,
};
use parking_lot::{Mutex, RwLock};
use pooling::priorities::Priorities;
use pooling::timeouts::{Doing, Timeouts};
use wire::BackendKey;

use super::activity::Activity;
use super::keys::KeyRing;
use crate::pool::Pool;
use crate::server::{CancelHandle, CancelUnderWay};
use crate::stream::Stream;

/// What a client is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Order {
    /// Go on.
    Stay = 0,
    /// Go on in the process that has taken over, as soon as nothing is under way.
    Move = 1,
    /// Leave when between transactions.
    Drain = 2,
    /// Leave now.
    Kill = 3,
    /// Write out what is to be written, and read nothing: SUSPEND is in force.
    Hold = HOLD,
}

/// The bit of [`Order::Hold`], beside which the others stay what they are.
const HOLD: u8 = 0x80;

/// What the rest of the process may know of a client, and do to it.
///
/// Written by the client's task with relaxed stores: a reader sees each field as of a moment ago.
#[derive(Debug)]
pub(crate) struct ClientShared {
    pub(crate) id: ClientId,
    pub(crate) pool: Arc<Pool>,
    address: Address,
    local_address: Address,
    process_id: Option<i32>,
    tls: &'static str,
    connected: Timestamp,
    started: Instant,
    key: BackendKey,
    application: Mutex<Arc<str>>,
    priority: AtomicU8,
    pinned: Mutex<Option<&'static str>>,
    activity: Activity,
    server: AtomicU64,
    statement: AtomicU64,
    prepared: AtomicU32,
    order: AtomicU8,
    /// The client's task, which is woken by an order.
    waker: Mutex<Option<Waker>>,
    /// Whether it is held and has nothing left to write.
    at_rest: AtomicBool,
    /// The server connection it holds, as far as a cancel request is concerned.
    cancel: Mutex<Cancel>,
}

/// What a cancel request meets.
#[derive(Debug, Default)]
enum Cancel {
    /// Nothing runs.
    #[default]
    Idle,
    /// It stands in the queue; true once it was cancelled.
    Waiting(bool),
    /// It holds this server connection.
    Holds(Arc<CancelHandle>),
}

/// What a cancel request is to do.
pub(crate) enum CancelAction {
    /// Nothing: there is no such client, or nothing runs.
    None,
    /// The client stood in the queue, and has been told.
    Woken,
    /// Send it on.
    Send(CancelUnderWay, Arc<Pool>),
}

impl ClientShared {
    pub(crate) fn new(
        id: ClientId,
        pool: Arc<Pool>,
        (peer, stream): (Address, &Stream),
        (application, priority): (Arc<str>, Priority),
        key: BackendKey,
    ) -> Self {
        let started = Instant::now();
        Self {
            id,
            pool,
            address: peer,
            local_address: stream.local_address(),
            process_id: stream.peer_process(),
            tls: stream.tls_description(),
            connected: Timestamp::now(),
            started,
            key,
            application: Mutex::new(application),
            priority: AtomicU8::new(priority as u8),
            pinned: Mutex::new(None),
            activity: Activity::new(started),
            server: AtomicU64::new(0),
            statement: AtomicU64::new(0),
            prepared: AtomicU32::new(0),
            order: AtomicU8::new(Order::Stay as u8),
            waker: Mutex::default(),
            at_rest: AtomicBool::new(false),
            cancel: Mutex::default(),
        }
    }

    /// The same client, which came so long ago, to another process.
    pub(crate) fn aged(mut self, age: Duration) -> Self {
        let connected =
            SignedDuration::try_from(age).ok().map(|age| self.connected.checked_sub(age));
        if let Some(Ok(connected)) = connected
            && let Some(started) = self.started.checked_sub(age)
        {
            (self.connected, self.started) = (connected, started);
            self.activity = Activity::new(started);
        }
        self
    }

    /// Where it comes from, if by TCP.
    pub(crate) fn tcp_address(&self) -> Option<SocketAddr> {
        match self.address {
            Address::Tcp(address) => Some(address),
            Address::Unix { .. } => None,
        }
    }

    /// How long ago it came.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// What a cancel request must know.
    pub(crate) fn key(&self) -> &BackendKey {
        &self.key
    }

    /// From `at` on it does this, unless it did so before.
    pub(crate) fn set_state(&self, state: ClientState, at: Instant) {
        self.activity.set(state, at);
    }

    pub(crate) fn set_requested(&self, at: Instant) {
        self.activity.requested(at);
    }

    /// It asked, at `arrived`, for something that needs no server connection.
    pub(crate) fn asked_while_idle(&self, arrived: Instant, now: Instant) {
        self.activity.requested(arrived);
        self.activity.again(now);
    }

    /// What it does, and since when.
    pub(crate) fn doing(&self) -> Doing {
        self.activity.doing()
    }

    /// Wakes it if one of the timeouts seems to be over; it looks for itself then.
    pub(crate) fn ring_if_overdue(&self, timeouts: &Timeouts, now: Instant) {
        if self.activity.is_overdue(timeouts, now) {
            self.activity.ring();
            self.wake();
        }
    }

    /// Whether a timeout may be over.
    pub(crate) fn take_alarm(&self) -> bool {
        self.activity.take_alarm()
    }

    /// Wakes its task.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.lock() {
            waker.wake_by_ref();
        }
    }

    /// Orders wake this task from now on. What was ordered before is seen by asking.
    pub(crate) fn is_served_by(&self, waker: &Waker) {
        *self.waker.lock() = Some(waker.clone());
    }

    pub(crate) fn set_statement(&self, shape: ShapeId, prepared: usize) {
        self.statement.store(shape.0, Ordering::Relaxed);
        self.prepared.store(u32::try_from(prepared).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Its name in a piece of memory that others have too.
    pub(crate) fn share_name(&self, application: &Arc<str>) {
        let mut name = self.application.lock();
        if **name == **application {
            *name = Arc::clone(application);
        }
    }

    /// It calls itself this from now on.
    pub(crate) fn set_application(&self, application: Arc<str>, priority: Priority) {
        let mut name = self.application.lock();
        *name = application;
        self.priority.store(priority as u8, Ordering::Relaxed);
    }

    /// How urgent what it asks for is.
    pub(crate) fn priority(&self) -> Priority {
        let index = usize::from(self.priority.load(Ordering::Relaxed));
        Priority::ALL.get(index).copied().unwrap_or_default()
    }

    pub(crate) fn set_pinned(&self, reason: Option<&'static str>) {
        *self.pinned.lock() = reason;
    }

    /// It stands in the queue from now on.
    pub(crate) fn waits(&self, at: Instant) {
        self.set_state(ClientState::Waiting, at);
        *self.cancel.lock() = Cancel::Waiting(false);
    }

    /// It holds a server connection from now on.
    pub(crate) fn holds(&self, server: ServerId, cancel: Arc<CancelHandle>, at: Instant) {
        self.set_state(ClientState::Active, at);
        self.server.store(server.0, Ordering::Relaxed);
        *self.cancel.lock() = Cancel::Holds(cancel);
    }

    /// It holds and wants nothing. From here on no cancel request can begin for the connection that
    /// it held; whether one did is seen by [`crate::server::ServerConnection::was_cancelled`].
    pub(crate) fn holds_nothing(&self, at: Instant) {
        self.set_state(ClientState::Idle, at);
        self.server.store(0, Ordering::Relaxed);
        *self.cancel.lock() = Cancel::Idle;
    }

    /// Whether a cancel request came while it stood in the queue.
    pub(crate) fn wait_was_cancelled(&self) -> bool {
        matches!(*self.cancel.lock(), Cancel::Waiting(true))
    }

    fn cancel(&self) -> CancelAction {
        let mut cancel = self.cancel.lock();
        match &mut *cancel {
            Cancel::Idle => CancelAction::None,
            Cancel::Waiting(cancelled) => {
                *cancelled = true;
                drop(cancel);
                self.wake();
                CancelAction::Woken
            }
            // Announced under the lock: the client cannot give the connection back in between.
            Cancel::Holds(handle) => CancelAction::Send(handle.begin(), Arc::clone(&self.pool)),
        }
    }

    /// What it is told. The task is woken when that changes.
    pub(crate) fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Stay,
            1 => Order::Move,
            2 => Order::Drain,
            order if order & !HOLD >= Order::Kill as u8 => Order::Kill,
            _ => Order::Hold,
        }
    }

    /// Tells it to leave: an order is only followed by a more urgent one.
    pub(crate) fn give_order(&self, order: Order) {
        let order = order as u8 & !HOLD;
        // Never fails: the closure always gives a value.
        let before = self.order.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
            Some((now & HOLD) | (now & !HOLD).max(order))
        });
        // Told again, it need not wake up for it.
        if before.is_ok_and(|before| (before & !HOLD) < order) {
            self.wake();
        }
    }

    /// Holds it, or lets it go on.
    pub(crate) fn hold(&self, hold: bool) {
        self.at_rest.store(false, Ordering::Release);
        if hold {
            self.order.fetch_or(HOLD, Ordering::AcqRel);
        } else {
            self.order.fetch_and(!HOLD, Ordering::AcqRel);
        }
        self.wake();
    }

    /// It is held, and has nothing left to write.
    pub(super) fn rests(&self) {
        self.at_rest.store(true, Ordering::Release);
    }

    /// The time of an instant after it came.
    fn time(&self, at: Instant) -> Timestamp {
        let after = SignedDuration::try_from(at.saturating_duration_since(self.started));
        self.connected.checked_add(after.unwrap_or_default()).unwrap_or(self.connected)
    }

    fn open_transaction(&self, began: Instant) -> OpenTransaction {
        let doing = self.activity.doing();
        let is_silent = doing.state == ClientState::IdleInTransaction;
        OpenTransaction {
            client: self.id,
            pool: self.pool.key.clone(),
            application: self.application.lock().clone(),
            began: self.time(began),
            silent_since: is_silent.then(|| self.time(doing.since)),
            statement: ShapeId(self.statement.load(Ordering::Relaxed)),
        }
    }

    fn status(&self) -> ClientStatus {
        let doing = self.activity.doing();
        let requested = self.activity.last_request();
        ClientStatus {
            id: self.id,
            pool: self.pool.key.clone(),
            replication: self.pool.replication,
            application: self.application.lock().clone(),
            state: doing.state,
            since: self.time(doing.since),
            address: self.address,
            local_address: self.local_address,
            tls: self.tls,
            connected: self.connected,
            requested: self.time(requested),
            waiting: match doing.state {
                ClientState::Waiting => requested.elapsed(),
                _ => Duration::ZERO,
            },
            server: match self.server.load(Ordering::Relaxed) {
                0 => None,
                id => Some(ServerId(id)),
            },
            pinned: *self.pinned.lock(),
            process_id: self.process_id,
            prepared_statements: self.prepared.load(Ordering::Relaxed),
            statement: ShapeId(self.statement.load(Ordering::Relaxed)),
        }
    }
}

/// The number of a client in its key, where the key says no more.
pub(super) fn key_number(id: ClientId) -> i32 {
    // 31 bits, never 0: clients take it for a process id.
    i32::try_from(id.0 % 0x7fff_ffff).unwrap_or(0) + 1
}

/// All clients that are logged in.
#[derive(Debug, Default)]
pub(crate) struct ClientRegistry {
    by_id: RwLock<HashMap<ClientId, Arc<ClientShared>>>,
    keys: KeyRing<Arc<ClientShared>>,
}

impl ClientRegistry {
    pub(crate) fn insert(&self, client: Arc<ClientShared>) {
        self.keys.insert(client.key.clone(), Arc::clone(&client));
        self.by_id.write().insert(client.id, client);
    }

    pub(crate) fn remove(&self, client: &ClientShared) {
        self.keys.remove(&client.key);
        self.by_id.write().remove(&client.id);
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.read().len()
    }

    /// How many keys are good.
    pub(crate) fn key_count(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn get(&self, id: ClientId) -> Option<Arc<ClientShared>> {
        self.by_id.read().get(&id).cloned()
    }

    /// What a cancel request is to do.
    pub(crate) fn cancel(&self, key: &BackendKey) -> CancelAction {
        self.keys.find(key).map_or(CancelAction::None, |client| client.cancel())
    }

    /// What is to be done to cancel what a client runs, at the word of somebody who may; none where
    /// there is no such client.
    pub(crate) fn cancel_by_id(&self, id: ClientId) -> Option<CancelAction> {
        Some(self.get(id)?.cancel())
    }

    /// Wakes those of these clients whose timeouts seem to be over.
    pub(crate) fn ring(&self, clients: &[ClientId], timeouts: &Timeouts, now: Instant) {
        for id in clients {
            if let Some(client) = self.get(*id) {
                client.ring_if_overdue(timeouts, now);
            }
        }
    }

    /// Wakes those whose timeouts seem to be over, of all pools.
    pub(crate) fn ring_all(&self, now: Instant) {
        for client in self.by_id.read().values() {
            client.ring_if_overdue(&client.pool.timeouts(), now);
        }
    }

    /// Priorities have changed.
    pub(crate) fn reprioritise(&self, priorities: &Priorities) {
        for client in self.by_id.read().values() {
            let name = client.application.lock();
            let priority = priorities.of(&client.pool.key.user, &name);
            client.priority.store(priority as u8, Ordering::Relaxed);
        }
    }

    pub(crate) fn order_all(&self, order: Order) {
        let clients: Vec<_> = self.by_id.read().values().cloned().collect();
        for client in clients {
            client.give_order(order);
        }
    }

    /// Ends those of a database, or of all.
    pub(crate) fn kill_all(&self, database: Option<&str>) {
        for client in self.by_id.read().values() {
            if database.is_none_or(|name| *client.pool.key.database == *name) {
                client.give_order(Order::Kill);
            }
        }
    }

    /// Holds all, or lets them go on.
    pub(crate) fn hold_all(&self, hold: bool) {
        for client in self.by_id.read().values() {
            client.hold(hold);
        }
    }

    /// Those that are held and still have something to write.
    pub(crate) fn restless(&self) -> Vec<Arc<ClientShared>> {
        let clients = self.by_id.read();
        clients.values().filter(|client| !client.at_rest.load(Ordering::Acquire)).cloned().collect()
    }

    /// The `most` oldest transactions that have been open for longer than `older`.
    pub(crate) fn open_transactions(&self, older: Duration, most: usize) -> Vec<OpenTransaction> {
        let mut found: Vec<(Instant, Arc<ClientShared>)> = Vec::new();
        for client in self.by_id.read().values() {
            let doing = client.activity.doing();
            let open = matches!(doing.state, ClientState::Active | ClientState::IdleInTransaction)
                && client.pool.replication == Replication::None;
            if open && doing.in_transaction_since.elapsed() > older {
                found.push((doing.in_transaction_since, Arc::clone(client)));
            }
        }
        found.sort_by_key(|(began, _)| *began);
        found.truncate(most);
        found.into_iter().map(|(began, client)| client.open_transaction(began)).collect()
    }

    pub(crate) fn status(&self) -> Vec<ClientStatus> {
        let clients: Vec<_> = self.by_id.read().values().cloned().collect();
        let mut status: Vec<_> = clients.iter().map(|client| client.status()).collect();
        status.sort_by_key(|client| client.id);
        status
    }
}
