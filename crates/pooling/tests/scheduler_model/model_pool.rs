//! A pool as a list of who is where, kept beside the scheduler and compared with it at every step.

mod opening;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use model::ServerId;
use pgweir_pooling::scheduler::{Age, Freed, Limits, Refusal, Request, Scheduler, WaiterId};

#[derive(Clone, Copy, Debug)]
struct Server {
    id: ServerId,
    opened: Instant,
    /// The part of its lifetime left out by chance, in percent of what chance may take.
    jitter: u32,
    idle_since: Instant,
}

impl Server {
    fn age(&self) -> Age {
        Age::new(self.opened, f64::from(self.jitter) / 100.0)
    }

    /// A fifth of the lifetime is left to chance.
    fn is_old(&self, lifetime: Duration, now: Instant) -> bool {
        now - self.opened >= lifetime - lifetime / 5 * self.jitter / 100
    }
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Instant,
    next_attempt: Instant,
    pause: Duration,
}

/// The scheduler, and what it must be.
pub(crate) struct ModelPool {
    scheduler: Scheduler,
    limits: Limits,
    now: Instant,
    /// The longest idle first.
    idle: Vec<Server>,
    out: Vec<Server>,
    connecting: u32,
    queue: VecDeque<(WaiterId, Instant)>,
    paused: bool,
    warm: bool,
    /// Connections that other pools want.
    owed: u32,
    ever_connected: bool,
    outage: Option<Outage>,
    next_waiter: u64,
    next_server: u64,
}

impl ModelPool {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            scheduler: Scheduler::new(limits),
            limits,
            now: Instant::now(),
            idle: Vec::new(),
            out: Vec::new(),
            connecting: 0,
            queue: VecDeque::new(),
            paused: false,
            warm: false,
            owed: 0,
            ever_connected: false,
            outage: None,
            next_waiter: 0,
            next_server: 0,
        }
    }

    pub(crate) fn connecting(&self) -> u32 {
        self.connecting
    }

    pub(crate) fn idle(&self) -> usize {
        self.idle.len()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    fn total(&self) -> u32 {
        self.connecting + u32::try_from(self.idle.len() + self.out.len()).unwrap()
    }

    fn is_unreachable(&self) -> bool {
        self.outage.is_some_and(|outage| {
            !self.ever_connected || self.now - outage.since >= self.limits.login_retry
        })
    }

    pub(crate) fn request(&mut self, prefers: Option<usize>, dead: u8) {
        let waiter = WaiterId(self.next_waiter);
        self.next_waiter += 1;
        let everybody: Vec<_> = self.idle.iter().chain(&self.out).map(|server| server.id).collect();
        let prefer =
            prefers.and_then(|which| everybody.get(which % everybody.len().max(1))).copied();
        match self.scheduler.request(waiter, prefer, self.now) {
            Request::Granted(server) => {
                assert!(!self.paused && self.queue.is_empty(), "granted past PAUSE or the queue");
                let preferred = self.idle.iter().find(|idle| Some(idle.id) == prefer);
                let due = match self.limits.round_robin {
                    true => self.idle.first(),
                    false => preferred.or(self.idle.last()),
                };
                let due = due.map(|idle| idle.id);
                assert_eq!(Some(server), due, "neither the preferred nor the latest used");
                self.take_out(server);
                self.find_alive(waiter, server, dead);
            }
            Request::Queued => {
                let free = !self.paused && self.queue.is_empty() && !self.idle.is_empty();
                assert!(!free, "queued beside an idle connection");
                assert!(self.limits.max_waiting.is_none_or(|limit| self.queue.len() < limit));
                self.queue.push_back((waiter, self.now));
            }
            Request::Rejected(Refusal::QueueFull) => {
                assert!(self.limits.max_waiting.is_some_and(|limit| self.queue.len() >= limit));
            }
            Request::Rejected(Refusal::Unreachable) => assert!(self.is_unreachable()),
            Request::Rejected(Refusal::TimedOut) => panic!("it has not waited"),
        }
    }

    /// As the shell does with connections that turn out to be dead.
    fn find_alive(&mut self, waiter: WaiterId, granted: ServerId, dead: u8) {
        let mut offered = Some(granted);
        for _ in 0..dead {
            let Some(server) = offered else { break };
            self.out.retain(|out| out.id != server);
            self.scheduler.closed();
            offered = self.scheduler.another();
            assert_eq!(offered, self.idle.last().map(|idle| idle.id));
            if let Some(server) = offered {
                self.take_out(server);
            }
        }
        if offered.is_none() {
            self.scheduler.requeue_first(waiter, self.now);
            self.queue.push_front((waiter, self.now));
        }
    }

    fn take_out(&mut self, server: ServerId) {
        let index = self.idle.iter().position(|idle| idle.id == server);
        let index = index.expect("a server is granted that is not idle");
        let server = self.idle.remove(index);
        self.out.push(server);
    }

    pub(crate) fn cancel(&mut self, which: usize) {
        let Some((waiter, _)) = self.queue.get(which % self.queue.len().max(1)).copied() else {
            assert!(!self.scheduler.cancel_wait(WaiterId(u64::MAX)));
            return;
        };
        assert!(self.scheduler.cancel_wait(waiter));
        assert!(!self.scheduler.cancel_wait(waiter), "cancelled twice");
        self.queue.retain(|(id, _)| *id != waiter);
    }

    pub(crate) fn free(&mut self, which: usize) {
        let Some(server) = self.out.get(which % self.out.len().max(1)).copied() else { return };
        let too_old = server.is_old(self.limits.lifetime, self.now);
        let too_many = self.total() > self.limits.size_with_reserve();
        let owed = self.owed > 0;
        if let Some(outage) = &mut self.outage {
            // The connections that there are work.
            outage.since = self.now;
        }
        match self.scheduler.freed(server.id, server.age(), self.now) {
            Freed::To(waiter) => {
                assert!(!self.paused && !too_old && !too_many && !owed);
                let first = self.queue.pop_front().map(|(id, _)| id);
                assert_eq!(Some(waiter), first, "not the first in the queue");
            }
            Freed::Idle => {
                assert!(self.queue.is_empty(), "idle while somebody waits");
                assert!(!self.paused && !too_old && !too_many && !owed);
                self.out.retain(|out| out.id != server.id);
                self.idle.push(Server { idle_since: self.now, ..server });
            }
            // It stays out until it is closed.
            Freed::Close => {
                assert!(self.paused || too_old || too_many || owed);
                self.owed = self.owed.saturating_sub(1);
            }
        }
    }

    pub(crate) fn close(&mut self, which: usize) {
        if !self.out.is_empty() {
            self.out.remove(which % self.out.len());
            self.scheduler.closed();
        }
    }

    pub(crate) fn idle_died(&mut self, which: usize) {
        assert!(!self.scheduler.idle_died(ServerId(u64::MAX)));
        if self.idle.is_empty() {
            return;
        }
        let server = self.idle.remove(which % self.idle.len());
        assert!(self.scheduler.idle_died(server.id));
        self.out.push(server);
    }

    /// Other pools want so many.
    pub(crate) fn give_up(&mut self, number: u32) {
        let close = self.scheduler.give_up(number);
        let due = self.idle.len().min(number as usize);
        let given: Vec<_> = self.idle.drain(..due).collect();
        assert_eq!(close, given.iter().map(|server| server.id).collect::<Vec<_>>());
        self.out.extend(given);
        self.owed = number - u32::try_from(due).unwrap();
    }

    pub(crate) fn set_warm(&mut self, warm: bool) {
        self.warm = warm;
    }

    pub(crate) fn wait(&mut self, length: Duration) {
        self.now += length;
        let due = self.scheduler.tick(self.warm, self.now);
        let limits = self.limits;
        let least = if self.warm { limits.min_size.min(limits.size) } else { 0 };
        let mut left = self.total();
        for server in std::mem::take(&mut self.idle) {
            let idle_for = self.now - server.idle_since;
            let too_many = left > limits.size_with_reserve();
            let reserve = left > limits.size
                && limits.reserve_timeout.is_none_or(|timeout| idle_for >= timeout);
            let unused = left > least && idle_for >= limits.idle_timeout;
            let due_to_close =
                too_many || reserve || unused || server.is_old(limits.lifetime, self.now);
            assert_eq!(due.close.contains(&server.id), due_to_close, "{server:?}");
            if due_to_close {
                left -= 1;
                self.out.push(server);
            } else {
                self.idle.push(server);
            }
        }
        let timeout = self.limits.wait_timeout;
        let mut late = Vec::new();
        self.queue.retain(|(id, since)| {
            let stays = self.now - *since < timeout;
            if !stays {
                late.push((*id, Refusal::TimedOut));
            }
            stays
        });
        assert_eq!(due.refuse, late);
    }

    pub(crate) fn pause(&mut self) {
        self.scheduler.pause();
        self.paused = true;
    }

    pub(crate) fn resume(&mut self) {
        self.paused = false;
        for (waiter, server) in self.scheduler.resume() {
            let first = self.queue.pop_front().map(|(id, _)| id);
            assert_eq!(Some(waiter), first, "not the first in the queue");
            self.take_out(server);
        }
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.scheduler.set_limits(limits);
    }

    /// Everything that holds at all times.
    pub(crate) fn check(&self) {
        let scheduler = &self.scheduler;
        let idle: Vec<_> = self.idle.iter().map(|idle| idle.id).collect();
        assert_eq!(scheduler.idle().collect::<Vec<_>>(), idle);
        assert_eq!(scheduler.out() as usize, self.out.len());
        assert_eq!(scheduler.connecting(), self.connecting);
        assert_eq!(scheduler.waiting(), self.queue.len());
        assert_eq!(scheduler.is_paused(), self.paused);
        let waited = self.queue.front().map_or(Duration::ZERO, |(_, since)| self.now - *since);
        assert_eq!(scheduler.longest_wait(self.now), waited);
        assert!(self.paused || self.idle.is_empty() || self.queue.is_empty(), "idle and waiting");
        let mut places: Vec<_> = idle.into_iter().chain(self.out.iter().map(|s| s.id)).collect();
        places.sort();
        places.dedup();
        assert_eq!(places.len(), self.idle.len() + self.out.len(), "a server in two places");
    }

    fn close_all(&mut self) {
        while !self.out.is_empty() {
            self.close(0);
        }
    }

    /// Lets the world be well until everybody has an answer.
    pub(crate) fn finish(&mut self) {
        self.give_up(0);
        self.resume();
        let mut rounds = 0;
        while !self.queue.is_empty() {
            self.open_due();
            self.check();
            while self.connecting > 0 {
                self.connected();
            }
            while !self.out.is_empty() {
                let before = (self.out.len(), self.queue.len());
                self.free(0);
                if (self.out.len(), self.queue.len()) == before {
                    self.close(0);
                }
            }
            self.wait(Duration::from_millis(100));
            rounds += 1;
            assert!(rounds < 100, "somebody waits for ever");
        }
        while self.connecting > 0 {
            self.connected();
        }
        self.wait(Duration::ZERO);
        self.close_all();
        assert!(self.total() <= self.limits.size_with_reserve());
    }
}
