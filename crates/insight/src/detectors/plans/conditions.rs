//! Conditions that no plain index answers, and what the planner makes of them.

use model::{DatabaseFacts, PlanAnswer, TableFacts};
use sql::{Facts, Operator, TableRef};

use crate::StatementTotals;
use crate::advisor::scanned_table;
use crate::detectors::Inputs;
use crate::detectors::catalogue::Place;

/// What a plan says of a table that a condition is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::detectors) enum Read {
    /// It is read from end to end.
    Whole,
    /// Some index is used.
    ByIndex,
    /// There is no plan.
    Unknown,
}

/// A statement with its parsed text, and the database it runs in.
pub(in crate::detectors) struct Parsed<'a> {
    pub(in crate::detectors) statement: &'a StatementTotals,
    pub(in crate::detectors) facts: std::sync::Arc<Facts>,
    name: &'a str,
    database: &'a DatabaseFacts,
    answer: Option<&'a PlanAnswer>,
}

/// The statements with at least so many calls and this share of all database time.
pub(in crate::detectors) fn parsed<'a>(
    inputs: &Inputs<'a>,
    least_calls: u64,
    least_share: f64,
) -> Vec<Parsed<'a>> {
    let matters = |statement: &&StatementTotals| {
        statement.stats.calls >= least_calls
            && inputs.workload.share(statement.database_ms()) >= least_share
    };
    let of = |statement| Parsed::of(statement, inputs);
    inputs.statements().filter(matters).filter_map(of).collect()
}

impl<'a> Parsed<'a> {
    /// A statement that the parser could read, in a database that was read.
    pub(in crate::detectors) fn of(
        statement: &'a StatementTotals,
        inputs: &Inputs<'a>,
    ) -> Option<Self> {
        let (name, database) = inputs.catalog.databases.get_key_value(&*statement.database)?;
        let facts = inputs.facts(statement.fingerprint)?;
        let answer = database.plans.get(&statement.fingerprint);
        let answer = answer.filter(|answer| answer.problem.is_none() && answer.cost.is_some());
        Some(Parsed { statement, facts, name, database, answer })
    }

    /// The table that a condition is on, where there is no doubt.
    pub(in crate::detectors) fn table(
        &self,
        at: Option<usize>,
        inputs: &Inputs<'a>,
    ) -> Option<Place<'a>> {
        let reference: &TableRef = match at {
            Some(at) => self.facts.tables.get(at)?,
            None => self.facts.tables.first().filter(|_| self.facts.tables.len() == 1)?,
        };
        let table = inputs.table(&self.statement.database, reference)?;
        Some(Place { name: self.name, database: self.database, table })
    }

    /// How the plan reads the table.
    pub(in crate::detectors) fn reads(&self, table: &TableFacts) -> Read {
        let Some(answer) = self.answer else { return Read::Unknown };
        let read_whole = |scan: &model::ScanFacts| {
            scan.filtered
                && scan.node.ends_with("Seq Scan")
                && scanned_table(scan, table, self.database).is_some()
        };
        match answer.scans.iter().any(read_whole) {
            true => Read::Whole,
            false => Read::ByIndex,
        }
    }

    /// Whether another condition, that must hold too, can be looked up: then few rows are left for
    /// the one in question.
    pub(in crate::detectors) fn is_narrowed(
        &self,
        table: &TableFacts,
        inputs: &Inputs<'a>,
    ) -> bool {
        self.facts.predicates.iter().any(|predicate| {
            matches!(predicate.operator, Operator::Equal | Operator::In)
                && self.table(predicate.table, inputs).is_some_and(|place| {
                    (&place.table.schema, &place.table.name) == (&table.schema, &table.name)
                })
                && leads_an_index(table, &predicate.column)
        })
    }
}

/// Whether an index begins with the column.
pub(in crate::detectors) fn leads_an_index(table: &TableFacts, column: &str) -> bool {
    let leads = |index: &model::IndexFacts| {
        index.valid && index.columns.first().is_some_and(|first| first == column)
    };
    table.indexes.iter().any(leads)
}
