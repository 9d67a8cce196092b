//! Names that are counted apart as long as there is room. A client can ask for databases that do not
//! exist.

use std::collections::BTreeSet;

/// Names counted apart since the start.
pub(super) const ADMITTED_LIMIT: usize = 1_000;

/// The names that are counted apart. One that is stays so, and where there is no room no other becomes
/// so: no count ever moves from one to another.
#[derive(Debug)]
pub(super) struct Admitted<K>(BTreeSet<K>);

impl<K> Default for Admitted<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Clone + Ord> Admitted<K> {
    /// The name under which one is counted: its own, or that of all `others`, which takes no room.
    pub(super) fn admit(&mut self, name: K, others: &K) -> K {
        if self.0.contains(&name) || name == *others {
            return name;
        }
        if self.0.len() >= ADMITTED_LIMIT {
            return others.clone();
        }
        self.0.insert(name.clone());
        name
    }
}
