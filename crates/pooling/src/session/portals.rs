//! The client's portals, until their transaction ends.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::plan_trial::Trial;
use crate::prepared::Statement;

/// A statement bound to a portal.
#[derive(Debug, Default)]
pub(super) struct Portal {
    pub(super) statement: Option<Arc<Statement>>,
    pub(super) values: u64,
    pub(super) sample: Option<Box<model::Sample>>,
    pub(super) trace: Option<Box<model::TraceContext>>,
    pub(super) trial: Option<Trial>,
}

/// The portals of one client. Nearly all are the unnamed one, which costs no look into a map.
#[derive(Debug, Default)]
pub(super) struct Portals {
    unnamed: Option<Box<Portal>>,
    /// In a box: few clients ever name one.
    named: Option<Box<Named>>,
}

type Named = HashMap<Box<[u8]>, Portal, RandomState>;

impl Portals {
    /// Binds a statement; what had the name before is gone.
    pub(super) fn insert(&mut self, name: &[u8], portal: Portal) {
        if name.is_empty() {
            self.unnamed = Some(Box::new(portal));
        } else {
            self.named.get_or_insert_default().insert(name.into(), portal);
        }
    }

    /// The portal of this name.
    pub(super) fn get_mut(&mut self, name: &[u8]) -> Option<&mut Portal> {
        if name.is_empty() {
            self.unnamed.as_deref_mut()
        } else {
            self.named.as_mut()?.get_mut(name)
        }
    }

    /// Forgets one.
    pub(super) fn remove(&mut self, name: &[u8]) {
        if name.is_empty() {
            self.unnamed = None;
        } else if let Some(named) = &mut self.named {
            named.remove(name);
        }
    }

    /// Forgets all, and the memory for them.
    pub(super) fn clear(&mut self) {
        self.unnamed = None;
        self.named = None;
    }
}
