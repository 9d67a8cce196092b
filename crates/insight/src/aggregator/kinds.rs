//! The kinds of clients: what their ids stand for.
//!
//! The registry forgets kinds that are out of use, to make room for others. What was measured of them
//! stays as long as any minute does, and so do their names here.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use model::{HeldLabels, LabelId, LabelRegistry, Labels};

/// So many names of forgotten kinds do no harm until the minute is over.
const FORGOTTEN_ALLOWED: usize = 10_000;

/// The kinds that anything measured names, and those that the registry knew when it was asked.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    labels: HashMap<LabelId, Arc<Labels>>,
    /// Of these, those that the registry has forgotten.
    forgotten: BTreeSet<LabelId>,
    /// How many of them were in use when that was looked at.
    forgotten_in_use: usize,
    /// The minute in which that was.
    looked_in: i64,
}

impl Kinds {
    /// What ids stand for.
    pub(super) fn labels(&self) -> &HashMap<LabelId, Arc<Labels>> {
        &self.labels
    }

    /// Learns what stands for `ids`, and for the others, into which any may be folded.
    pub(super) fn learn(
        &mut self,
        ids: impl IntoIterator<Item = LabelId>,
        registry: &LabelRegistry,
    ) {
        for id in ids.into_iter().chain([LabelId::OTHERS]) {
            self.labels.entry(id).or_insert_with(|| registry.get(id));
        }
    }

    /// The registry has forgotten a kind: nothing more is measured of it.
    pub(super) fn forget(&mut self, kind: &HeldLabels) {
        self.labels.insert(kind.id(), Arc::clone(kind.labels()));
        self.forgotten.insert(kind.id());
    }

    /// Gives up the names of forgotten kinds that nothing names any more, once in each `minute` or where
    /// there are many; `in_use` finds those that something does.
    pub(super) fn give_up(&mut self, minute: i64, in_use: impl FnOnce() -> BTreeSet<LabelId>) {
        let many = self.forgotten.len() > 2 * self.forgotten_in_use + FORGOTTEN_ALLOWED;
        if self.forgotten.is_empty() || (minute == self.looked_in && !many) {
            return;
        }
        self.looked_in = minute;
        let in_use = in_use();
        let labels = &mut self.labels;
        self.forgotten.retain(|id| {
            let stays = in_use.contains(id);
            if !stays {
                labels.remove(id);
            }
            stays
        });
        self.forgotten_in_use = self.forgotten.len();
    }
}
