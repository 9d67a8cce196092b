//! Indexes that are not needed.

use model::{IndexCandidate, IndexFacts, TableFacts};

use super::{DatabaseReading, Drop, Pick, WorkloadStatement};
use crate::advisor::definition::{drop_and_undo, is_partitioned, is_there};
use crate::detectors::{Counting, MOST_TIMES_LARGER, UnusedIndexThresholds, is_unused, redundant};
use crate::wording::count;

/// Indexes that another makes needless, and those that nobody uses. Never a unique one: it is a
/// rule about the data.
pub(super) fn drops(
    reading: DatabaseReading<'_>,
    picks: &[Pick],
    workload: &[WorkloadStatement],
) -> Vec<Drop> {
    let least = UnusedIndexThresholds::default();
    let counting = Counting { server: reading.server, now: reading.at, least: &least };
    let mut drops = Vec::new();
    let used = |name: &str| {
        let plans = workload.iter().filter_map(|one| one.plan.as_ref().ok());
        plans.flat_map(|plan| &plan.indexes).any(|index| index == name)
    };
    for table in reading.database.tables.iter().filter(|table| !table.upkeep.partition) {
        for index in table.indexes.iter().filter(|index| may_go(index)) {
            let unused = is_unused(index, table, reading.database, &counting) && !used(&index.name);
            let Some(why) = needless(index, table, picks, unused) else { continue };
            let (sql, undo) = drop_and_undo(table, index);
            drops.push(Drop {
                schema: table.schema.clone(),
                table: table.name.clone(),
                index: index.name.clone(),
                sql,
                undo,
                bytes: index.bytes,
                why,
            });
        }
    }
    drops.sort_by_key(|drop| std::cmp::Reverse(drop.bytes));
    drops
}

/// Whether only queries can miss it.
fn may_go(index: &IndexFacts) -> bool {
    !index.unique && !index.primary && !index.relied_on && !index.building
}

fn needless(
    index: &IndexFacts,
    table: &TableFacts,
    picks: &[Pick],
    unused: bool,
) -> Option<String> {
    if !index.valid {
        // That of a partitioned table lacks one of a partition, which may be on its way.
        let why = "it is not valid: building it failed, and no query can use it";
        return (!is_partitioned(table)).then(|| why.to_owned());
    }
    if let Some(other) = redundant(table, index) {
        return Some(format!("{} does all that it does", other.name));
    }
    let own = as_candidate(index, table);
    let takes_its_place = |pick: &&Pick| {
        pick.index.table == table.name
            && pick.index.schema == table.schema
            && pick.bytes <= index.bytes.saturating_mul(MOST_TIMES_LARGER)
            && own.as_ref().is_some_and(|own| is_there(&as_existing(&pick.index), own))
    };
    if let Some(pick) = picks.iter().find(takes_its_place) {
        let keys = pick.index.columns.join(", ");
        return Some(format!(
            "once the new index on ({keys}) is built, that does all that it does"
        ));
    }
    unused.then(|| {
        format!(
            "no scan since the statistics began, while {} rows of its table were written; look at \
             replicas too, and whether it is new: PostgreSQL does not say when it was built",
            count(table.writes as f64)
        )
    })
}

/// An index that a new one may take the place of: a B-tree of plain columns, each compared and sorted
/// as its type is.
fn as_candidate(index: &IndexFacts, table: &TableFacts) -> Option<IndexCandidate> {
    let plain = index.columns.iter().all(|column| !column.starts_with('('))
        && index.key_clauses.iter().all(String::is_empty);
    (plain && index.method == "btree" && index.predicate.is_none()).then(|| IndexCandidate {
        schema: table.schema.clone(),
        table: table.name.clone(),
        columns: index.columns.clone(),
        include: index.include.clone(),
        ..IndexCandidate::default()
    })
}

fn as_existing(candidate: &IndexCandidate) -> IndexFacts {
    let method = match candidate.method {
        model::IndexMethod::Btree if candidate.expression.is_none() => "btree",
        _ => "",
    };
    IndexFacts {
        method: method.to_owned(),
        valid: true,
        columns: candidate.columns.clone(),
        key_clauses: candidate.operator_class.iter().cloned().collect(),
        include: candidate.include.clone(),
        predicate: candidate.predicate.clone(),
        ..IndexFacts::default()
    }
}
