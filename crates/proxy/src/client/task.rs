//! A client that is logged in: idle, in the queue, or with a server connection.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use model::{ClientState, ConnectionEvent, Event, HeldLabels, Labels, ServerId};
use pooling::PoolingError;
use pooling::parameters::ClientParameters;
use pooling::session::{ClientSession, Io, Loss};
use tokio::io::AsyncWriteExt;
use wire::error_response::ErrorFields;

use super::kind::Kind;
use super::overdue::Interruption;
use super::registry::{ClientShared, Order};
use super::relay::Relay;
use super::unleased::{Idle, Wanted};
use crate::buffer::{ReadBuffer, WriteBuffer};
use crate::pool::Lease;
use crate::proxy::{Place, Seat, Shared};
use crate::server::Running;
use crate::stream::{PARTING, Stream, close};

/// Why a conversation is over.
#[derive(Debug)]
pub(super) enum End {
    /// The client said goodbye.
    Left,
    /// The client went away without a word.
    Gone,
    /// It goes on in another process.
    Moved,
    /// pgweir is shutting down.
    Drained,
    /// An admin said so.
    Killed,
    /// The client broke the protocol.
    Violation(PoolingError),
    /// It took too long over something: it is told what.
    TimedOut(Box<ErrorFields>),
    /// It did what its pool's mode does not allow: it is told what.
    NotAllowed(Box<ErrorFields>),
    /// The server connection is lost, and with it the client's session. It has been told.
    SessionLost,
}

/// The client's side of the conversation.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) stream: Stream,
    pub(super) read: ReadBuffer,
    pub(super) write: WriteBuffer,
    /// Bytes that must be at hand before the session can go on.
    pub(super) need: usize,
    /// The client has the front of a message whose rest will not come: nothing can be said any more.
    cut_off: bool,
}

/// A client that is logged in.
#[derive(Debug)]
pub(super) struct ClientTask {
    pub(super) shared: Arc<Shared>,
    pub(super) client: Arc<ClientShared>,
    pub(super) session: ClientSession,
    pub(super) to_server: WriteBuffer,
    pub(super) events: Vec<Event>,
    /// Much was added to what the client sent, which must be sent before more is made of it.
    pub(super) is_full: bool,
    /// When the bytes at hand arrived.
    pub(super) arrived: Instant,
    /// When others may have the server connection that it holds, if they wait for it.
    pub(super) turn_ends: Instant,
    /// What is there for the client is pgweir's own, and the server's answer will follow.
    pub(super) holds_back: bool,
    /// Others wait for that: it is given back after the transaction, whatever was sent behind it.
    pub(super) yields: bool,
    /// The clock when it was last looked at: a look costs, and most things need none of their own.
    pub(super) clock: Instant,
    /// The statement that runs is being cancelled, since its time is over.
    pub(super) interruption: Option<Interruption>,
    /// The server has had to wait since then until the client takes what it is sent.
    pub(super) stalled_since: Option<Instant>,
    /// The process that has taken over does not take it.
    pub(super) stays: bool,
    /// Its kind, which is there behind its last event.
    kind: Kind,
    pinned: Option<&'static str>,
    pub(super) last_server: Option<ServerId>,
    since: Instant,
    /// Who is woken by orders: this task, which has one waker for all of its life.
    waker: Option<Waker>,
    /// Held as long as the client is there.
    _seat: Seat,
}

impl ClientTask {
    pub(super) fn new(
        shared: Arc<Shared>,
        client: ClientShared,
        labels: Labels,
        parameters: ClientParameters,
        seat: Seat,
    ) -> Self {
        let labels = shared.measures.labels.share(labels);
        client.share_name(&labels.application);
        let session = ClientSession::new(client.id, labels.id(), client.pool.mode(), parameters)
            .with_known(Arc::clone(&client.pool.known));
        Self::with_session(shared, client, labels, session, seat)
    }

    /// A client whose conversation has begun.
    pub(super) fn with_session(
        shared: Arc<Shared>,
        client: ClientShared,
        labels: HeldLabels,
        session: ClientSession,
        seat: Seat,
    ) -> Self {
        let now = Instant::now();
        let session = session.with_traces(shared.measures.traces);
        let client = Arc::new(client);
        client.pool.clients.fetch_add(1, Ordering::AcqRel);
        client.set_state(ClientState::Idle, now);
        // From here on cancel requests find it: it learns its key next.
        shared.clients.insert(Arc::clone(&client));
        if shared.is_suspended() {
            client.hold(true);
            // Whoever lets all go on does so behind the mark: seen now, it may have passed this one by.
            if !shared.is_suspended() {
                client.hold(false);
            }
        }
        let opened = ConnectionEvent::Opened { client: client.id, labels: labels.id() };
        Self {
            shared,
            client,
            session,
            to_server: WriteBuffer::default(),
            events: vec![Event::Connection(opened)],
            is_full: false,
            arrived: now,
            turn_ends: now,
            holds_back: false,
            yields: false,
            clock: now,
            interruption: None,
            stalled_since: None,
            stays: false,
            kind: Kind::new(labels, now),
            pinned: None,
            last_server: None,
            since: now,
            waker: None,
            _seat: seat,
        }
    }

    /// Serves the client until it leaves. Not cancel-safe: dropped, it closes both sides.
    ///
    /// There is one such future for each client, idle or not: what is rare in it is in boxes.
    pub(super) async fn run(mut self: Box<Self>, stream: Stream, read: ReadBuffer, _place: Place) {
        let mut socket =
            Socket { stream, read, write: WriteBuffer::default(), need: 1, cut_off: false };
        self.publish();
        let end = self.converse(&mut socket).await;
        Box::pin(self.part_ways(socket, end)).await;
    }

    /// Tells the client why it must go, if it has not gone by itself.
    async fn part_ways(mut self: Box<Self>, mut socket: Socket, end: End) {
        let now = Instant::now();
        self.session.gone(now, &mut self.events);
        let parting = match &end {
            End::Left | End::Gone | End::SessionLost | End::Moved => None,
            End::Drained => {
                Some(ErrorFields::fatal("57P01", "terminating connection: pgweir is shutting down"))
            }
            End::Killed => Some(ErrorFields::fatal(
                "57P01",
                "terminating connection due to administrator command",
            )),
            End::TimedOut(error) | End::NotAllowed(error) => Some((**error).clone()),
            End::Violation(error) => Some(ErrorFields::fatal("08P01", error.to_string())),
        };
        if let End::TimedOut(error) | End::NotAllowed(error) = &end {
            tracing::info!(client = %self.client.id, pool = %self.client.pool.key,
                "client disconnected: {}", error.message);
        }
        if let End::Violation(error) = &end {
            tracing::info!(client = %self.client.id, pool = %self.client.pool.key,
                "client disconnected for breaking the protocol: {error}");
        }
        if let Some(error) = &parting
            && !socket.cut_off
        {
            socket.write.bytes.extend_from_slice(&error.encode());
        }
        self.publish();
        if !matches!(end, End::Left | End::Gone | End::Moved) {
            let goodbye = async {
                socket.write.flush(&mut socket.stream).await?;
                if matches!(end, End::Drained) {
                    // It was idle, and the process must end.
                    return socket.stream.shutdown().await;
                }
                close(&mut socket.stream).await
            };
            let _ = tokio::time::timeout(PARTING, goodbye).await;
        }
    }

    /// What it is told from outside; this task is woken when that changes. It costs a look.
    pub(super) fn order(&mut self, cx: &Context<'_>) -> Order {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.client.is_served_by(cx.waker());
            self.waker = Some(cx.waker().clone());
        }
        self.client.order()
    }

    async fn converse(&mut self, socket: &mut Socket) -> End {
        'conversation: loop {
            match poll_fn(|cx| self.poll_idle(socket, cx)).await {
                Idle::NeedServer => {}
                Idle::Move(memento) => {
                    if Box::pin(self.move_on(socket, *memento)).await {
                        return End::Moved;
                    }
                    continue;
                }
                Idle::End(end) => return end,
            }
            let mut lease = match self.want(socket).await {
                Wanted::Lease(lease) => lease,
                Wanted::Refused(error) => {
                    self.client.holds_nothing(self.clock);
                    self.session.refuse(*error);
                    continue;
                }
                Wanted::End(end) => {
                    self.client.holds_nothing(self.clock);
                    return end;
                }
            };
            let relay = loop {
                let relay = poll_fn(|cx| self.poll_relay(socket, lease.server(), cx)).await;
                if !matches!(relay, Relay::Renew) {
                    break relay;
                }
                self.client.holds_nothing(self.clock);
                self.to_server = WriteBuffer::default();
                match Box::pin(lease.renew(self.client.id)).await {
                    Ok(renewed) => lease = renewed,
                    Err(error) => {
                        self.session.refuse(error);
                        continue 'conversation;
                    }
                }
                self.attach(socket, &mut lease, Duration::ZERO);
            };
            if let Some(end) = self.part(socket, lease, relay) {
                return end;
            }
        }
    }

    /// Gives the server connection back, in the state that it is in.
    fn part(&mut self, socket: &mut Socket, mut lease: Lease, relay: Relay) -> Option<End> {
        // First: from here on no cancel request begins for this connection on our behalf.
        self.client.holds_nothing(self.clock);
        self.interruption = None;
        self.client.set_statement(self.session.statement(), self.session.prepared_statements());
        self.holds_back = false;
        let is_released = matches!(relay, Relay::Release);
        if is_released {
            self.publish();
            let lent = &mut lease.server().lent;
            self.to_server.give_back(&mut lent.to_server);
            socket.write.give_back(&mut lent.to_client);
            lent.events = std::mem::take(&mut self.events);
        }
        self.to_server.rest();
        socket.write.rest();
        socket.read.keep(false);
        let end = match relay {
            Relay::Release => {
                lease.release(self.clock);
                None
            }
            // Goes on with another one: it never gets here.
            Relay::Renew => {
                lease.clean(Running::Finish(WriteBuffer::default()), false);
                None
            }
            Relay::Lost | Relay::Broken => {
                self.to_server = WriteBuffer::default();
                let mut io = Io {
                    shapes: &self.shared.measures.shapes,
                    to_server: &mut self.to_server.bytes,
                    to_client: &mut socket.write.bytes,
                    events: &mut self.events,
                    now: Instant::now(),
                };
                let loss = self.session.server_lost(&mut lease.server().session, &mut io);
                match relay {
                    Relay::Broken => lease.abandon(),
                    _ => drop(lease),
                }
                (loss == Loss::Close).then_some(End::SessionLost)
            }
            Relay::End(end) => {
                socket.cut_off = lease.server().session.is_mid_message();
                match end {
                    // What it ran is stopped, and its server connection is closed with it.
                    End::Killed if !self.session.server_is_quiet() => lease.abandon(),
                    End::Killed => drop(lease),
                    _ => self.leave(lease, matches!(end, End::Left)),
                }
                Some(end)
            }
        };
        self.relabel();
        if !is_released {
            self.publish();
            self.events = Vec::new();
        }
        end
    }

    /// The client does not come back to a server connection. `politely`: after a goodbye, which
    /// follows whole messages that are to be carried out.
    fn leave(&mut self, lease: Lease, politely: bool) {
        let session = &self.session;
        let unsent = std::mem::take(&mut self.to_server);
        let nothing_runs = unsent.pending() == 0 && session.server_is_quiet();
        if session.mid_client_message() || (unsent.pending() > 0 && !politely) {
            // The server has the front of a message that will never end.
            lease.abandon();
        } else if nothing_runs && session.releasable() {
            lease.release(Instant::now());
        } else {
            let running = match politely {
                _ if nothing_runs && !session.may_be_answered_again() => Running::Nothing,
                true => Running::Finish(unsent),
                false => Running::Cancel,
            };
            lease.clean(running, session.leaves_state());
        }
    }

    /// Hands over what was measured, and shows what is to be seen of the client.
    pub(super) fn publish(&mut self) {
        let counters = &self.client.pool.counters;
        for event in &self.events {
            let pinned = match event {
                Event::Query(query) if query.alone.is_some() => false,
                Event::Transaction(transaction) => transaction.pinned.is_some(),
                Event::Query(_) | Event::Connection(_) => continue,
            };
            counters.transactions.fetch_add(1, Ordering::Relaxed);
            if pinned {
                counters.pinned_transactions.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.shared.measures.events.push(self.client.id, &mut self.events);
        let pinned = self.session.pinned().map(pooling::session::PinReason::as_str);
        if pinned != self.pinned {
            match (self.pinned, pinned) {
                (None, Some(_)) => counters.pinned.fetch_add(1, Ordering::Relaxed),
                (Some(_), None) => counters.pinned.fetch_sub(1, Ordering::Relaxed),
                _ => 0,
            };
            self.pinned = pinned;
            self.client.set_pinned(pinned);
        }
    }

    /// The client may have renamed itself, or be told apart only now.
    pub(super) fn relabel(&mut self) {
        let name = self.session.parameter("application_name").unwrap_or_default();
        if *name == *self.kind.labels().application && !self.kind.may_have_room(self.clock) {
            return;
        }
        let labels = Labels { application: name.into(), ..self.kind.labels().clone() };
        // What was measured of the old kind goes while that is held.
        self.publish();
        self.kind.become_of(labels, &self.shared.measures.labels, self.clock);
        self.session.set_labels(self.kind.id());
        let labels = self.kind.labels();
        let priority = self.shared.settings().priorities.of(&labels.user, &labels.application);
        self.client.set_application(Arc::clone(&labels.application), priority);
    }
}

impl Drop for ClientTask {
    fn drop(&mut self) {
        self.shared.clients.remove(&self.client);
        self.client.pool.clients.fetch_sub(1, Ordering::AcqRel);
        if self.pinned.is_some() {
            self.client.pool.counters.pinned.fetch_sub(1, Ordering::Relaxed);
        }
        self.events.push(Event::Connection(ConnectionEvent::Closed {
            client: self.client.id,
            labels: self.kind.id(),
            lifetime: self.since.elapsed(),
        }));
        self.shared.measures.events.push(self.client.id, &mut self.events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<F: Future>(_: impl Fn(Box<ClientTask>, Stream, ReadBuffer, Place) -> F) -> usize {
        size_of::<F>()
    }

    /// There are as many as clients. What is rare belongs into a box, see [`ClientTask::run`].
    #[test]
    fn an_idle_clients_task_is_small() {
        let future = size(|task, stream, read, place| task.run(stream, read, place));
        let task = size_of::<ClientTask>();
        assert!(future <= 640, "{future} bytes");
        assert!(task <= 1280, "{task} bytes");
    }
}
