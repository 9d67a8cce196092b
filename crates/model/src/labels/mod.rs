//! Who sent a statement: database, user and application, interned so that an event carries four
//! bytes instead of three strings.

mod registry;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use registry::LabelRegistry;

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
///
/// A number stands for one kind of client. It may come again once its kind is forgotten and two thousand
/// million others have come in between, which is days at any rate that a machine can do; nothing that
/// names ids is kept for more than an hour after its kind is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelId(u32);

impl LabelId {
    /// All combinations beyond the registry's limit.
    pub const OTHERS: Self = Self(0);
    /// The last that a registry gives; those above are [`Self::of_history`].
    const LAST: u32 = u32::MAX / 2;

    /// The `number`th of those that are read from a history, counted from 0. No registry gives such
    /// an id, and none knows it: a snapshot of the past has its own labels beside the registry's.
    #[must_use]
    pub fn of_history(number: u32) -> Self {
        Self(u32::MAX - number)
    }
}

/// Labels that are in use. As long as one such is there, the registry keeps the id for them.
#[derive(Clone, Debug)]
pub struct HeldLabels(Arc<Held>);

#[derive(Debug)]
struct Held {
    id: LabelId,
    labels: Arc<Labels>,
}

impl HeldLabels {
    fn new(id: LabelId, labels: Arc<Labels>) -> Self {
        Self(Arc::new(Held { id, labels }))
    }

    /// What events carry.
    #[must_use]
    pub fn id(&self) -> LabelId {
        self.0.id
    }

    /// The labels themselves, which say nothing of being in use.
    #[must_use]
    pub fn labels(&self) -> &Arc<Labels> {
        &self.0.labels
    }

    /// Whether anybody but the registry has it.
    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl Deref for HeldLabels {
    type Target = Labels;

    fn deref(&self) -> &Labels {
        &self.0.labels
    }
}
