//! Server connections on their way to clients, and back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use model::{ClientId, Priority, ServerId};
use pooling::scheduler::{Freed, Refusal, Request, WaiterId};

use super::waiting::Waiting;
use super::{Acquired, Grant, Inner, Lease, Pool, Ticket, status};
use crate::server::ServerConnection;

impl Pool {
    /// Asks for a server connection, preferably the one the client had last.
    pub(crate) fn acquire(
        self: &Arc<Self>,
        client: ClientId,
        priority: Priority,
        prefer: Option<ServerId>,
        now: Instant,
    ) -> Acquired {
        let waiter = WaiterId(self.next_waiter.fetch_add(1, Ordering::Relaxed));
        let mut inner = self.inner.lock();
        self.look_at_hosts(&mut inner, now);
        match inner.scheduler.request(waiter, priority, prefer, now) {
            Request::Granted(server) => {
                if let Some(server) = self.take_alive(&mut inner, server) {
                    inner.waits.at_once();
                    return Acquired::Now(self.lease(&mut inner, server, client, now));
                }
                inner.scheduler.requeue_first(waiter, priority, now);
            }
            Request::Queued { displaced: None } => {}
            Request::Queued { displaced: Some(other) } => {
                self.refuse_waiting(&mut inner, other, Refusal::Displaced, now);
            }
            Request::Rejected(refusal) => {
                let error = self.refused(&mut inner, refusal, priority, now);
                return Acquired::Refused(Box::new(error));
            }
        }
        inner.waiters.insert(waiter, Waiting::new(client, priority, now));
        self.note_queue(&inner);
        self.open_due_at(&mut inner, now);
        Acquired::Later(Ticket::new(Arc::clone(self), waiter))
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
                None => self.note_closed(inner),
            }
            next = inner.scheduler.another(id);
        }
        None
    }

    pub(super) fn lease(
        self: &Arc<Self>,
        inner: &mut Inner,
        mut server: Box<ServerConnection>,
        client: ClientId,
        now: Instant,
    ) -> Lease {
        server.cancels_before = server.cancel.begun();
        inner.out.insert(server.id, status::Out::of(&server, Some(client), now));
        Lease::new(Arc::clone(self), server)
    }

    /// A client does not wait any more. The answer that it has got and has not taken, if any.
    pub(super) fn leave_queue(self: &Arc<Self>, waiter: WaiterId) -> Option<Grant> {
        let mut inner = self.inner.lock();
        let answer = inner.waiters.remove(&waiter)?.into_answer();
        if answer.is_none() {
            inner.scheduler.cancel_wait(waiter);
            self.note_queue(&inner);
        }
        answer
    }

    /// A clean connection comes free: it goes to the first in the queue, or is idle, or is closed.
    /// `now` is about now: when the answer came that it was waited for.
    pub(crate) fn free(self: &Arc<Self>, server: Box<ServerConnection>, now: Instant) {
        let mut inner = self.inner.lock();
        if server.place != inner.place || inner.is_unwelcome(&server) {
            // It is seen, and waited for, until it is closed.
            inner.out.insert(server.id, status::Out::of(&server, None, now));
            return self.close_in_background(server);
        }
        loop {
            match inner.scheduler.freed(server.id, server.age, now) {
                Freed::To(waiter) => {
                    let Some(waiting) = inner.waiters.get(&waiter) else { continue };
                    let (client, since) = (waiting.client, waiting.since);
                    inner.waits.queued(now.duration_since(since), now);
                    self.note_queue(&inner);
                    // It stays out, with another client.
                    let lease = self.lease(&mut inner, server, client, now);
                    inner.answer(waiter, Ok(lease));
                    return;
                }
                Freed::Idle => {
                    inner.out.remove(&server.id);
                    inner.idle.insert(server.id, server);
                    return;
                }
                Freed::Close => {
                    inner.out.remove(&server.id);
                    return self.close_in_background(server);
                }
            }
        }
    }
}
