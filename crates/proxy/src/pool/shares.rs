//! The shell around `pooling::quota`: which pool is which member, and who is told of what it got.
//!
//! A pool's lock may be held when the quota's is taken, never the other way round; what other pools
//! are granted is therefore brought to them by tasks.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use model::Priority;
use parking_lot::Mutex;
use pooling::quota::{Grant, Maximum, MemberId, Quota, Scope};
use pooling::scheduler::Wanted;

use super::Pool;

/// How long a connection must have been idle to be given to another pool without more ado: between
/// two transactions of a busy client it is not.
const GRACE: Duration = Duration::from_millis(50);

/// The maxima that pools share.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    next: AtomicU64,
    inner: Mutex<Inner>,
    /// Pools that were told to give up connections. Held while pools are told, so that this is done
    /// by one at a time.
    told: Mutex<BTreeSet<MemberId>>,
}

#[derive(Debug, Default)]
struct Inner {
    quota: Quota,
    pools: HashMap<MemberId, Weak<Pool>>,
}

impl Shares {
    pub(super) fn new_member(&self) -> MemberId {
        MemberId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// A pool comes under these maxima, or under others than before.
    pub(super) fn join(&self, pool: &Arc<Pool>, priority: Priority, maxima: Vec<Maximum>) {
        let mut inner = self.inner.lock();
        inner.pools.insert(pool.member, Arc::downgrade(pool));
        let grants = inner.quota.join(pool.member, priority, maxima, Instant::now());
        let granted = inner.find(grants);
        drop(inner);
        deliver(granted);
    }

    pub(super) fn leave(&self, member: MemberId) {
        let mut inner = self.inner.lock();
        inner.pools.remove(&member);
        let grants = inner.quota.leave(member, Instant::now());
        let granted = inner.find(grants);
        drop(inner);
        deliver(granted);
    }

    /// Asks for what a pool wants; returns what it may open now. The rest comes by
    /// [`Pool::open_granted`].
    pub(super) fn ask(self: &Arc<Self>, member: MemberId, wanted: Wanted, now: Instant) -> u32 {
        let mut inner = self.inner.lock();
        let waited = inner.quota.wanted(member) > 0;
        let (own, others): (Vec<_>, Vec<_>) = inner
            .quota
            .ask(member, wanted.for_queue, now)
            .into_iter()
            .partition(|grant| grant.member == member);
        let others = inner.find(others);
        let mut number = own.iter().map(|grant| grant.number).sum();
        if wanted.to_keep_warm > 0 {
            number += inner.quota.ask_for_spare(member, wanted.to_keep_warm, now);
        }
        let waits_now = inner.quota.wanted(member) > 0;
        drop(inner);
        deliver(others);
        if !waited && waits_now {
            // It has just begun to wait: perhaps somebody has what it needs.
            let shares = Arc::clone(self);
            spawn(async move { shares.balance(Instant::now()) });
        }
        number
    }

    /// A pool has closed so many connections, or not opened them.
    pub(super) fn released(&self, member: MemberId, number: u32) {
        let mut inner = self.inner.lock();
        let grants = inner.quota.released(member, number, Instant::now());
        let granted = inner.find(grants);
        drop(inner);
        deliver(granted);
    }

    /// The maximum that keeps a pool from what it wants.
    pub(super) fn obstacle(&self, member: MemberId) -> Option<(Scope, u32)> {
        let inner = self.inner.lock();
        inner.quota.obstacle(member).map(|(scope, maximum)| (scope.clone(), maximum))
    }

    /// Tells pools what to give up for others, and who need not any more. Called several times a
    /// second.
    pub(crate) fn balance(&self, now: Instant) {
        let mut told = self.told.lock();
        let concerned: Vec<Arc<Pool>> = {
            let inner = self.inner.lock();
            if told.is_empty() && !inner.quota.is_contended() {
                return;
            }
            let members = inner.quota.concerned();
            let members = members.union(&told);
            members.filter_map(|member| inner.pools.get(member)?.upgrade()).collect()
        };
        let standings =
            concerned.iter().map(|pool| (pool.member, pool.standing(GRACE, now))).collect();
        let claims = self.inner.lock().quota.balance(&standings, now);
        for pool in &concerned {
            let number = claims.get(&pool.member).copied().unwrap_or_default();
            if number > 0 || told.contains(&pool.member) {
                pool.give_up(number);
            }
        }
        *told = claims.into_keys().collect();
    }
}

impl Inner {
    fn find(&self, grants: Vec<Grant>) -> Vec<(Arc<Pool>, u32)> {
        let found = grants.into_iter().filter_map(|grant| {
            let pool = self.pools.get(&grant.member)?.upgrade()?;
            Some((pool, grant.number))
        });
        found.collect()
    }
}

/// Not under the quota's lock: a pool that nobody else holds any more ends here, and leaves.
fn deliver(granted: Vec<(Arc<Pool>, u32)>) {
    for (pool, number) in granted {
        spawn(async move { pool.open_granted(number) });
    }
}

/// Nothing is done when the runtime is being shut down.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(task);
    }
}
