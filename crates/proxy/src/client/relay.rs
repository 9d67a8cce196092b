//! A client with a server connection: bytes both ways, by one task that owns both sockets.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use model::ClientState;
use pooling::session::{ClientStep, Io, ServerStep};
use wire::backend::TransactionStatus;

use super::overdue::Interruption;
use super::registry::Order;
use super::task::{ClientTask, End, Socket};
use crate::buffer::{HIGH_WATER_BYTES, WriteBuffer};
use crate::server::ServerConnection;

/// How long a client may keep its server connection by sending more before it is idle, when others
/// wait for it.
pub(super) const TURN: Duration = Duration::from_millis(20);
/// Requests sent ahead are dealt out one by one from here on, when others wait: once sent to the
/// server they cannot be taken back.
const PIPELINED_BYTES: usize = 2048;

/// How a relay ends.
pub(super) enum Relay {
    /// The transaction is over and the connection clean.
    Release,
    /// The client must go on with a server connection that nobody has used before.
    Renew,
    /// The server is gone.
    Lost,
    /// The server makes no sense, or runs what it must not: what it does is stopped.
    Broken,
    /// The conversation is over.
    End(End),
}

impl ClientTask {
    /// Moves bytes until the server connection can be given back or a side is gone. A wake-up costs
    /// one read and one write; sockets that are not ready cost no call.
    pub(super) fn poll_relay(
        &mut self,
        socket: &mut Socket,
        server: &mut ServerConnection,
        cx: &mut Context<'_>,
    ) -> Poll<Relay> {
        let order = self.order(cx);
        if order == Order::Kill {
            return Poll::Ready(Relay::End(End::Killed));
        }
        let is_held = order == Order::Hold;
        // Who has nothing to say wakes this task when that changes: asking once is enough.
        let (mut server_is_silent, mut client_is_silent) = (false, false);
        loop {
            self.consider_others(socket);
            if let Some(relay) = self.take_from_client(socket, server) {
                return Poll::Ready(relay);
            }
            // Not before: a client that stood in the queue gets what it waited for.
            if order == Order::Drain && self.session.between_transactions() {
                return Poll::Ready(Relay::End(End::Drained));
            }
            let had_room = self.takes_more(socket);
            // A server that closes while we write may have said why: that is read before it is
            // given up.
            if let Poll::Ready(Err(_)) = self.to_server.poll_flush(&mut server.stream, cx) {
                self.to_server = WriteBuffer::default();
            }
            if (is_held || !self.holds_back)
                && let Poll::Ready(Err(_)) = socket.write.poll_flush(&mut socket.stream, cx)
            {
                return Poll::Ready(Relay::End(End::Gone));
            }
            if self.to_server.pending() == 0 {
                if self.session.releasable() {
                    return Poll::Ready(Relay::Release);
                }
                if let Some(refusal) = self.session.not_allowed() {
                    let words = Box::new(refusal.last_words());
                    return Poll::Ready(Relay::End(End::NotAllowed(words)));
                }
            }
            // What the client sent may lie here for want of room.
            let sent = std::mem::take(&mut self.is_full) && self.to_server.pending() == 0;
            let mut progress = sent || (!had_room && self.takes_more(socket));
            self.note_stall(socket);
            if !is_held && !server_is_silent && socket.write.pending() < HIGH_WATER_BYTES {
                match server.read.poll_fill(&mut server.stream, cx) {
                    Poll::Pending => server_is_silent = true,
                    Poll::Ready(Ok(count)) if count > 0 => {
                        progress = true;
                        if !self.take_from_server(socket, server) {
                            return Poll::Ready(Relay::Broken);
                        }
                        if self.to_server.pending() == 0 && self.session.releasable() {
                            if self.yields {
                                // What the client has sent ahead waits for its next turn.
                                return Poll::Ready(Relay::Release);
                            }
                            // Nothing is left to do but to write the answer.
                            continue;
                        }
                    }
                    Poll::Ready(_) => return Poll::Ready(Relay::Lost),
                }
            }
            if !is_held && !client_is_silent && self.reads_more(socket) {
                match socket.read.poll_fill(&mut socket.stream, cx) {
                    Poll::Pending => client_is_silent = true,
                    Poll::Ready(Ok(count)) if count > 0 => {
                        progress = true;
                        self.arrived = Instant::now();
                        self.clock = self.arrived;
                        self.client.set_requested(self.arrived);
                    }
                    Poll::Ready(_) => return Poll::Ready(Relay::End(End::Gone)),
                }
            }
            if !progress {
                if is_held {
                    if self.to_server.pending() == 0 && socket.write.pending() == 0 {
                        self.client.rests();
                    }
                    return Poll::Pending;
                }
                let alarm = self.client.take_alarm();
                return match alarm.then(|| self.overdue(Some(server))).flatten() {
                    Some(end) => Poll::Ready(Relay::End(end)),
                    None => Poll::Pending,
                };
            }
        }
    }

    /// A client that sends without waiting for answers would never give its server connection back:
    /// when others wait, it has had its turn after a while, or if it has sent much ahead.
    fn consider_others(&mut self, socket: &Socket) {
        let is_long = || socket.read.len() >= PIPELINED_BYTES || self.arrived >= self.turn_ends;
        if !self.yields && self.client.pool.has_queue() && is_long() {
            self.yields = true;
            self.session.yield_between_transactions();
        }
    }

    /// Measures for how long the server has to wait because the client does not take its answer.
    fn note_stall(&mut self, socket: &Socket) {
        if socket.write.pending() >= HIGH_WATER_BYTES {
            self.stalled_since.get_or_insert_with(Instant::now);
        } else if let Some(since) = self.stalled_since.take() {
            self.session.client_stalled(since.elapsed());
        }
    }

    /// A client is not read from while the server does not take what it has sent, or while it does
    /// not take what it is sent: some answers are pgweir's own.
    fn takes_more(&self, socket: &Socket) -> bool {
        self.to_server.pending() < HIGH_WATER_BYTES && socket.write.pending() < HIGH_WATER_BYTES
    }

    /// Nor while it has sent enough ahead.
    fn reads_more(&self, socket: &Socket) -> bool {
        self.takes_more(socket) && socket.read.len() < HIGH_WATER_BYTES + socket.need
    }

    /// Deals with the client's bytes at hand.
    fn take_from_client(
        &mut self,
        socket: &mut Socket,
        server: &mut ServerConnection,
    ) -> Option<Relay> {
        if socket.read.len() < socket.need || !self.takes_more(socket) {
            return None;
        }
        if self.interruption.as_ref().is_some_and(Interruption::is_under_way) {
            return None;
        }
        let had_nothing = socket.write.pending() == 0;
        let mut io = Io {
            shapes: &self.shared.measures.shapes,
            to_server: self.to_server.room(),
            to_client: &mut socket.write.bytes,
            events: &mut self.events,
            now: self.arrived,
        };
        let step = self.session.on_client(socket.read.bytes(), Some(&mut server.session), &mut io);
        // PostgreSQL too keeps its answers back until a request is at its end: one write for all.
        self.holds_back = (had_nothing || self.holds_back)
            && socket.write.is_untouched()
            && self.session.owes_end();
        if !self.session.server_is_quiet() {
            self.client.set_state(ClientState::Active, self.clock);
        }
        self.client.set_statement(self.session.statement(), self.session.prepared_statements());
        match step {
            Ok(ClientStep::More { consumed, need }) => {
                socket.read.consume(consumed);
                socket.need = need;
                None
            }
            Ok(ClientStep::Full { consumed } | ClientStep::Wait { consumed }) => {
                self.is_full = matches!(step, Ok(ClientStep::Full { .. }));
                socket.read.consume(consumed);
                socket.need = 1;
                None
            }
            Ok(ClientStep::NeedOwnServer { consumed }) => {
                socket.read.consume(consumed);
                socket.need = 1;
                Some(Relay::Renew)
            }
            Ok(ClientStep::NeedServer { consumed }) => {
                // It holds one: cannot be.
                socket.read.consume(consumed);
                None
            }
            Ok(ClientStep::Terminate) => Some(Relay::End(End::Left)),
            Err(error) => Some(Relay::End(End::Violation(error))),
        }
    }

    /// Deals with the server's bytes at hand; false when the server is not to be used any more.
    fn take_from_server(&mut self, socket: &mut Socket, server: &mut ServerConnection) -> bool {
        self.clock = Instant::now();
        self.holds_back = false;
        let mut io = Io {
            shapes: &self.shared.measures.shapes,
            to_server: &mut self.to_server.bytes,
            to_client: socket.write.room(),
            events: &mut self.events,
            now: self.clock,
        };
        let step = self.session.on_server(server.read.bytes(), &mut server.session, &mut io);
        let usable = match step {
            Ok(ServerStep::More { consumed, .. }) => {
                server.read.consume(consumed);
                true
            }
            Ok(ServerStep::Lost) => false,
            Err(error) => {
                tracing::warn!(server = %server.id, client = %self.client.id,
                    pool = %self.client.pool.key, "server connection dropped: {error}");
                false
            }
        };
        if self.session.server_is_quiet() && self.session.status() != TransactionStatus::Idle {
            self.client.set_state(ClientState::IdleInTransaction, self.clock);
        }
        if self.session.between_transactions() && !self.session.releasable() {
            let state = match self.session.held_by_pin() {
                Some(_) => ClientState::IdlePinned,
                None => ClientState::IdleInSession,
            };
            self.client.set_state(state, self.clock);
            self.relabel();
        }
        self.publish();
        usable
    }
}
