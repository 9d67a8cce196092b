//! What it costs to keep indexes up.

use model::{DatabaseFacts, IndexCandidate, IndexMethod};

use super::{Case, Pick};

/// Entries of an index cost this much to write, the planner's units: a page that is mostly in memory,
/// and the way down to it.
const ENTRY_COST: f64 = 2.0;
/// Entries of a GIN index for each row, one for each word, element or trigram of the value. Many more
/// are named by a text, but they are gathered and written together (`fastupdate`).
const GIN_ENTRIES: f64 = 5.0;
/// Rows written to each table over the workload, and what one entry is worth.
pub(super) struct Writes {
    rows: Vec<(usize, f64)>,
    unit: f64,
}

impl Writes {
    pub(super) fn new(cases: &[Case<'_>]) -> Self {
        let mut rows = Vec::new();
        for case in cases {
            // The table that a statement writes is the first that it names.
            let facts = case.statement.facts.as_ref().ok().filter(|facts| facts.writes);
            if let (Some(_), Some(target)) = (facts, case.demands.first()) {
                rows.push((target.position, case.statement.calls * case.statement.rows_written));
            }
        }
        let (mut worth, mut cost) = (0.0, 0.0);
        for case in cases {
            worth += case.scale * case.cost;
            cost += case.statement.calls * case.cost;
        }
        Self { rows, unit: if cost > 0.0 { worth / cost } else { 1.0 } }
    }

    pub(super) fn upkeep(&self, index: &IndexCandidate, database: &DatabaseFacts) -> f64 {
        let written: f64 = self
            .rows
            .iter()
            .filter(|(at, _)| {
                let table = &database.tables[*at];
                table.name == index.table && table.schema == index.schema
            })
            .map(|(_, rows)| rows)
            .sum();
        // A partial index is written for a part of the rows.
        let part = if index.predicate.is_some() { 0.3 } else { 1.0 };
        let entries = match index.method {
            IndexMethod::Btree => 1.0,
            IndexMethod::Gin => GIN_ENTRIES,
        };
        written * part * entries * ENTRY_COST * self.unit
    }

    /// Takes what writing to the index costs off what it gains, where the whole workload is worth
    /// `total`.
    pub(super) fn take_off(&self, pick: &mut Pick, database: &DatabaseFacts, total: f64) {
        pick.upkeep = self.upkeep(&pick.index, database) / total.max(f64::MIN_POSITIVE);
        pick.gain -= pick.upkeep;
    }
}
