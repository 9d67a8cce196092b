//! Indexes that are not needed.

use model::{DatabaseFacts, IndexCandidate, IndexFacts, TableFacts};

use super::{Drop, Pick, WorkloadStatement};
use crate::advisor::definition::is_there;
use crate::advisor::quoted;

/// Smaller ones cost next to nothing, bytes.
const LEAST_BYTES: u64 = 1 << 20;
/// Before so many scans of a table its counters say nothing.
const LEAST_SCANS: u64 = 1_000;

/// Indexes that another makes needless, and those that nobody uses. Never a unique one: it is a
/// rule about the data.
pub(super) fn drops(
    database: &DatabaseFacts,
    picks: &[Pick],
    workload: &[WorkloadStatement],
) -> Vec<Drop> {
    let used = |name: &str| {
        let plans = workload.iter().filter_map(|one| one.plan.as_ref().ok());
        plans.flat_map(|plan| &plan.indexes).any(|index| index == name)
    };
    let mut drops = Vec::new();
    for table in &database.tables {
        for index in table.indexes.iter().filter(|index| may_go(index)) {
            let Some(why) = needless(index, table, picks, used(&index.name)) else { continue };
            let (schema, name) = (quoted(&table.schema), quoted(&index.name));
            drops.push(Drop {
                schema: table.schema.clone(),
                table: table.name.clone(),
                index: index.name.clone(),
                sql: format!("DROP INDEX CONCURRENTLY {schema}.{name};"),
                undo: index.definition.as_ref().map(|sql| rebuilt(sql)),
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
    !index.unique && !index.primary && !index.relied_on
}

fn needless(
    index: &IndexFacts,
    table: &TableFacts,
    picks: &[Pick],
    used_by_a_plan: bool,
) -> Option<String> {
    if !index.valid {
        return Some("it is not valid: building it failed, and no query can use it".to_owned());
    }
    let better = table.indexes.iter().find(|other| replaces(other, index));
    if let Some(other) = better {
        return Some(format!("{} does all that it does", other.name));
    }
    let as_facts = |pick: &Pick| as_existing(&pick.index);
    let own_part = |pick: &&Pick| {
        pick.index.table == table.name
            && pick.index.schema == table.schema
            && as_candidate(index, table).is_some_and(|own| is_there(&as_facts(pick), &own))
    };
    if let Some(pick) = picks.iter().find(own_part) {
        let keys = pick.index.columns.join(", ");
        return Some(format!(
            "once the new index on ({keys}) is built, that does all that it does"
        ));
    }
    let watched = table.index_scans + table.sequential_scans >= LEAST_SCANS;
    (index.scans == 0 && !used_by_a_plan && watched && index.bytes >= LEAST_BYTES).then(|| {
        format!(
            "no scan since the statistics began, in {} scans of its table; look at replicas too",
            table.index_scans + table.sequential_scans
        )
    })
}

/// Whether `other` makes `index` needless; of two alike, the first by name stays.
fn replaces(other: &IndexFacts, index: &IndexFacts) -> bool {
    let both = other.valid
        && other.name != index.name
        && other.method == index.method
        && other.predicate == index.predicate;
    let keys = other.columns.starts_with(&index.columns)
        && other.key_options.starts_with(&index.key_options);
    let carried =
        index.include.iter().all(|one| other.include.contains(one) || other.columns.contains(one));
    let alike = keys && other.columns == index.columns && other.include == index.include;
    // A longer B-tree does the work of a shorter one; other methods have no prefixes.
    let fits = alike || (keys && index.method == "btree");
    let stays = !alike || other.unique || other.name < index.name;
    both && fits && carried && stays
}

/// The index's definition, as it is built while others write.
fn rebuilt(definition: &str) -> String {
    format!("{};", definition.replacen("CREATE INDEX ", "CREATE INDEX CONCURRENTLY ", 1))
}

fn as_candidate(index: &IndexFacts, table: &TableFacts) -> Option<IndexCandidate> {
    let plain = index.columns.iter().all(|column| !column.starts_with('('));
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
        include: candidate.include.clone(),
        predicate: candidate.predicate.clone(),
        ..IndexFacts::default()
    }
}
