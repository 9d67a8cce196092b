//! The kinds of clients: what their ids stand for, and what is counted of each since the start.
//!
//! The registry forgets kinds that are out of use, to make room for others. What was measured of them
//! stays as long as any minute does, and so do their names here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use model::{ById, HeldLabels, LabelId, LabelRegistry, Labels, TransactionStats};

use super::admitted::Admitted;

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
    totals: ById<LabelId, TransactionStats>,
    /// What was counted of those that are forgotten, by database.
    totals_of_forgotten: BTreeMap<Arc<str>, TransactionStats>,
    /// The databases counted apart.
    admitted: Admitted<Arc<str>>,
}

impl Kinds {
    /// What ids stand for.
    pub(super) fn labels(&self) -> &HashMap<LabelId, Arc<Labels>> {
        &self.labels
    }

    /// The transactions of a kind since the start.
    pub(super) fn totals(&mut self, id: LabelId) -> &mut TransactionStats {
        self.totals.entry(id).or_default()
    }

    /// Learns what stands for `ids`, for those that were counted, and for the others, into which any may be
    /// folded.
    pub(super) fn learn(
        &mut self,
        ids: impl IntoIterator<Item = LabelId>,
        registry: &LabelRegistry,
    ) {
        let counted = self.totals.keys().copied().chain([LabelId::OTHERS]);
        for id in ids.into_iter().chain(counted) {
            self.labels.entry(id).or_insert_with(|| registry.get(id));
        }
    }

    /// The registry has forgotten a kind: nothing more is measured of it.
    pub(super) fn forget(&mut self, kind: &HeldLabels) {
        self.labels.insert(kind.id(), Arc::clone(kind.labels()));
        self.forgotten.insert(kind.id());
        if let Some(totals) = self.totals.remove(&kind.id()) {
            let database = self.admitted.admit(Arc::clone(&kind.database), &others());
            self.totals_of_forgotten.entry(database).or_default().merge(&totals);
        }
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

    /// Transactions since the start, by database.
    pub(super) fn database_totals(&mut self) -> BTreeMap<Arc<str>, TransactionStats> {
        let mut by_database = by_database(&self.totals, &self.labels, &mut self.admitted);
        for (database, stats) in &self.totals_of_forgotten {
            by_database.entry(Arc::clone(database)).or_default().merge(stats);
        }
        by_database
    }

    /// Transactions of kinds that are learned, by database.
    pub(super) fn by_database(
        &mut self,
        transactions: &ById<LabelId, TransactionStats>,
    ) -> BTreeMap<Arc<str>, TransactionStats> {
        by_database(transactions, &self.labels, &mut self.admitted)
    }
}

fn by_database(
    transactions: &ById<LabelId, TransactionStats>,
    labels: &HashMap<LabelId, Arc<Labels>>,
    admitted: &mut Admitted<Arc<str>>,
) -> BTreeMap<Arc<str>, TransactionStats> {
    let mut by_database: BTreeMap<_, TransactionStats> = BTreeMap::new();
    let others = others();
    for (id, stats) in transactions {
        if let Some(labels) = labels.get(id) {
            let database = admitted.admit(Arc::clone(&labels.database), &others);
            by_database.entry(database).or_default().merge(stats);
        }
    }
    by_database
}

/// What stands for the databases beyond the bound.
fn others() -> Arc<str> {
    Arc::from("(others)")
}
