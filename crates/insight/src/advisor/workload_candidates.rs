//! Candidates over a whole workload: many, since the planner is asked about each.

use std::collections::BTreeMap;

use model::{ColumnFacts, IndexCandidate, TableFacts};
use sql::Operator;

use super::definition::is_coming;
use super::demand::Demand;
use super::statistics::{column, distinct, indexable};

/// Smaller tables, rows, are read whole faster than through an index.
const LEAST_ROWS: f64 = 1_000.0;
/// Columns of one table in one statement that are paired with each other.
const MOST_PAIRED: usize = 8;
/// Columns that an index carries along for one statement.
const MOST_INCLUDED: usize = 6;
/// Equalities in one index.
const MOST_EQUALITIES: usize = 4;
/// Values of a column that a condition may pick one of, for a partial index.
const MOST_STATES: f64 = 100.0;

/// The candidates of one workload, with the weight of the statements that want each.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    wanted: BTreeMap<IndexCandidate, f64>,
    /// Fixed conditions, and how many statements have them.
    fixed: BTreeMap<(usize, String), usize>,
}

impl Candidates {
    /// Notes the fixed conditions of one statement; before any [`Self::add`].
    pub(super) fn count_fixed(&mut self, demands: &[Demand<'_>]) {
        for demand in demands {
            for (_, condition) in &demand.fixed {
                *self.fixed.entry((demand.position, condition.clone())).or_default() += 1;
            }
        }
    }

    /// Adds what would help a statement that is worth `weight`.
    pub(super) fn add(&mut self, demand: &Demand<'_>, weight: f64) {
        if demand.table.rows < LEAST_ROWS {
            return;
        }
        let keys = keys(demand);
        for columns in &keys {
            self.want(demand, plain(demand, columns), weight);
            if let Some(include) = carried(demand, columns) {
                self.want(demand, IndexCandidate { include, ..plain(demand, columns) }, weight);
            }
        }
        self.partial(demand, &keys, weight);
        self.expressions(demand, weight);
        for name in &demand.prefixes {
            if let Some(class) = pattern_class(demand.table, name) {
                let operator_class = Some(class.to_owned());
                let columns = std::slice::from_ref(name);
                self.want(
                    demand,
                    IndexCandidate { operator_class, ..plain(demand, columns) },
                    weight,
                );
            }
        }
    }

    /// The candidates, those that are wanted most first, at most so many.
    pub(super) fn finish(self, most: usize) -> Vec<IndexCandidate> {
        let mut all: Vec<_> = self.wanted.into_iter().collect();
        // Stable: what is wanted alike stays in the order of names.
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all.truncate(most);
        all.into_iter().map(|(candidate, _)| candidate).collect()
    }

    fn want(&mut self, demand: &Demand<'_>, candidate: IndexCandidate, weight: f64) {
        if !demand.table.indexes.iter().any(|index| is_coming(index, &candidate)) {
            *self.wanted.entry(candidate).or_default() += weight;
        }
    }

    /// Indexes over the part of the table that the statement is about, where others are about the
    /// same part, or it is a state that cannot be a parameter.
    fn partial(&mut self, demand: &Demand<'_>, keys: &[Vec<String>], weight: f64) {
        for (name, condition) in &demand.fixed {
            let statements = self.fixed.get(&(demand.position, condition.clone()));
            let shared = statements.is_some_and(|count| *count > 1);
            let is_state = !condition.contains(" = ") || shared;
            let few = distinct(demand.table, name).is_some_and(|count| count <= MOST_STATES)
                || condition.ends_with("IS NULL");
            if !is_state || !few {
                continue;
            }
            let mut shortened: Vec<Vec<String>> = Vec::new();
            for columns in keys {
                let rest: Vec<String> = columns.iter().filter(|c| *c != name).cloned().collect();
                if !rest.is_empty() && !shortened.contains(&rest) {
                    shortened.push(rest);
                }
            }
            if shortened.is_empty() {
                // Nothing else to look by: any narrow key will do, the rows are few.
                let key = demand.table.columns.first().map(|column| column.name.clone());
                shortened.extend(key.map(|key| vec![key]));
            }
            for columns in shortened {
                let predicate = Some(condition.clone());
                let candidate = IndexCandidate { predicate, ..plain(demand, &columns) };
                self.want(demand, candidate, weight);
            }
        }
    }

    fn expressions(&mut self, demand: &Demand<'_>, weight: f64) {
        for one in &demand.computed {
            if !matches!(one.operator, Operator::Equal | Operator::In | Operator::Range) {
                continue;
            }
            let expression = Some(one.expression.clone());
            let alone = IndexCandidate { expression, ..plain(demand, &[]) };
            for column in demand.equalities.iter().take(1) {
                let columns = vec![column.clone()];
                self.want(demand, IndexCandidate { columns, ..alone.clone() }, weight);
            }
            self.want(demand, alone, weight);
        }
    }
}

/// Key columns, each list once.
fn keys(demand: &Demand<'_>) -> Vec<Vec<String>> {
    let table = demand.table;
    let own = |list: &[String]| -> Vec<String> {
        list.iter().filter(|name| indexable(table, name)).cloned().collect()
    };
    let mut equalities = own(&demand.equalities);
    equalities.sort_by(|a, b| {
        let of = |name: &str| distinct(table, name).unwrap_or(0.0);
        of(b).total_cmp(&of(a))
    });
    equalities.truncate(MOST_EQUALITIES);
    let (ranges, joins) = (own(&demand.ranges), own(&demand.joins));
    let (order, groups) = (own(&demand.order), own(&demand.groups));
    let mut keys = Keys::default();
    let tails = || ranges.iter().map(std::slice::from_ref).chain([&*order, &*groups]);
    for tail in tails() {
        keys.push(&[&equalities, tail]);
    }
    for join in joins.iter().map(std::slice::from_ref) {
        keys.push(&[join, &equalities]);
        keys.push(&[&equalities, join]);
        for tail in tails() {
            keys.push(&[join, &equalities, tail]);
        }
    }
    keys.push(&[&joins]);
    let mut singles: Vec<String> = Vec::new();
    for name in [&equalities, &joins, &ranges, &order, &groups, &own(&demand.alternatives)]
        .into_iter()
        .flatten()
    {
        if !singles.contains(name) {
            singles.push(name.clone());
        }
    }
    for first in &singles {
        keys.push(&[std::slice::from_ref(first)]);
        for second in singles.iter().take(MOST_PAIRED) {
            keys.push(&[std::slice::from_ref(first), std::slice::from_ref(second)]);
        }
    }
    keys.lists
}

#[derive(Default)]
struct Keys {
    lists: Vec<Vec<String>>,
}

impl Keys {
    /// Joins the parts, each column once.
    fn push(&mut self, parts: &[&[String]]) {
        let mut list: Vec<String> = Vec::new();
        for name in parts.iter().copied().flatten() {
            if !list.contains(name) {
                list.push(name.clone());
            }
        }
        if !list.is_empty() && !self.lists.contains(&list) {
            self.lists.push(list);
        }
    }
}

/// The other columns that the statement wants of the table, so that the index answers alone.
fn carried(demand: &Demand<'_>, keys: &[String]) -> Option<Vec<String>> {
    let rest: Vec<String> =
        demand.columns.iter().filter(|name| !keys.contains(name)).cloned().collect();
    let fits = |name: &String| indexable(demand.table, name);
    let worth = !demand.whole && !rest.is_empty() && rest.len() <= MOST_INCLUDED;
    (worth && rest.iter().all(fits)).then_some(rest)
}

fn plain(demand: &Demand<'_>, columns: &[String]) -> IndexCandidate {
    IndexCandidate {
        schema: demand.table.schema.clone(),
        table: demand.table.name.clone(),
        columns: columns.to_vec(),
        ..IndexCandidate::default()
    }
}

/// The operator class by which a B-tree answers `LIKE 'abc%'` whatever the collation is (PostgreSQL
/// manual, 11.10).
fn pattern_class(table: &TableFacts, name: &str) -> Option<&'static str> {
    let ColumnFacts { type_name, .. } = column(table, name)?;
    if type_name.starts_with("character varying") {
        Some("varchar_pattern_ops")
    } else if type_name.starts_with("character") {
        Some("bpchar_pattern_ops")
    } else {
        (type_name == "text").then_some("text_pattern_ops")
    }
}

#[cfg(test)]
mod tests;
