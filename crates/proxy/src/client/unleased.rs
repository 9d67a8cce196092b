//! A client without a server connection: idle, or in the queue for one.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pooling::session::{ClientStep, Io, SessionMemento};
use wire::error_response::ErrorFields;

use super::registry::Order;
use super::relay::TURN;
use super::task::{ClientTask, End, Socket};
use crate::buffer::HIGH_WATER_BYTES;
use crate::pool::{Acquired, Lease, Ticket};

/// Bytes taken from a client that stands in the queue.
const QUEUED_BYTES: usize = 64 * 1024;

/// What a client without a server connection comes to.
pub(super) enum Idle {
    NeedServer,
    /// It can go on in another process, with this.
    Move(Box<SessionMemento>),
    End(End),
}

/// What a client that wants a server connection comes to.
pub(super) enum Wanted {
    Lease(Lease),
    Refused(Box<ErrorFields>),
    End(End),
}

impl ClientTask {
    /// Without a server connection: answers what can be answered, until one is needed.
    pub(super) fn poll_idle(&mut self, socket: &mut Socket, cx: &mut Context<'_>) -> Poll<Idle> {
        loop {
            let order = self.order(cx);
            match order {
                Order::Stay | Order::Hold => {}
                Order::Move => {
                    if let Some(memento) = self.ready_to_move(socket) {
                        return Poll::Ready(Idle::Move(Box::new(memento)));
                    }
                }
                Order::Drain => return Poll::Ready(Idle::End(End::Drained)),
                Order::Kill => return Poll::Ready(Idle::End(End::Killed)),
            }
            if socket.read.len() >= socket.need {
                let mut io = Io {
                    shapes: &self.shared.measures.shapes,
                    to_server: &mut self.to_server.bytes,
                    to_client: &mut socket.write.bytes,
                    events: &mut self.events,
                    now: self.arrived,
                };
                match self.session.on_client(socket.read.bytes(), None, &mut io) {
                    Ok(ClientStep::More { consumed, need }) => {
                        socket.read.consume(consumed);
                        socket.need = need;
                    }
                    Ok(ClientStep::NeedServer { consumed }) => {
                        socket.read.consume(consumed);
                        socket.need = 1;
                        // A request that is at its end is answered, whatever the next one waits for.
                        self.holds_back =
                            socket.write.is_untouched() && !socket.write.ends_request();
                        return Poll::Ready(Idle::NeedServer);
                    }
                    // Only with a server connection.
                    Ok(
                        ClientStep::Full { consumed }
                        | ClientStep::Wait { consumed }
                        | ClientStep::NeedOwnServer { consumed },
                    ) => {
                        socket.read.consume(consumed);
                    }
                    Ok(ClientStep::Terminate) => return Poll::Ready(Idle::End(End::Left)),
                    Err(error) => return Poll::Ready(Idle::End(End::Violation(error))),
                }
                self.client.asked_while_idle(self.arrived, self.clock);
                let prepared = self.session.prepared_statements();
                self.client.set_statement(self.session.statement(), prepared);
                self.publish();
                // An idle client has none.
                self.events = Vec::new();
            }
            match socket.write.poll_flush(&mut socket.stream, cx) {
                Poll::Ready(Ok(())) => socket.write.rest(),
                Poll::Ready(Err(_)) => return Poll::Ready(Idle::End(End::Gone)),
                // A client that does not read is not read from.
                Poll::Pending if socket.write.pending() > HIGH_WATER_BYTES => return Poll::Pending,
                Poll::Pending => {}
            }
            if order == Order::Hold {
                if socket.write.pending() == 0 {
                    self.client.rests();
                }
                return Poll::Pending;
            }
            match socket.read.poll_fill(&mut socket.stream, cx) {
                Poll::Pending => {
                    let alarm = self.client.take_alarm();
                    return match alarm.then(|| self.overdue(None)).flatten() {
                        Some(end) => Poll::Ready(Idle::End(end)),
                        None => Poll::Pending,
                    };
                }
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.arrived = Instant::now();
                    self.clock = self.arrived;
                }
                Poll::Ready(_) => return Poll::Ready(Idle::End(End::Gone)),
            }
        }
    }

    /// Gets a server connection and writes what it lacks of the client's settings.
    pub(super) async fn want(&mut self, socket: &mut Socket) -> Wanted {
        self.client.set_requested(self.arrived);
        let pool = Arc::clone(&self.client.pool);
        self.yields = false;
        let priority = self.client.priority();
        let (mut lease, wait) =
            match pool.acquire(self.client.id, priority, self.last_server, self.clock) {
                Acquired::Now(lease) => (lease, Duration::ZERO),
                Acquired::Refused(error) => return Wanted::Refused(error),
                Acquired::Later(mut ticket) => {
                    self.client.waits(self.arrived);
                    let wanted = poll_fn(|cx| self.poll_queue(socket, &mut ticket, cx)).await;
                    self.clock = Instant::now();
                    match wanted {
                        Wanted::Lease(lease) => {
                            (lease, self.clock.saturating_duration_since(self.arrived))
                        }
                        other => return other,
                    }
                }
            };
        self.turn_ends = self.clock + TURN;
        self.attach(socket, &mut lease, wait);
        Wanted::Lease(lease)
    }

    /// Writes what a server connection that was had after `wait` lacks of the client's settings.
    pub(super) fn attach(&mut self, socket: &mut Socket, lease: &mut Lease, wait: Duration) {
        let server = lease.server();
        self.last_server = Some(server.id);
        self.to_server.borrow(&mut server.lent.to_server);
        socket.write.borrow(&mut server.lent.to_client);
        socket.read.keep(true);
        if self.events.capacity() == 0 {
            self.events = std::mem::take(&mut server.lent.events);
        }
        let mut io = Io {
            shapes: &self.shared.measures.shapes,
            to_server: self.to_server.room(),
            to_client: &mut socket.write.bytes,
            events: &mut self.events,
            now: self.arrived,
        };
        self.session.attach(&mut server.session, wait, &mut io);
        if self.client.pool.cancels_statements() {
            // The server signals a process twice (signal_child in postmaster.c), the process itself
            // and its group. The second signal may hit what follows, if that is there already.
            self.session.yield_between_transactions();
        }
        // Not before: a cancel request that came in between would hit the settings.
        self.client.holds(server.id, Arc::clone(&server.cancel), self.clock);
    }

    /// In the queue: until it is its turn, it is cancelled, or it leaves.
    fn poll_queue(
        &mut self,
        socket: &mut Socket,
        ticket: &mut Ticket,
        cx: &mut Context<'_>,
    ) -> Poll<Wanted> {
        match self.order(cx) {
            Order::Kill => return Poll::Ready(Wanted::End(End::Killed)),
            Order::Hold => return self.poll_held_in_queue(socket, cx),
            // PAUSE holds it, and nobody can take that back any more.
            Order::Drain if self.client.pool.is_paused() => {
                return Poll::Ready(Wanted::End(End::Drained));
            }
            // A transaction that was begun before the drain may end.
            Order::Drain | Order::Move | Order::Stay => {}
        }
        if self.client.wait_was_cancelled() {
            let error = ErrorFields::error("57014", "canceling statement due to user request");
            return Poll::Ready(Wanted::Refused(Box::new(error)));
        }
        if let Poll::Ready(grant) = ticket.poll_grant(cx) {
            return Poll::Ready(match grant {
                Ok(lease) => Wanted::Lease(lease),
                Err(error) => Wanted::Refused(error),
            });
        }
        if self.client.take_alarm()
            && let Some(notice) = self.wait_notice()
        {
            // Between messages: what was there for the client is whole.
            socket.write.bytes.extend_from_slice(&notice.encode());
            self.holds_back = false;
        }
        // The end of the last answer may still be on its way.
        if !self.holds_back
            && let Poll::Ready(Err(_)) = socket.write.poll_flush(&mut socket.stream, cx)
        {
            return Poll::Ready(Wanted::End(End::Gone));
        }
        while socket.read.len() < QUEUED_BYTES {
            match socket.read.poll_fill(&mut socket.stream, cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(count)) if count > 0 => {}
                Poll::Ready(_) => return Poll::Ready(Wanted::End(End::Gone)),
            }
        }
        Poll::Pending
    }

    /// In the queue while SUSPEND is in force: it keeps its place, or the server connection that it
    /// has been given.
    fn poll_held_in_queue(&mut self, socket: &mut Socket, cx: &mut Context<'_>) -> Poll<Wanted> {
        match socket.write.poll_flush(&mut socket.stream, cx) {
            Poll::Ready(Err(_)) => return Poll::Ready(Wanted::End(End::Gone)),
            Poll::Ready(Ok(())) => self.client.rests(),
            Poll::Pending => {}
        }
        Poll::Pending
    }
}
