//! Replication connections: a client of the kind has a server connection of its own, and whatever
//! either sends goes to the other as it is, until one of them closes.
//!
//! The walsender's side of the protocol knows streams both ways and no idle moment (manual, section
//! 55.4): there is nothing to pool and nothing to measure.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use model::{ClientId, PoolKey, Replication};
use wire::auth::AuthenticationRequest;
use wire::backend::{self, TransactionStatus};
use wire::error_response::ErrorFields;
use wire::frame::Boundaries;
use wire::startup::{self, ProtocolVersion, StartupParameters};

use super::login::Talk;
use super::registry::{ClientShared, Order, key_number};
use super::{seat, welcome};
use crate::buffer::{HIGH_WATER_BYTES, ReadBuffer, WriteBuffer};
use crate::error::ProxyError;
use crate::pool::Lease;
use crate::proxy::{Seat, Shared};
use crate::server::{Learned, ReplicationStart};
use crate::settings::ProxySettings;
use crate::stream::{PARTING, Stream, close};

/// What the client asks for, in model's words.
pub(super) fn kind(request: &StartupParameters) -> Result<Replication, ProxyError> {
    Ok(match request.replication_kind()? {
        None => Replication::None,
        Some(startup::Replication::Physical) => Replication::Physical,
        Some(startup::Replication::Logical) => Replication::Logical,
    })
}

/// A client that has logged in for replication, and the server connection that is its own.
#[derive(Debug)]
pub(super) struct ReplicationTask {
    shared: Arc<Shared>,
    client: Arc<ClientShared>,
    lease: Lease,
    /// Orders wake this task.
    is_served: bool,
    _seat: Seat,
}

/// Why it is over.
#[derive(Debug)]
enum End {
    ClientClosed,
    ServerClosed,
    Killed,
}

/// Opens the server connection, and tells the client what the server has told us. Cancel-safe:
/// dropped, both are closed.
///
/// # Errors
/// What the client is told: no such database, no place, or what the server says.
pub(super) async fn begin(
    shared: &Arc<Shared>,
    settings: &ProxySettings,
    talk: &mut Talk,
    request: &StartupParameters,
    learned: Option<Learned>,
) -> Result<ReplicationTask, ProxyError> {
    let key =
        PoolKey { database: request.database.as_str().into(), user: request.user.as_str().into() };
    let start = ReplicationStart { kind: kind(request)?, parameters: parameters(request) };
    let learned = learned.unwrap_or(Learned::Nothing);
    let Some(pool) = shared.replication_pool(settings, &key, start, learned) else {
        let error = ErrorFields::fatal("3D000", format!("no such database: {}", request.database));
        return Err(ProxyError::Refused(Box::new(error.with_hint(
            "Physical replication connections ask for the database `replication`: name it in \
             [databases.replication], with the `host` of its server.",
        ))));
    };
    let seat = seat::take(shared, settings, &key)?;
    let id = ClientId(shared.next_client.fetch_add(1, Ordering::Relaxed));
    let application = request.settings.iter().find(|(name, _)| name == "application_name");
    let application = application.map(|(_, value)| value.as_str()).unwrap_or_default();
    let priority = settings.priorities.of(&key.user, application);
    let mut lease = welcome::acquire(&pool, id, priority).await?;

    let long = request.negotiated_version() >= ProtocolVersion::V3_2;
    let backend_key = shared.peers.new_key(key_number(id), long);
    let mut out = AuthenticationRequest::Ok.encode();
    for (name, value) in &lease.server().parameters {
        backend::write_parameter_status(&mut out, name, value);
    }
    backend::write_backend_key(&mut out, backend_key.process_id, &backend_key.secret);
    backend::write_ready(&mut out, TransactionStatus::Idle);
    let client = ClientShared::new(
        id,
        Arc::clone(&pool),
        (talk.peer, &talk.stream),
        (application.into(), priority),
        backend_key,
    );
    let task = ReplicationTask::new(shared, client, lease, seat);
    talk.send(&out).await?;
    Ok(task)
}

/// What is said to the server besides user and database: all that the client has said.
fn parameters(request: &StartupParameters) -> Vec<(String, String)> {
    let named =
        |name: &str, value: &Option<String>| value.clone().map(|value| (name.to_owned(), value));
    let own = [named("replication", &request.replication), named("options", &request.options)];
    own.into_iter().flatten().chain(request.settings.iter().cloned()).collect()
}

impl ReplicationTask {
    fn new(shared: &Arc<Shared>, client: ClientShared, mut lease: Lease, seat: Seat) -> Self {
        let client = Arc::new(client);
        client.pool.clients.fetch_add(1, Ordering::AcqRel);
        let server = lease.server();
        client.holds(server.id, Arc::clone(&server.cancel), Instant::now());
        // From here on cancel requests find it: it learns its key next.
        shared.clients.insert(Arc::clone(&client));
        Self { shared: Arc::clone(shared), client, lease, is_served: false, _seat: seat }
    }

    /// Serves the client until either side closes. Not cancel-safe: dropped, it closes both.
    pub(super) async fn run(mut self, mut stream: Stream, read: ReadBuffer) {
        let server_read = std::mem::take(&mut self.lease.server().read);
        let mut up = Direction { read, ..Direction::default() };
        let mut down = Direction { read: server_read, ..Direction::default() };
        up.take();
        down.take();
        let end = poll_fn(|cx| self.poll(&mut stream, &mut up, &mut down, cx)).await;
        tracing::debug!(client = %self.client.id, pool = %self.client.pool.key,
            "replication connection is over: {end:?}");
        if matches!(end, End::Killed) && !down.messages.are_whole() {
            // Nothing can be said in the middle of a message: its rest, if that comes soon.
            let server = &mut self.lease.server().stream;
            let rest = poll_fn(|cx| {
                let is_over = down.poll_pass(server, &mut stream, cx).is_ready();
                if is_over || down.messages.are_whole() { Poll::Ready(()) } else { Poll::Pending }
            });
            let _ = tokio::time::timeout(PARTING, rest).await;
        }
        if matches!(end, End::Killed) && down.messages.are_whole() {
            let why = "terminating connection due to administrator command";
            down.write.bytes.extend_from_slice(&ErrorFields::fatal("57P01", why).encode());
        }
        // No cancel request is passed on any more; the connection is closed and never used again.
        self.client.holds_nothing(Instant::now());
        let goodbye = async {
            if matches!(end, End::ClientClosed) {
                return up.write.flush(&mut self.lease.server().stream).await;
            }
            down.write.flush(&mut stream).await?;
            close(&mut stream).await
        };
        let _ = tokio::time::timeout(PARTING, goodbye).await;
    }

    fn poll(
        &mut self,
        stream: &mut Stream,
        up: &mut Direction,
        down: &mut Direction,
        cx: &mut Context<'_>,
    ) -> Poll<End> {
        // It is never between transactions: a drain waits for it until its time is over.
        if !self.is_served {
            self.client.is_served_by(cx.waker());
            self.is_served = true;
        }
        if self.client.order() == Order::Kill {
            return Poll::Ready(End::Killed);
        }
        let server = &mut self.lease.server().stream;
        // The server first: its last words say why it closes.
        if down.poll_pass(server, stream, cx).is_ready() {
            return Poll::Ready(End::ServerClosed);
        }
        up.poll_pass(stream, server, cx).map(|_| End::ClientClosed)
    }
}

impl Drop for ReplicationTask {
    fn drop(&mut self) {
        self.shared.clients.remove(&self.client);
        self.client.pool.clients.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Bytes from one side to the other.
#[derive(Debug, Default)]
struct Direction {
    read: ReadBuffer,
    write: WriteBuffer,
    messages: Boundaries,
}

impl Direction {
    /// Takes over what was read.
    fn take(&mut self) {
        self.messages.pass(self.read.bytes());
        self.write.bytes.extend_from_slice(self.read.bytes());
        self.read.consume(self.read.len());
    }

    /// Passes on what comes; ready when it is over. What was read may not all be written then.
    fn poll_pass(
        &mut self,
        from: &mut Stream,
        to: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Poll::Ready(Err(error)) = self.write.poll_flush(to, cx) {
                return Poll::Ready(Err(error));
            }
            if self.write.pending() >= HIGH_WATER_BYTES {
                // The other side's socket wakes us.
                return Poll::Pending;
            }
            if ready!(self.read.poll_fill(from, cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
            self.take();
        }
    }
}
