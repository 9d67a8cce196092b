//! A pool as a list of who is where, kept beside the scheduler and compared with it at every step.

mod opening;
mod waiting;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use model::{Priority, ServerId};
use pgweir_pooling::scheduler::{Age, Freed, Limits, Refusal, Request, Scheduler, WaiterId};
use waiting::Waiting;

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
    queue: Waiting,
    /// Who holds what, as far as it was granted to a client.
    holders: HashMap<ServerId, Priority>,
    last: Option<Priority>,
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
            queue: Waiting::default(),
            holders: HashMap::new(),
            last: None,
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

    pub(crate) fn request(&mut self, priority: Priority, prefers: Option<usize>, dead: u8) {
        let waiter = WaiterId(self.next_waiter);
        self.next_waiter += 1;
        let everybody: Vec<_> = self.idle.iter().chain(&self.out).map(|server| server.id).collect();
        let prefer =
            prefers.and_then(|which| everybody.get(which % everybody.len().max(1))).copied();
        let low_room = self.low_room();
        let as_urgent = self.queue.as_urgent_as(priority);
        let may_have =
            !self.paused && as_urgent == 0 && (priority != Priority::Low || low_room > 0);
        match self.scheduler.request(waiter, priority, prefer, self.now) {
            Request::Granted(server) => {
                assert!(may_have, "granted past PAUSE, the queue or the part of the low");
                let preferred = self.idle.iter().find(|idle| Some(idle.id) == prefer);
                let due = match self.limits.round_robin {
                    true => self.idle.first(),
                    false => preferred.or(self.idle.last()),
                };
                let due = due.map(|idle| idle.id);
                assert_eq!(Some(server), due, "neither the preferred nor the latest used");
                self.take_out(server);
                self.holders.insert(server, priority);
                self.find_alive(waiter, priority, server, dead);
            }
            Request::Queued { displaced } => {
                assert!(!may_have || self.idle.is_empty(), "queued beside an idle connection");
                let limit = self.limits.max_waiting.unwrap_or(usize::MAX);
                assert!(self.queue.of(priority) < self.may_wait(priority));
                let due = (self.queue.len() >= limit).then(|| self.queue.lowest_and_last());
                assert_eq!(displaced, due.map(|(id, _)| id));
                if let Some((displaced, of)) = due {
                    assert!(of > priority, "it makes room for one no more urgent");
                    self.queue.remove(displaced);
                }
                self.queue.push(waiter, priority, self.now);
            }
            Request::Rejected(Refusal::QueueFull) => {
                let limit = self.limits.max_waiting.unwrap();
                let none_below = self.queue.len() == self.queue.as_urgent_as(priority);
                let full = self.queue.len() >= limit && none_below;
                assert!(full || self.queue.of(priority) >= self.may_wait(priority));
            }
            Request::Rejected(Refusal::QueueAge) => {
                assert!(self.limits.max_age.is_some() && !self.paused);
                assert!(self.queue.of(priority) > 0, "somebody must find out");
                let works = self.outage.is_none() || !self.idle.is_empty() || !self.out.is_empty();
                assert!(works, "an outage is no overload");
            }
            Request::Rejected(Refusal::Unreachable) => assert!(self.is_unreachable()),
            Request::Rejected(Refusal::TimedOut | Refusal::Displaced) => {
                panic!("it has not waited")
            }
        }
    }

    fn may_wait(&self, priority: Priority) -> usize {
        let Some(limit) = self.limits.max_waiting else { return usize::MAX };
        match priority {
            Priority::Low if self.limits.low_share < 100 => {
                (limit.saturating_mul(self.limits.low_share as usize) / 100).max(1)
            }
            _ => limit,
        }
    }

    /// Connections that those of low priority may have beside their own.
    fn low_room(&self) -> usize {
        let most = match self.limits.low_share {
            100.. => usize::MAX,
            share => ((self.limits.size * share / 100) as usize).max(1),
        };
        let low = self.holders.values().filter(|holder| **holder == Priority::Low).count();
        most.saturating_sub(low)
    }

    pub(crate) fn out(&self) -> usize {
        self.out.len()
    }

    /// The priority of the last that was granted one.
    pub(crate) fn served_last(&self) -> Option<Priority> {
        self.last
    }

    pub(crate) fn waiting_by_priority(&self) -> [usize; 3] {
        Priority::ALL.map(|priority| self.queue.of(priority))
    }

    /// As the shell does with connections that turn out to be dead.
    fn find_alive(&mut self, waiter: WaiterId, priority: Priority, granted: ServerId, dead: u8) {
        let mut offered = Some(granted);
        for _ in 0..dead {
            let Some(server) = offered else { break };
            self.out.retain(|out| out.id != server);
            self.holders.remove(&server);
            self.scheduler.closed();
            offered = self.scheduler.another(server);
            assert_eq!(offered, self.idle.last().map(|idle| idle.id));
            if let Some(server) = offered {
                self.take_out(server);
                self.holders.insert(server, priority);
            }
        }
        if offered.is_none() {
            self.scheduler.requeue_first(waiter, priority, self.now);
            self.queue.push_front(waiter, priority, self.now);
        }
    }

    fn take_out(&mut self, server: ServerId) {
        let index = self.idle.iter().position(|idle| idle.id == server);
        let index = index.expect("a server is granted that is not idle");
        let server = self.idle.remove(index);
        self.out.push(server);
    }

    pub(crate) fn cancel(&mut self, which: usize) {
        let Some(waiter) = self.queue.nth(which) else {
            assert!(!self.scheduler.cancel_wait(WaiterId(u64::MAX)));
            return;
        };
        assert!(self.scheduler.cancel_wait(waiter));
        assert!(!self.scheduler.cancel_wait(waiter), "cancelled twice");
        self.queue.remove(waiter);
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
        self.holders.remove(&server.id);
        let low_room = self.low_room();
        match self.scheduler.freed(server.id, server.age(), self.now) {
            Freed::To(waiter) => {
                assert!(!self.paused && !too_old && !too_many && !owed);
                self.serve(waiter, server.id);
            }
            Freed::Idle => {
                let servable = self.queue.servable(low_room);
                assert!(servable == 0, "idle while somebody waits");
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

    /// It is this one's turn.
    fn serve(&mut self, waiter: WaiterId, server: ServerId) {
        let due = self.queue.next(self.low_room());
        assert_eq!(Some(waiter), due.map(|(id, _)| id), "it is not its turn");
        let (_, priority) = due.unwrap();
        self.queue.remove(waiter);
        self.holders.insert(server, priority);
        self.last = Some(priority);
    }

    /// The client of one gets another.
    pub(crate) fn renew(&mut self, which: usize) {
        let number = self.out.len().max(1);
        let Some(old) = self.out.get_mut(which % number) else { return };
        let new = ServerId(self.next_server);
        self.next_server += 1;
        self.scheduler.took_its_place(old.id, new);
        if let Some(holder) = self.holders.remove(&old.id) {
            self.holders.insert(new, holder);
        }
        old.id = new;
    }

    pub(crate) fn close(&mut self, which: usize) {
        if !self.out.is_empty() {
            let server = self.out.remove(which % self.out.len());
            self.holders.remove(&server.id);
            self.scheduler.lost(server.id);
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
        let late = self.queue.take_late(timeout, self.now);
        assert_eq!(due.refuse, late.map(|id| (id, Refusal::TimedOut)).collect::<Vec<_>>());
        for (waiter, server) in due.grant {
            assert!(!self.paused);
            self.take_out(server);
            self.serve(waiter, server);
        }
    }

    pub(crate) fn pause(&mut self) {
        self.scheduler.pause();
        self.paused = true;
    }

    pub(crate) fn resume(&mut self) {
        self.paused = false;
        for (waiter, server) in self.scheduler.resume(self.now) {
            self.take_out(server);
            self.serve(waiter, server);
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
        assert_eq!(scheduler.longest_wait(self.now), self.queue.longest_wait(self.now));
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
        self.wait(Duration::ZERO);
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
