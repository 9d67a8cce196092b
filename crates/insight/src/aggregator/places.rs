//! Where each kind of client is counted since the start: its pool's place and its database's. There are
//! few of either, and many kinds, of applications' names and addresses, that come and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{ById, HeldLabels, LabelId, LabelRegistry, PoolKey};

/// Names counted apart since the start. A client can ask for databases that do not exist.
const ADMITTED_LIMIT: usize = 1_000;

/// Where a kind of client is counted: an index each, into as many counts as have been needed so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) pool: usize,
    pub(super) database: usize,
}

/// The places of all kinds that the registry knows, that of the database from the first statement on: who
/// only logs in may have made its name up.
#[derive(Debug)]
pub(super) struct Places {
    of_kinds: ById<LabelId, (usize, Option<usize>)>,
    pub(super) pools: Admitted<PoolKey>,
    pub(super) databases: Admitted<Arc<str>>,
}

impl Default for Places {
    fn default() -> Self {
        let others: Arc<str> = Arc::from("(others)");
        let pool = PoolKey { database: Arc::clone(&others), user: Arc::clone(&others) };
        Self {
            of_kinds: ById::default(),
            pools: Admitted::new(pool),
            databases: Admitted::new(others),
        }
    }
}

impl Places {
    /// The place of a kind, which `registry` knows as long as it has events.
    pub(super) fn of(&mut self, kind: LabelId, registry: &LabelRegistry) -> Place {
        if let Some((pool, Some(database))) = self.of_kinds.get(&kind) {
            return Place { pool: *pool, database: *database };
        }
        let pool = self.pool_of(kind, registry);
        let database = self.databases.admit(Arc::clone(&registry.get(kind).database));
        self.of_kinds.insert(kind, (pool, Some(database)));
        Place { pool, database }
    }

    /// The place of its pool alone.
    pub(super) fn pool_of(&mut self, kind: LabelId, registry: &LabelRegistry) -> usize {
        if let Some((pool, _)) = self.of_kinds.get(&kind) {
            return *pool;
        }
        let labels = registry.get(kind);
        let (database, user) = (Arc::clone(&labels.database), Arc::clone(&labels.user));
        let pool = self.pools.admit(PoolKey { database, user });
        self.of_kinds.insert(kind, (pool, None));
        pool
    }

    /// The kinds that have been counted and are not forgotten.
    pub(super) fn kinds(&self) -> impl Iterator<Item = LabelId> {
        self.of_kinds.keys().copied()
    }

    /// What was measured is forgotten: no kind has been counted since, and no database. Pools keep their
    /// places, since what a scrape wants goes on.
    pub(super) fn begin_anew(&mut self) {
        let anew = Self::default();
        self.of_kinds = anew.of_kinds;
        self.databases = anew.databases;
    }

    /// The registry has forgotten a kind, and may give its id to another.
    pub(super) fn forget(&mut self, kind: &HeldLabels) {
        self.of_kinds.remove(&kind.id());
    }
}

/// Names that are counted apart, each at an index. One that is stays so, and where there is no room no
/// other becomes so: no count ever moves from one to another.
#[derive(Debug)]
pub(super) struct Admitted<K>(BTreeMap<K, usize>);

impl<K: Ord> Admitted<K> {
    /// None yet but `others`, which stands for those beyond the bound.
    fn new(others: K) -> Self {
        Self(BTreeMap::from([(others, Self::OTHERS)]))
    }

    const OTHERS: usize = 0;

    /// The index at which a name is counted: its own, or that of all others.
    pub(super) fn admit(&mut self, name: K) -> usize {
        if let Some(index) = self.0.get(&name) {
            return *index;
        }
        let index = self.0.len();
        if index > ADMITTED_LIMIT {
            return Self::OTHERS;
        }
        self.0.insert(name, index);
        index
    }

    /// The names, by their order, with what `counts` has at their indexes.
    pub(super) fn name<'a, V>(&'a self, counts: &'a [V]) -> impl Iterator<Item = (&'a K, &'a V)> {
        self.0.iter().filter_map(|(name, index)| Some((name, counts.get(*index)?)))
    }
}

/// The counts at `index`, where there may be none yet.
pub(super) fn at<V: Default>(counts: &mut Vec<V>, index: usize) -> &mut V {
    if index >= counts.len() {
        counts.resize_with(index + 1, V::default);
    }
    &mut counts[index]
}
