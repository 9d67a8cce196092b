//! Which labels have which id, and which are forgotten.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{HeldLabels, LabelId, Labels};
use crate::ById;

/// Interns [`Labels`]. Bounded: combinations beyond the limit share [`LabelId::OTHERS`], until
/// [`Self::make_room`] has forgotten some that nobody uses any more.
///
/// Locked only when a client connects or renames itself, and off the data path for new tags; never per
/// query.
#[derive(Debug)]
pub struct LabelRegistry {
    limit: usize,
    others: HeldLabels,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ids: HashMap<Arc<Labels>, LabelId>,
    known: ById<LabelId, Known>,
    /// The number given last.
    last: u32,
    /// Counts the looks at who is in use.
    looks: u64,
}

#[derive(Debug)]
struct Known {
    held: HeldLabels,
    /// The look at which it was in use last, or after which it was asked for.
    used: AtomicU64,
}

impl LabelRegistry {
    /// A registry that holds at most `limit` combinations.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let name = Arc::from("(others)");
        let labels = Labels::new(Arc::clone(&name), Arc::clone(&name), name);
        let others = HeldLabels::new(LabelId::OTHERS, Arc::new(labels));
        Self { limit, others, inner: RwLock::default() }
    }

    /// The id of `labels`, which is theirs for as long as somebody holds them ([`Self::share`]).
    pub fn intern(&self, labels: Labels) -> LabelId {
        self.share(labels).id()
    }

    /// `labels` with their id: the registry's own where it tells them apart, which all clients of the
    /// kind share.
    pub fn share(&self, labels: Labels) -> HeldLabels {
        if let Some(held) = self.read().find(&labels) {
            return held;
        }
        let mut inner = self.write();
        if let Some(held) = inner.find(&labels) {
            return held;
        }
        if labels == *self.others {
            return self.others.clone();
        }
        if inner.known.len() >= self.limit {
            return HeldLabels::new(LabelId::OTHERS, Arc::new(labels));
        }
        inner.add(Arc::new(labels))
    }

    /// How many combinations are told apart, the others row not among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().known.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many may be told apart.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// What `id` stands for; those of all others where it is not known or forgotten.
    #[must_use]
    pub fn get(&self, id: LabelId) -> Arc<Labels> {
        let inner = self.read();
        let held = inner.known.get(&id).map_or(&self.others, |known| &known.held);
        Arc::clone(held.labels())
    }

    /// Looks at who is in use; where the registry is nearly full, forgets those that were not for
    /// longest, and says which. For the only reader of events, each time that it has taken **all** that
    /// there were: whoever was out of use at the look before has no event on its way any more, and such
    /// are forgotten alone.
    #[must_use]
    pub fn make_room(&self) -> Vec<HeldLabels> {
        let mut inner = self.write();
        inner.looks += 1;
        drop(inner);
        self.read().note_use();
        // New ones need some room until the next look, and few looks should have work to do.
        let nearly_full = self.limit - self.limit.div_ceil(8);
        let goal = self.limit - self.limit.div_ceil(4);
        let known = self.len();
        if known <= nearly_full {
            return Vec::new();
        }
        self.write().forget(known - goal)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn find(&self, labels: &Labels) -> Option<HeldLabels> {
        let known = self.known.get(self.ids.get(labels)?)?;
        known.used.fetch_max(self.looks, Ordering::Relaxed);
        Some(known.held.clone())
    }

    fn note_use(&self) {
        for known in self.known.values().filter(|known| known.held.is_in_use()) {
            known.used.fetch_max(self.looks, Ordering::Relaxed);
        }
    }

    fn add(&mut self, labels: Arc<Labels>) -> HeldLabels {
        let id = loop {
            self.last = self.last % LabelId::LAST + 1;
            let id = LabelId(self.last);
            if !self.known.contains_key(&id) {
                break id;
            }
        };
        let held = HeldLabels::new(id, Arc::clone(&labels));
        self.ids.insert(labels, id);
        self.known.insert(id, Known { held: held.clone(), used: AtomicU64::new(self.looks) });
        held
    }

    /// Forgets up to `most` of those that were out of use at the look before too, and have been since;
    /// first those that have been for longest. Nobody can begin to use one meanwhile.
    fn forget(&mut self, most: usize) -> Vec<HeldLabels> {
        let unused = self.known.iter().filter_map(|(id, known)| {
            let used = known.used.load(Ordering::Relaxed);
            (used + 1 < self.looks && !known.held.is_in_use()).then_some((used, *id))
        });
        let mut unused: Vec<_> = unused.collect();
        unused.sort_unstable();
        unused.truncate(most);
        let forgotten = unused.into_iter().filter_map(|(_, id)| self.known.remove(&id));
        let forgotten: Vec<_> = forgotten.map(|known| known.held).collect();
        for held in &forgotten {
            self.ids.remove(held.labels());
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(n: usize) -> Labels {
        Labels::new("shop", "web", n.to_string())
    }

    #[test]
    fn combinations_beyond_the_limit_share_the_others_row() {
        let registry = LabelRegistry::new(2);
        let (a, b, c) =
            (registry.intern(labels(1)), registry.intern(labels(2)), registry.intern(labels(3)));
        assert_ne!(a, b);
        assert_eq!(c, LabelId::OTHERS);
        assert_eq!(registry.intern(labels(1)), a);
        assert_eq!((registry.len(), registry.limit()), (2, 2));
        assert_eq!(*registry.get(b), labels(2));
        assert_eq!(&*registry.get(c).application, "(others)");
        assert_eq!(registry.share(labels(3)).application, labels(3).application, "its own name");
    }

    #[test]
    fn the_newest_of_three_times_the_limit_are_told_apart() {
        let registry = LabelRegistry::new(100);
        let stays = registry.share(labels(0));
        for number in 1..=300 {
            let held = registry.share(labels(number));
            assert_ne!(held.id(), LabelId::OTHERS, "{number}");
            assert_eq!(*registry.get(held.id()), labels(number));
            drop(held);
            let _forgotten = registry.make_room();
        }
        assert!(registry.len() <= 100);
        assert_eq!(*registry.get(stays.id()), labels(0), "what is in use stays, however old");
        assert_eq!(registry.intern(labels(0)), stays.id());
        let known = registry.len();
        registry.intern(labels(290));
        assert_eq!(registry.len(), known, "the newest are still known");
        registry.intern(labels(1));
        assert_eq!(registry.len(), known + 1, "the oldest are not");
    }

    #[test]
    fn those_not_used_for_longest_go_first_and_no_more_than_is_needed() {
        let registry = LabelRegistry::new(8);
        for number in 0..7 {
            registry.intern(labels(number));
            assert!(registry.make_room().is_empty(), "it is not nearly full");
        }
        for number in [7, 0, 2] {
            registry.intern(labels(number));
        }
        let mut forgotten: Vec<_> = (0..3).flat_map(|_| registry.make_room()).collect();
        forgotten.sort_by_key(HeldLabels::id);
        let names: Vec<_> = forgotten.iter().map(|held| &*held.application).collect();
        assert_eq!(names, ["1", "3"]);
    }

    #[test]
    fn a_kind_is_not_forgotten_before_the_second_look_after_its_last_use() {
        let registry = LabelRegistry::new(1);
        let held = registry.share(labels(1));
        assert!(registry.make_room().is_empty() && registry.make_room().is_empty());
        drop(held);
        // Its last event may have come after all others were taken.
        assert!(registry.make_room().is_empty());
        let forgotten = registry.make_room();
        assert_eq!(forgotten.iter().map(|held| &**held).collect::<Vec<_>>(), [&labels(1)]);
        assert!(registry.is_empty());
    }

    #[test]
    fn numbers_go_round_past_those_that_are_taken() {
        let registry = LabelRegistry::new(10);
        let first = registry.intern(labels(1));
        registry.write().last = LabelId::LAST - 1;
        let last = registry.intern(labels(2));
        let again = registry.intern(labels(3));
        assert_eq!((first, last, again), (LabelId(1), LabelId(LabelId::LAST), LabelId(2)));
        assert!(LabelId::of_history(1_000_000_000) > last);
    }
}
