//! Which indexes might help a statement.

use model::{DatabaseFacts, IndexCandidate, IndexFacts, TableFacts};
use sql::{Facts, Operator, TableRef};

use super::statistics::{covers, distinct, indexable, is_served, is_usable, rows_left};
use crate::DetectionSettings;

/// Key columns of an index; more seldom pay.
const MOST_COLUMNS: usize = 3;
/// Equalities are added to an index until this few rows are left.
const ROWS_ENOUGH: f64 = 10.0;
/// Where equalities leave more rows than this, the order or a range is worth a column as well.
const ROWS_WORTH_A_TAIL: f64 = 50.0;
/// Candidates for one statement; each costs the planner an EXPLAIN.
const MOST_CANDIDATES: usize = 6;

/// A candidate, with what the statistics say of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Proposal<'a> {
    /// The index.
    pub(crate) candidate: IndexCandidate,
    /// Its table.
    pub(crate) table: &'a TableFacts,
    /// How many of its leading columns are compared for equality.
    pub(crate) equalities: usize,
    /// Rows that equality on those leaves; none without statistics.
    pub(crate) rows_left: Option<f64>,
    /// It gives the order that a LIMIT asks for.
    pub(crate) ordered: bool,
    /// Its first column is compared with another table's, not with a value.
    pub(crate) joins: bool,
    /// An index with these columns that is not valid.
    pub(crate) invalid: Option<&'a IndexFacts>,
}

/// What a statement asks of one of its tables.
struct Need<'a> {
    table: &'a TableFacts,
    equalities: Vec<&'a str>,
    ranges: Vec<&'a str>,
    joins: Vec<&'a str>,
    /// ORDER BY's columns where they are all this table's and go one way, and LIMIT cuts.
    order: Vec<&'a str>,
}

/// Indexes that might help the statement, the most promising first.
///
/// None that an index at hand makes needless, none on a small table, none on a condition that keeps
/// much of the table.
#[must_use]
pub fn candidates(
    facts: &Facts,
    database: &DatabaseFacts,
    settings: &DetectionSettings,
) -> Vec<IndexCandidate> {
    proposals(facts, database, settings).into_iter().map(|proposal| proposal.candidate).collect()
}

/// The same with what the statistics say.
pub(crate) fn proposals<'a>(
    facts: &'a Facts,
    database: &'a DatabaseFacts,
    settings: &DetectionSettings,
) -> Vec<Proposal<'a>> {
    let needs = needs(facts, database);
    let mut found: Vec<Proposal<'a>> = Vec::new();
    for need in needs.iter().flatten() {
        if need.table.rows < settings.of.missing_index.least_rows {
            continue;
        }
        for proposal in for_table(need, facts, settings) {
            if !found.iter().any(|known| known.candidate == proposal.candidate) {
                found.push(proposal);
            }
        }
    }
    // Values before joins; within them the statement's order of tables stays.
    found.sort_by_key(|proposal| proposal.joins);
    found.truncate(MOST_CANDIDATES);
    found
}

fn resolve<'a>(database: &'a DatabaseFacts, reference: &TableRef) -> Option<&'a TableFacts> {
    let named = |schema: &str| {
        database.tables.iter().find(|t| t.schema == schema && t.name == reference.name)
    };
    match &reference.schema {
        Some(schema) => named(schema),
        None => database.search_path.iter().find_map(|schema| named(schema)),
    }
}

/// One entry for each of the statement's tables; none for those that the catalogue does not have.
fn needs<'a>(facts: &'a Facts, database: &'a DatabaseFacts) -> Vec<Option<Need<'a>>> {
    let mut needs: Vec<Option<Need<'a>>> = facts
        .tables
        .iter()
        .map(|reference| {
            resolve(database, reference).map(|table| Need {
                table,
                equalities: Vec::new(),
                ranges: Vec::new(),
                joins: Vec::new(),
                order: Vec::new(),
            })
        })
        .collect();
    for predicate in &facts.predicates {
        let Some(at) = owner(&needs, predicate.table, &predicate.column) else {
            continue;
        };
        let Some(need) = &mut needs[at] else { continue };
        match predicate.operator {
            Operator::Equal | Operator::In => push_new(&mut need.equalities, &predicate.column),
            Operator::Range => push_new(&mut need.ranges, &predicate.column),
            Operator::Like { .. }
            | Operator::IsNull
            | Operator::IsTrue
            | Operator::Contains
            | Operator::Matches
            | Operator::Other => {}
        }
    }
    for join in &facts.joins {
        let left = owner(&needs, join.left.0, &join.left.1);
        let right = owner(&needs, join.right.0, &join.right.1);
        if left == right {
            continue;
        }
        for (side, column) in [(left, &join.left.1), (right, &join.right.1)] {
            if let Some(need) = side.and_then(|at| needs[at].as_mut()) {
                push_new(&mut need.joins, column);
            }
        }
    }
    order(facts, &mut needs);
    needs
}

fn push_new<'a>(columns: &mut Vec<&'a str>, column: &'a str) {
    if !columns.contains(&column) {
        columns.push(column);
    }
}

/// Which table a column belongs to: the one the text gives, else the only one that has it.
fn owner(needs: &[Option<Need<'_>>], table: Option<usize>, column: &str) -> Option<usize> {
    let has = |at: usize| {
        needs.get(at).and_then(Option::as_ref).is_some_and(|need| indexable(need.table, column))
    };
    if let Some(at) = table {
        return has(at).then_some(at);
    }
    let mut owners = (0..needs.len()).filter(|at| has(*at));
    owners.next().filter(|_| owners.next().is_none())
}

fn order<'a>(facts: &'a Facts, needs: &mut [Option<Need<'a>>]) {
    let Some(first) = facts.order_by.first() else {
        return;
    };
    let one_way = facts.order_by.iter().all(|key| key.descending == first.descending);
    if !facts.limit || !facts.group_by.is_empty() || !one_way {
        return;
    }
    let Some(at) = owner(needs, first.table, &first.column) else {
        return;
    };
    if facts.order_by.iter().any(|key| owner(needs, key.table, &key.column) != Some(at)) {
        return;
    }
    if let Some(need) = &mut needs[at] {
        need.order = facts.order_by.iter().map(|key| key.column.as_str()).collect();
    }
}

fn for_table<'a>(
    need: &Need<'a>,
    facts: &Facts,
    settings: &DetectionSettings,
) -> Vec<Proposal<'a>> {
    let table = need.table;
    let own = enough_equalities(table, &need.equalities);
    let mut found = Vec::new();
    let served = !own.is_empty() && is_served(table, &need.equalities);
    if !served {
        let left = rows_left(table, &own);
        let tail = tail(need, &own, left);
        if !tail.is_empty() {
            found.extend(proposal(need, &own, &tail));
        }
        let selective =
            left.is_none_or(|left| left <= table.rows * settings.of.missing_index.most_kept_ratio);
        if !own.is_empty() && selective {
            found.extend(proposal(need, &own, &[]));
        }
    }
    // Values of its own that leave little make the table the outer side of the join.
    let outer = !own.is_empty()
        && rows_left(table, &own)
            .is_none_or(|left| left <= table.rows * settings.of.missing_index.most_kept_ratio);
    // Someone must be restricted, or the whole of both tables is wanted and no index helps.
    let restricted = facts.limit || !facts.predicates.is_empty();
    if !outer && restricted {
        for column in &need.joins {
            let selective = rows_left(table, &[column])
                .is_none_or(|left| left <= table.rows * settings.of.missing_index.most_kept_ratio);
            if selective && !is_served(table, &[column]) {
                let joins = |proposal| Proposal { joins: true, ..proposal };
                found.extend(proposal(need, &[column], &[]).map(joins));
            }
        }
    }
    found
}

/// The equalities to index: those with the most distinct values first, until few rows are left.
fn enough_equalities<'a>(table: &TableFacts, equalities: &[&'a str]) -> Vec<&'a str> {
    let mut order = equalities.to_vec();
    // Stable: columns without statistics keep the statement's order, behind the others.
    order.sort_by(|a, b| {
        let of = |name: &str| distinct(table, name).unwrap_or(0.0);
        of(b).total_cmp(&of(a))
    });
    let mut chosen: Vec<&str> = Vec::new();
    for column in order.into_iter().take(MOST_COLUMNS) {
        let enough =
            !chosen.is_empty() && rows_left(table, &chosen).is_some_and(|left| left <= ROWS_ENOUGH);
        if enough {
            break;
        }
        chosen.push(column);
    }
    chosen
}

/// The columns behind the equalities: the order that a LIMIT asks for, else one range.
fn tail<'a>(need: &Need<'a>, own: &[&str], left: Option<f64>) -> Vec<&'a str> {
    let few = !own.is_empty() && left.is_some_and(|left| left <= ROWS_WORTH_A_TAIL);
    if few {
        return Vec::new();
    }
    let room = MOST_COLUMNS.saturating_sub(own.len());
    let new = |columns: &[&'a str]| -> Vec<&'a str> {
        columns.iter().copied().filter(|column| !need.equalities.contains(column)).collect()
    };
    let order = new(&need.order);
    if !order.is_empty() && order.len() <= room {
        return order;
    }
    new(&need.ranges).into_iter().take(room.min(1)).collect()
}

fn proposal<'a>(need: &Need<'a>, equalities: &[&str], tail: &[&str]) -> Option<Proposal<'a>> {
    let table = need.table;
    let covering = |index: &&model::IndexFacts| covers(index, equalities, tail);
    if table.indexes.iter().filter(|index| is_usable(index)).any(|index| covering(&index)) {
        return None;
    }
    let invalid = table.indexes.iter().filter(|index| !index.valid).find(covering);
    Some(Proposal {
        candidate: IndexCandidate {
            schema: table.schema.clone(),
            table: table.name.clone(),
            columns: equalities.iter().chain(tail).map(|name| (*name).to_owned()).collect(),
            ..IndexCandidate::default()
        },
        table,
        equalities: equalities.len(),
        rows_left: if equalities.is_empty() { None } else { rows_left(table, equalities) },
        ordered: !tail.is_empty() && need.order.starts_with(&tail[..1]),
        joins: false,
        invalid,
    })
}

#[cfg(test)]
mod tests;
