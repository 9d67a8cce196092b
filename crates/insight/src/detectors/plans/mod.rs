//! What the planner says of the statements that take the most time.

mod conditions;
mod function_on_column;
mod generic_plan;
mod inefficient_index;
mod or_across_columns;
mod row_misestimate;
mod sequential_scan;
mod sort_spill;

use model::{DatabaseFacts, NotChecked, PlanAnswer, ScanFacts, TableFacts};

use super::catalogue::{Needs, Place, unread};
use super::{Detector, Inputs};
use crate::StatementTotals;
use crate::advisor::quoted;

pub(super) use conditions::{Parsed, Read};
pub use function_on_column::{FunctionOnColumn, FunctionOnColumnThresholds};
pub use generic_plan::{GenericPlan, GenericPlanThresholds};
pub use inefficient_index::{InefficientIndex, InefficientIndexThresholds};
pub use or_across_columns::{OrAcrossColumns, OrAcrossColumnsThresholds};
pub use row_misestimate::{RowMisestimate, RowMisestimateThresholds};
pub use sequential_scan::{SequentialScan, SequentialScanThresholds};
pub use sort_spill::{SortSpill, SortSpillThresholds};

/// The detectors of this folder.
pub(super) fn all() -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(FunctionOnColumn),
        Box::new(GenericPlan),
        Box::new(InefficientIndex),
        Box::new(OrAcrossColumns),
        Box::new(RowMisestimate),
        Box::new(SequentialScan),
        Box::new(SortSpill),
    ]
}

/// A statement that matters, and its plan.
#[derive(Clone, Copy)]
struct Planned<'a> {
    statement: &'a StatementTotals,
    name: &'a str,
    database: &'a DatabaseFacts,
    answer: &'a PlanAnswer,
    /// Of all database time, 0 to 1.
    share: f64,
}

/// A statement must have taken so long in the window, ms, that anybody could notice.
const LEAST_MS: f64 = 50.0;

/// The statements with a plan and at least this share of all database time.
fn planned<'a>(inputs: &Inputs<'a>, least_share: f64) -> impl Iterator<Item = Planned<'a>> {
    let (catalog, workload) = (inputs.catalog, inputs.workload);
    workload.statements.iter().filter_map(move |statement| {
        let (name, database) = catalog.databases.get_key_value(&*statement.database)?;
        let answer = database.plans.get(&statement.fingerprint)?;
        let ms = statement.database_ms();
        let share = workload.share(ms);
        let matters = share >= least_share && ms >= LEAST_MS && answer.problem.is_none();
        matters.then_some(Planned { statement, name, database, answer, share })
    })
}

impl<'a> Planned<'a> {
    /// The table that is scanned, where it was read.
    fn table(&self, scan: &ScanFacts) -> Option<Place<'a>> {
        let table: &'a TableFacts = self.database.tables.iter().find(|table| {
            table.name == scan.table && (scan.schema.is_empty() || scan.schema == table.schema)
        })?;
        Some(Place { name: self.name, database: self.database, table })
    }

    /// Rows that one call gave, on average.
    fn rows_a_call(&self) -> f64 {
        self.statement.stats.rows as f64 / self.statement.stats.calls.max(1) as f64
    }

    /// A user who sends the statement, as SQL.
    fn user(&self, inputs: &Inputs<'_>) -> Option<String> {
        let mut users: Vec<_> = inputs
            .window
            .queries
            .keys()
            .filter(|key| key.fingerprint == self.statement.fingerprint)
            .filter_map(|key| inputs.snapshot.labels.get(&key.labels))
            .map(|labels| &labels.user)
            .collect();
        users.sort();
        users.first().map(|user| quoted(user))
    }
}

/// That the role cannot see the plans of statements that matter, and what would help.
pub(super) fn unplanned(detector: &str, needs: &[Needs], inputs: &Inputs<'_>) -> Vec<NotChecked> {
    let mut list = unread(detector, needs, inputs);
    for (name, database) in &inputs.catalog.databases {
        let refused = database
            .plans
            .values()
            .filter(|answer| answer.problem.as_ref().is_some_and(|why| why.starts_with("42501")))
            .count();
        if refused == 0 {
            continue;
        }
        let role = inputs.catalog.servers.get(&database.server).map_or("", |server| &server.role);
        list.push(NotChecked {
            check: format!("{detector}: {refused} statements of {name}"),
            why: format!(
                "role {role} may not read their tables, so that EXPLAIN is refused; GRANT \
                 pg_read_all_data TO {}; (PostgreSQL 14 and later; SELECT on the tables before) \
                 would show their plans",
                quoted(role)
            ),
        });
    }
    list
}

#[cfg(test)]
mod tests;
