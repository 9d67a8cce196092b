//! What a statement asks of its tables, names looked up in the catalogue.

use std::collections::BTreeSet;

use model::{DatabaseFacts, TableFacts};
use sql::{ComputedPredicate, Facts, Operator, TableRef};

use super::is_immutable;
use super::statistics::column;

/// What a statement asks of one of the tables that it names.
#[derive(Clone, Debug)]
pub(super) struct Demand<'a> {
    /// Position in [`DatabaseFacts::tables`].
    pub(super) position: usize,
    pub(super) table: &'a TableFacts,
    /// Every column that the statement names.
    pub(super) columns: BTreeSet<String>,
    /// It wants all columns.
    pub(super) whole: bool,
    pub(super) equalities: Vec<String>,
    pub(super) ranges: Vec<String>,
    pub(super) joins: Vec<String>,
    pub(super) groups: Vec<String>,
    /// ORDER BY's columns where they are all this table's and go one way.
    pub(super) order: Vec<String>,
    /// Columns of conditions of which one of several must hold.
    pub(super) alternatives: Vec<String>,
    /// Conditions that may stand in a partial index, and their column.
    pub(super) fixed: Vec<(String, String)>,
    /// LIKE with a fixed beginning, or one that is not known.
    pub(super) prefixes: Vec<String>,
    /// LIKE that only trigrams answer.
    pub(super) patterns: Vec<String>,
    /// `@>` and its like, `@@`.
    pub(super) contained: Vec<String>,
    pub(super) computed: Vec<&'a ComputedPredicate>,
}

/// One entry for each table that the statement names and the catalogue knows.
pub(super) fn demands<'a>(facts: &'a Facts, database: &'a DatabaseFacts) -> Vec<Demand<'a>> {
    let mut reading = Reading {
        demands: facts
            .tables
            .iter()
            .map(|reference| {
                let position = position(database, reference)?;
                Some(Demand::new(position, database.tables.get(position)?))
            })
            .collect(),
    };
    reading.columns(facts);
    reading.conditions(facts);
    reading.joins(facts);
    reading.order(facts);
    reading.demands.into_iter().flatten().collect()
}

fn position(database: &DatabaseFacts, reference: &TableRef) -> Option<usize> {
    let named = |schema: &str| {
        database.tables.iter().position(|t| t.schema == schema && t.name == reference.name)
    };
    match &reference.schema {
        Some(schema) => named(schema),
        None => database.search_path.iter().find_map(|schema| named(schema)),
    }
}

struct Reading<'a> {
    /// In the order of [`Facts::tables`].
    demands: Vec<Option<Demand<'a>>>,
}

impl<'a> Reading<'a> {
    /// The table that has the column: the one that the text gives, else the first that has it. A
    /// bare name in a subquery may be a column of the query around it.
    fn owner(&mut self, hint: Option<usize>, name: &str) -> Option<&mut Demand<'a>> {
        let at = self.owner_position(hint, name)?;
        self.demands.get_mut(at)?.as_mut()
    }

    fn owner_position(&self, hint: Option<usize>, name: &str) -> Option<usize> {
        let has = |at: &usize| {
            let demand = self.demands.get(*at).and_then(Option::as_ref);
            demand.is_some_and(|demand| column(demand.table, name).is_some())
        };
        hint.filter(has).or_else(|| (0..self.demands.len()).find(has))
    }

    fn columns(&mut self, facts: &Facts) {
        for (table, name) in &facts.columns {
            if let Some(demand) = self.owner(*table, name) {
                demand.columns.insert(name.clone());
            }
        }
        for at in &facts.whole {
            if let Some(Some(demand)) = self.demands.get_mut(*at) {
                demand.whole = true;
            }
        }
    }

    fn conditions(&mut self, facts: &'a Facts) {
        for one in &facts.predicates {
            let Some(demand) = self.owner(one.table, &one.column) else { continue };
            let name = &one.column;
            let quoted = super::quoted(name);
            match one.operator {
                Operator::Equal | Operator::In => {
                    push_new(&mut demand.equalities, name);
                    if let (Operator::Equal, Some(constant)) = (one.operator, &one.constant) {
                        let condition = format!("{quoted} = {constant}");
                        push_pair(&mut demand.fixed, name, condition);
                    }
                }
                Operator::Range => push_new(&mut demand.ranges, name),
                Operator::IsNull => {
                    push_pair(&mut demand.fixed, name, format!("{quoted} IS NULL"));
                    push_new(&mut demand.equalities, name);
                }
                Operator::IsTrue => push_pair(&mut demand.fixed, name, quoted),
                Operator::Like { leading_wildcard, case_insensitive } => {
                    let trigrams = case_insensitive || leading_wildcard == Some(true);
                    if trigrams {
                        push_new(&mut demand.patterns, name);
                    } else if leading_wildcard == Some(false) {
                        push_new(&mut demand.prefixes, name);
                    }
                }
                Operator::Contains | Operator::Matches => push_new(&mut demand.contained, name),
                Operator::Other => {}
            }
        }
        for one in &facts.alternatives {
            if let Some(demand) = self.owner(one.table, &one.column)
                && matches!(one.operator, Operator::Equal | Operator::In | Operator::Range)
            {
                push_new(&mut demand.alternatives, &one.column);
            }
        }
        for one in &facts.computed {
            if let Some(first) = one.columns.first()
                && let Some(demand) = self.owner(one.table, first)
                && is_immutable(one, demand.table)
            {
                demand.computed.push(one);
            }
        }
    }

    fn joins(&mut self, facts: &Facts) {
        for join in &facts.joins {
            let left = self.owner_position(join.left.0, &join.left.1);
            let right = self.owner_position(join.right.0, &join.right.1);
            if left == right {
                continue;
            }
            for (at, name) in [(left, &join.left.1), (right, &join.right.1)] {
                if let Some(demand) = at.and_then(|at| self.demands[at].as_mut()) {
                    push_new(&mut demand.joins, name);
                    demand.columns.insert(name.clone());
                }
            }
        }
        for (table, name) in &facts.group_by {
            if let Some(demand) = self.owner(*table, name) {
                push_new(&mut demand.groups, name);
            }
        }
    }

    fn order(&mut self, facts: &Facts) {
        let Some(first) = facts.order_by.first() else { return };
        let Some(at) = self.owner_position(first.table, &first.column) else { return };
        let here = facts.order_by.iter().all(|key| {
            key.descending == first.descending
                && self.owner_position(key.table, &key.column) == Some(at)
        });
        if let (true, Some(demand)) = (here, self.demands[at].as_mut()) {
            demand.order = facts.order_by.iter().map(|key| key.column.clone()).collect();
        }
    }
}

impl<'a> Demand<'a> {
    fn new(position: usize, table: &'a TableFacts) -> Self {
        Self {
            position,
            table,
            columns: BTreeSet::new(),
            whole: false,
            equalities: Vec::new(),
            ranges: Vec::new(),
            joins: Vec::new(),
            groups: Vec::new(),
            order: Vec::new(),
            alternatives: Vec::new(),
            fixed: Vec::new(),
            prefixes: Vec::new(),
            patterns: Vec::new(),
            contained: Vec::new(),
            computed: Vec::new(),
        }
    }
}

fn push_new(list: &mut Vec<String>, name: &str) {
    if !list.iter().any(|known| known == name) {
        list.push(name.to_owned());
    }
}

fn push_pair(list: &mut Vec<(String, String)>, name: &str, condition: String) {
    if !list.iter().any(|(_, known)| *known == condition) {
        list.push((name.to_owned(), condition));
    }
}
