//! What happens to a pool by the clock and on an admin's word.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use model::ServerId;
use pooling::scheduler::{Standing, WaiterId};

use super::status::Out;
use super::{Inner, Pool};

impl Pool {
    /// What is due by now. Called several times a second, so that no query needs a timer.
    pub(crate) fn tick(self: &Arc<Self>, now: Instant) {
        let mut inner = self.inner.lock();
        inner.waits.advance(now);
        self.look_after_clients(&mut inner, now);
        self.look_at_hosts(&mut inner, now);
        let due = inner.scheduler.tick(self.is_warm(), now);
        for id in due.close {
            match inner.idle.remove(&id) {
                Some(server) => self.close_in_background(server),
                None => self.note_closed(&mut inner),
            }
        }
        for (waiter, refusal) in due.refuse {
            self.refuse_waiting(&mut inner, waiter, refusal, now);
        }
        self.hand_out(&mut inner, due.grant, now);
        self.note_queue(&inner);
        let idle: Vec<_> = inner.scheduler.idle().collect();
        for id in idle {
            let alive = inner.idle.get_mut(&id).is_some_and(|server| server.is_alive());
            if !alive && inner.scheduler.idle_died(id) {
                match inner.idle.remove(&id) {
                    Some(server) => self.close_in_background(server),
                    None => self.note_closed(&mut inner),
                }
            }
        }
        self.open_due(&mut inner);
    }

    /// A pool that was made on demand and has had no clients for long closes its connections; then
    /// it is removed.
    fn look_after_clients(self: &Arc<Self>, inner: &mut Inner, now: Instant) {
        if self.clients.load(Ordering::Acquire) > 0 {
            inner.unused_since = None;
            return;
        }
        let since = *inner.unused_since.get_or_insert(now);
        if inner.unused_timeout.is_some_and(|timeout| now.duration_since(since) >= timeout) {
            self.close_all_idle(inner);
        }
    }

    /// What other pools may hope for from this one.
    pub(super) fn standing(&self, grace: Duration, now: Instant) -> Standing {
        self.inner.lock().scheduler.standing(grace, now)
    }

    /// Other pools want so many of its connections, all told.
    pub(super) fn give_up(self: &Arc<Self>, number: u32) {
        let mut inner = self.inner.lock();
        for id in inner.scheduler.give_up(number) {
            match inner.idle.remove(&id) {
                Some(server) => self.close_in_background(server),
                None => self.note_closed(&mut inner),
            }
        }
    }

    /// No server connection is given out until [`Self::resume`]; the idle ones are closed now, the
    /// others as they come free.
    pub(crate) fn pause(self: &Arc<Self>) {
        let mut inner = self.inner.lock();
        inner.scheduler.pause();
        self.close_all_idle(&mut inner);
    }

    /// Closes all server connections that there are: the idle ones now, the others as they come free.
    pub(crate) fn reconnect(self: &Arc<Self>) {
        let mut inner = self.inner.lock();
        // As if the upstream had moved: what is behind its address may be another server.
        inner.place += 1;
        inner.welcome = None;
        self.close_all_idle(&mut inner);
        self.open_due(&mut inner);
    }

    /// Whether there still are server connections from before RECONNECT, or to where clients do not
    /// belong any more.
    pub(crate) fn has_obsolete(&self) -> bool {
        let inner = self.inner.lock();
        inner.out.values().any(|out| out.is_obsolete(&inner))
    }

    pub(crate) fn resume(self: &Arc<Self>) {
        let now = Instant::now();
        let mut inner = self.inner.lock();
        let grants = inner.scheduler.resume(now);
        self.hand_out(&mut inner, grants, now);
        self.open_due(&mut inner);
    }

    /// Idle connections for clients that wait.
    fn hand_out(
        self: &Arc<Self>,
        inner: &mut Inner,
        grants: Vec<(WaiterId, ServerId)>,
        now: Instant,
    ) {
        for (waiter, id) in grants {
            let client = inner.waiters.get(&waiter).map(|waiting| waiting.client);
            match (inner.idle.remove(&id), client) {
                (Some(server), Some(client)) => {
                    let lease = self.lease(inner, server, client, now);
                    inner.answer(waiter, Ok(lease));
                }
                (Some(server), None) => self.close_in_background(server),
                (None, _) => self.note_closed(inner),
            }
        }
    }

    /// Closes idle connections; those that are out are closed by their clients.
    pub(crate) fn close_idle(self: &Arc<Self>) {
        self.close_all_idle(&mut self.inner.lock());
    }

    pub(super) fn close_all_idle(self: &Arc<Self>, inner: &mut Inner) {
        let idle: Vec<_> = inner.scheduler.idle().collect();
        for id in idle {
            if inner.scheduler.idle_died(id)
                && let Some(server) = inner.idle.remove(&id)
            {
                // It is seen until it is closed.
                inner.out.insert(id, Out::of(&server, None, Instant::now()));
                self.close_in_background(server);
            }
        }
    }
}
