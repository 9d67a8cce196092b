//! Pools that share maxima: real schedulers and a real quota, a clock that the test turns.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use model::{Priority, ServerId};
use pgweir_pooling::quota::{Grant, MemberId, Quota, Scope};
use pgweir_pooling::scheduler::{Age, Freed, Limits, Refusal, Request, Scheduler, WaiterId};

/// One pool and what became of its connections.
pub(crate) struct SimulatedPool {
    pub(crate) scheduler: Scheduler,
    member: MemberId,
    /// Its user's.
    priority: Priority,
    scopes: [Scope; 2],
    out: Vec<ServerId>,
    closing: Vec<ServerId>,
    /// Who waits, since when.
    queue: VecDeque<(WaiterId, Instant)>,
    /// Requests that were served.
    pub(crate) served: u64,
}

/// All pools.
pub(crate) struct World {
    quota: Quota,
    pub(crate) pools: Vec<SimulatedPool>,
    maxima: HashMap<Scope, Option<u32>>,
    pub(crate) now: Instant,
    next: u64,
    /// Whether a maximum was lowered below what there was: then it only has to get less.
    lowered: bool,
}

pub(crate) fn limits(size: u32) -> Limits {
    Limits {
        size,
        min_size: 0,
        reserve_size: 0,
        reserve_timeout: None,
        max_waiting: None,
        max_age: None,
        low_share: 100,
        low_share_of: size,
        wait_timeout: Duration::from_secs(60),
        idle_timeout: Duration::from_secs(600),
        lifetime: Duration::from_secs(3600),
        login_retry: Duration::from_secs(15),
        round_robin: false,
    }
}

fn scopes(database: usize, user: usize) -> [Scope; 2] {
    [Scope::Database(format!("db{database}").into()), Scope::User(format!("user{user}").into())]
}

impl World {
    /// Pools as (database, user, limits).
    pub(crate) fn new(pools: &[(usize, usize, Limits)], maxima: &[(Scope, u32)]) -> Self {
        let maxima =
            maxima.iter().map(|(scope, maximum)| (scope.clone(), Some(*maximum))).collect();
        let mut world = Self {
            quota: Quota::default(),
            pools: Vec::new(),
            maxima,
            now: Instant::now(),
            next: 1,
            lowered: false,
        };
        for (index, (database, user, limits)) in pools.iter().enumerate() {
            world.pools.push(SimulatedPool {
                scheduler: Scheduler::new(*limits),
                member: MemberId(index as u64),
                priority: Priority::Normal,
                scopes: scopes(*database, *user),
                out: Vec::new(),
                closing: Vec::new(),
                queue: VecDeque::new(),
                served: 0,
            });
            world.join(index);
        }
        world
    }

    fn join(&mut self, pool: usize) {
        let of = &self.pools[pool];
        let maximum = |scope: &Scope| (scope.clone(), self.maxima.get(scope).copied().flatten());
        let maxima = of.scopes.iter().map(maximum).collect();
        let grants = self.quota.join(of.member, of.priority, maxima, self.now);
        self.deliver(grants);
    }

    pub(crate) fn set_priority(&mut self, pool: usize, priority: Priority) {
        self.pools[pool].priority = priority;
        self.join(pool);
    }

    pub(crate) fn set_maximum(&mut self, scope: Scope, maximum: Option<u32>) {
        self.lowered |= maximum.is_some_and(|maximum| maximum < self.quota.used(&scope));
        self.maxima.insert(scope, maximum);
        for pool in 0..self.pools.len() {
            self.join(pool);
        }
    }

    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn request(&mut self, pool: usize) {
        let waiter = WaiterId(self.next());
        let of = &mut self.pools[pool];
        match of.scheduler.request(waiter, Priority::Normal, None, self.now) {
            Request::Granted(server) => {
                of.out.push(server);
                of.served += 1;
            }
            Request::Queued { .. } => of.queue.push_back((waiter, self.now)),
            Request::Rejected(refusal) => assert_eq!(refusal, Refusal::Unreachable),
        }
        self.open_due(pool);
    }

    /// The last in the queue goes away.
    pub(crate) fn leave(&mut self, pool: usize) {
        if let Some((waiter, _)) = self.pools[pool].queue.pop_back() {
            assert!(self.pools[pool].scheduler.cancel_wait(waiter));
        }
        self.open_due(pool);
    }

    fn open_due(&mut self, pool: usize) {
        let of = &self.pools[pool];
        let (member, warm) = (of.member, true);
        let wanted = of.scheduler.connects_due(warm, self.now);
        let (own, others): (Vec<_>, Vec<_>) = self
            .quota
            .ask(member, wanted.for_queue, self.now)
            .into_iter()
            .partition(|grant| grant.member == member);
        let number: u32 = own.iter().map(|grant| grant.number).sum();
        assert!(number <= wanted.for_queue, "more than it asked for");
        let spare = self.quota.ask_for_spare(member, wanted.to_keep_warm, self.now);
        self.pools[pool].scheduler.begin_connects(number + spare);
        self.deliver(others);
    }

    fn deliver(&mut self, grants: Vec<Grant>) {
        for Grant { member, number } in grants {
            assert!(number > 0);
            let pool = member.0 as usize;
            let of = &mut self.pools[pool];
            let used = number.min(of.scheduler.connects_due(true, self.now).for_queue);
            of.scheduler.begin_connects(used);
            if used < number {
                let grants = self.quota.released(member, number - used, self.now);
                self.deliver(grants);
            }
        }
    }

    pub(crate) fn connected(&mut self, pool: usize) {
        if self.pools[pool].scheduler.connecting() == 0 {
            return;
        }
        let server = ServerId(self.next());
        self.pools[pool].scheduler.connected();
        self.pools[pool].out.push(server);
        self.free(pool, usize::MAX);
    }

    pub(crate) fn connect_failed(&mut self, pool: usize) {
        let of = &mut self.pools[pool];
        if of.scheduler.connecting() == 0 {
            return;
        }
        let told = of.scheduler.connect_failed(false, self.now, 1.0);
        of.queue.retain(|(waiter, _)| !told.contains(waiter));
        self.released(pool);
    }

    /// A client ends its transaction; `which` of them, or the last.
    pub(crate) fn free(&mut self, pool: usize, which: usize) {
        let of = &mut self.pools[pool];
        if of.out.is_empty() {
            return;
        }
        let index = if which == usize::MAX { of.out.len() - 1 } else { which % of.out.len() };
        let server = of.out[index];
        match of.scheduler.freed(server, Age::new(self.now, 0.0), self.now) {
            Freed::To(waiter) => {
                let first = of.queue.pop_front().map(|(first, _)| first);
                assert_eq!(first, Some(waiter), "first come, first served");
                of.served += 1;
            }
            Freed::Idle => {
                assert!(of.queue.is_empty(), "idle while somebody waits");
                of.out.remove(index);
            }
            Freed::Close => {
                of.out.remove(index);
                of.closing.push(server);
            }
        }
    }

    /// A connection that is on its way out is closed.
    pub(crate) fn close(&mut self, pool: usize) {
        if self.pools[pool].closing.pop().is_some() {
            self.pools[pool].scheduler.closed();
            self.released(pool);
        }
    }

    /// A connection that a client holds breaks.
    pub(crate) fn break_one(&mut self, pool: usize) {
        if self.pools[pool].out.pop().is_some() {
            self.pools[pool].scheduler.closed();
            self.released(pool);
        }
    }

    fn released(&mut self, pool: usize) {
        let grants = self.quota.released(self.pools[pool].member, 1, self.now);
        self.deliver(grants);
        self.open_due(pool);
    }

    /// Time goes by, and all pools are looked after.
    pub(crate) fn wait(&mut self, length: Duration) {
        self.now += length;
        for pool in 0..self.pools.len() {
            let of = &mut self.pools[pool];
            let due = of.scheduler.tick(true, self.now);
            of.closing.extend(due.close);
            for (waiter, refusal) in due.refuse {
                assert_eq!(refusal, Refusal::TimedOut);
                of.queue.retain(|(id, _)| *id != waiter);
            }
            let late = of.queue.front().map_or(Duration::ZERO, |(_, since)| self.now - *since);
            assert!(late < of.scheduler.limits().wait_timeout, "neither granted nor refused");
            self.open_due(pool);
        }
        self.balance();
    }

    fn balance(&mut self) {
        let standing = |of: &SimulatedPool| {
            (of.member, of.scheduler.standing(Duration::from_millis(50), self.now))
        };
        let standings = self.pools.iter().map(standing).collect();
        let claims = self.quota.balance(&standings, self.now);
        for of in &mut self.pools {
            let claim = claims.get(&of.member).copied().unwrap_or_default();
            assert!(claim <= of.scheduler.total(), "more than it has");
            of.closing.extend(of.scheduler.give_up(claim));
        }
    }

    pub(crate) fn waiting(&self, pool: usize) -> usize {
        self.pools[pool].queue.len()
    }

    pub(crate) fn total(&self) -> u32 {
        self.pools.iter().map(|pool| pool.scheduler.total()).sum()
    }

    /// Everything that holds at all times.
    pub(crate) fn check(&mut self) {
        for of in &self.pools {
            assert_eq!(self.quota.held(of.member), of.scheduler.total(), "miscounted");
            let idle = of.scheduler.idle().count();
            assert!(idle == 0 || of.queue.is_empty(), "idle and waiting");
        }
        let mut exceeded = false;
        for (scope, maximum) in &self.maxima {
            let members = self.pools.iter().filter(|of| of.scopes.contains(scope));
            let total: u32 = members.map(|of| of.scheduler.total()).sum();
            assert_eq!(self.quota.used(scope), total);
            let above = maximum.is_some_and(|maximum| total > maximum);
            assert!(!above || self.lowered, "above the maximum");
            exceeded |= above;
        }
        self.lowered &= exceeded;
        for of in &self.pools {
            if self.quota.wanted(of.member) > 0 {
                let kept = self.pools.iter().any(|other| {
                    self.quota.held(other.member) == 0 && self.quota.wanted(other.member) > 0
                });
                let stopped = self.quota.obstacle(of.member).is_some();
                assert!(stopped || kept, "it waits for a place that is free");
            }
        }
    }

    /// One turn of a world in which everything works: connections open and close, every transaction
    /// ends, and 10 ms pass. `again`: whether the clients that were served come again.
    pub(crate) fn turn(&mut self, again: &[usize]) {
        for pool in 0..self.pools.len() {
            while !self.pools[pool].closing.is_empty() {
                self.close(pool);
            }
            while self.pools[pool].scheduler.connecting() > 0 {
                self.connected(pool);
            }
        }
        for pool in 0..self.pools.len() {
            let busy = self.pools[pool].out.clone();
            for server in busy {
                let index = self.pools[pool].out.iter().position(|out| *out == server);
                if let Some(index) = index {
                    self.free(pool, index);
                    if again.contains(&pool) {
                        self.request(pool);
                    }
                }
            }
        }
        for pool in again {
            // Who was refused comes again.
            if self.pools[*pool].out.is_empty() && self.pools[*pool].queue.is_empty() {
                self.request(*pool);
            }
        }
        self.wait(Duration::from_millis(10));
        self.check();
    }
}
