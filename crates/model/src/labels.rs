//! Who sent a statement: database, user and application, interned so that an event carries four
//! bytes instead of three strings.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

/// What an application says of a statement in its comments: values by name.
pub type Tags = BTreeMap<String, String>;

/// Database, user and application of a client connection, and what the application says of a part of
/// its statements.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Labels {
    /// The database's name as the client gave it.
    pub database: Arc<str>,
    /// The user's name as the client gave it.
    pub user: Arc<str>,
    /// `application_name`, or what the statements' comments say instead; empty where there is neither.
    pub application: Arc<str>,
    /// What else the comments say, such as a controller or a route; see [`Tags`].
    #[serde(default)]
    pub tags: Arc<Tags>,
}

impl Labels {
    /// Those of a client's connection.
    #[must_use]
    pub fn new(
        database: impl Into<Arc<str>>,
        user: impl Into<Arc<str>>,
        application: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            database: database.into(),
            user: user.into(),
            application: application.into(),
            tags: Arc::default(),
        }
    }
}

/// An interned [`Labels`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelId(u32);

impl LabelId {
    /// All combinations beyond the registry's limit.
    pub const OTHERS: Self = Self(0);

    /// The `number`th of those that are read from a history, counted from 0. No registry gives such
    /// an id, and none knows it: a snapshot of the past has its own labels beside the registry's.
    #[must_use]
    pub fn of_history(number: u32) -> Self {
        Self(u32::MAX - number)
    }
}

/// Interns [`Labels`]. Bounded: combinations beyond the limit share [`LabelId::OTHERS`].
///
/// Locked only when a client connects or renames itself, and off the data path for new tags; never per
/// query.
#[derive(Debug)]
pub struct LabelRegistry {
    limit: usize,
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ids: HashMap<Arc<Labels>, LabelId>,
    by_id: Vec<Arc<Labels>>,
}

impl LabelRegistry {
    /// A registry that holds at most `limit` combinations.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let others = Arc::from("(others)");
        let labels = Labels::new(Arc::clone(&others), Arc::clone(&others), others);
        let inner = Inner { ids: HashMap::new(), by_id: vec![Arc::new(labels)] };
        Self { limit, inner: RwLock::new(inner) }
    }

    /// The id of `labels`.
    pub fn intern(&self, labels: Labels) -> LabelId {
        if let Some(id) = self.inner.read().unwrap_or_else(PoisonError::into_inner).ids.get(&labels)
        {
            return *id;
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = inner.ids.get(&labels) {
            return *id;
        }
        if inner.by_id.len() > self.limit {
            return LabelId::OTHERS;
        }
        let Ok(number) = u32::try_from(inner.by_id.len()) else { return LabelId::OTHERS };
        let labels = Arc::new(labels);
        inner.by_id.push(Arc::clone(&labels));
        inner.ids.insert(labels, LabelId(number));
        LabelId(number)
    }

    /// The same, with the labels themselves: the registry's own where it tells them apart, which all
    /// clients of the kind share.
    pub fn share(&self, labels: Labels) -> (Arc<Labels>, LabelId) {
        let id = self.intern(labels.clone());
        let known = self.get(id);
        (if *known == labels { known } else { Arc::new(labels) }, id)
    }

    /// How many combinations are told apart, the others row not among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).ids.len()
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

    /// What `id` stands for.
    #[must_use]
    pub fn get(&self, id: LabelId) -> Arc<Labels> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let found = inner.by_id.get(id.0 as usize).or_else(|| inner.by_id.first());
        found.cloned().unwrap_or_else(|| unreachable!("the others row is made with the registry"))
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
    }
}
