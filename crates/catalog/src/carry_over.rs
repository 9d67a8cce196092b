//! What outlives a new reading of the catalogue: plans, and counters to compare the new ones with.

use std::collections::HashMap;

use jiff::Timestamp;
use model::{DatabaseFacts, IndexFacts, PlanAnswer, ServerFacts};

/// How long counters are kept, s: as long as the window that detectors look at by default.
const KEPT_S: i64 = 15 * 60;
/// Readings kept, whatever their distance.
const READINGS: usize = 120;

/// The tables of a database by schema and name, with their indexes.
type IndexesByTable<'facts> = HashMap<(&'facts str, &'facts str), &'facts [IndexFacts]>;

/// Copies into `current` what `previous` knows and a reading cannot tell.
pub(crate) fn carry_over(previous: &DatabaseFacts, current: &mut DatabaseFacts) {
    carry_plans(previous, current);
    carry_first_seen(previous, current);
    current.plan_history.clone_from(&previous.plan_history);
    if let Some(now) = current.upkeep.counters.last().map(|one| one.at) {
        prepend(&previous.upkeep.counters, &mut current.upkeep.counters, now, |one| one.at);
    }
}

/// The same for a server.
pub(crate) fn carry_over_server(previous: &ServerFacts, current: &mut ServerFacts) {
    let now = current.read_at.unwrap_or_default();
    prepend(&previous.checkpoints, &mut current.checkpoints, now, |one| one.at);
    prepend(&previous.lock_queues, &mut current.lock_queues, now, |one| one.at);
    current.locks_read_at = previous.locks_read_at;
}

/// Says of the valid indexes of a reading at `now` that they were seen then.
pub(crate) fn first_seen(current: &mut DatabaseFacts, now: Timestamp) {
    let indexes = current.tables.iter_mut().flat_map(|table| &mut table.indexes);
    for index in indexes.filter(|index| index.valid) {
        index.first_seen = Some(now);
    }
}

/// An index that was there before is as old as it was.
fn carry_first_seen(previous: &DatabaseFacts, current: &mut DatabaseFacts) {
    let before = indexes_by_table(previous);
    for table in &mut current.tables {
        let Some(known) = before.get(&(table.schema.as_str(), table.name.as_str())) else {
            continue;
        };
        for index in &mut table.indexes {
            let same = known.iter().find(|one| one.name == index.name);
            if let Some(known) = same.filter(|known| same_definition(known, index)) {
                index.first_seen = known.first_seen;
            }
        }
    }
}

/// Puts readings of before in front of those of now, as far as they are worth keeping.
fn prepend<T: Clone>(
    before: &[T],
    after: &mut Vec<T>,
    now: Timestamp,
    at: impl Fn(&T) -> Timestamp,
) {
    let fresh = before.iter().filter(|one| now.as_second() - at(one).as_second() <= KEPT_S);
    let mut all: Vec<T> = fresh.cloned().collect();
    all.append(after);
    let surplus = all.len().saturating_sub(READINGS);
    all.drain(..surplus);
    *after = all;
}

/// Copies into `current` the plans of `previous` that still hold: those of tables whose indexes
/// are as they were. When HypoPG came or went, none does.
fn carry_plans(previous: &DatabaseFacts, current: &mut DatabaseFacts) {
    if previous.hypopg != current.hypopg {
        return;
    }
    let before = indexes_by_table(previous);
    let now = indexes_by_table(current);
    let plans = previous
        .plans
        .iter()
        .filter(|(_, plan)| {
            tables_of(plan)
                .all(|table| same_indexes(before.get(&table).copied(), now.get(&table).copied()))
        })
        .map(|(fingerprint, plan)| (*fingerprint, plan.clone()))
        .collect();
    current.plans = plans;
}

fn indexes_by_table(facts: &DatabaseFacts) -> IndexesByTable<'_> {
    facts
        .tables
        .iter()
        .map(|table| ((table.schema.as_str(), table.name.as_str()), table.indexes.as_slice()))
        .collect()
}

/// The tables that a plan reads, or would with a candidate.
fn tables_of(plan: &PlanAnswer) -> impl Iterator<Item = (&str, &str)> {
    let scanned = plan.scans.iter().map(|scan| (scan.schema.as_str(), scan.table.as_str()));
    let imagined = plan
        .what_if
        .iter()
        .map(|what_if| (what_if.candidate.schema.as_str(), what_if.candidate.table.as_str()));
    scanned.chain(imagined)
}

/// A table that was not read (a system table, one beyond the limit) has no indexes both times.
fn same_indexes(before: Option<&[IndexFacts]>, now: Option<&[IndexFacts]>) -> bool {
    match (before, now) {
        (None, None) => true,
        (Some(before), Some(now)) => {
            before.len() == now.len()
                && before.iter().zip(now).all(|(before, now)| same_definition(before, now))
        }
        _ => false,
    }
}

/// Size and scans change all the time and change no plan.
fn same_definition(before: &IndexFacts, now: &IndexFacts) -> bool {
    let mut before = before.clone();
    before.bytes = now.bytes;
    before.scans = now.scans;
    before.entries_read = now.entries_read;
    before.definition.clone_from(&now.definition);
    before.first_seen = now.first_seen;
    before == *now
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{FingerprintId, ScanFacts, TableFacts};

    const STATEMENT: FingerprintId = FingerprintId(1);

    fn index(name: &str) -> IndexFacts {
        IndexFacts { name: name.to_owned(), valid: true, ..IndexFacts::default() }
    }

    fn database(indexes: Vec<IndexFacts>) -> DatabaseFacts {
        let orders = TableFacts {
            schema: "public".to_owned(),
            name: "orders".to_owned(),
            indexes,
            ..TableFacts::default()
        };
        DatabaseFacts { tables: vec![orders], ..DatabaseFacts::default() }
    }

    fn planned(indexes: Vec<IndexFacts>, table: &str) -> DatabaseFacts {
        let scan = ScanFacts {
            node: "Seq Scan".to_owned(),
            schema: "public".to_owned(),
            table: table.to_owned(),
            rows: 1.0,
            cost: 10.0,
            filtered: true,
            ..ScanFacts::default()
        };
        let mut facts = database(indexes);
        facts.plans.insert(STATEMENT, PlanAnswer { scans: vec![scan], ..PlanAnswer::default() });
        facts
    }

    #[test]
    fn a_plan_survives_growth_and_use() {
        let previous = planned(vec![index("orders_pkey")], "orders");
        let mut grown = index("orders_pkey");
        grown.bytes = 8192;
        grown.scans = 3;
        let mut current = database(vec![grown]);
        carry_plans(&previous, &mut current);
        assert!(current.plans.contains_key(&STATEMENT));
    }

    #[test]
    fn a_plan_goes_when_an_index_comes_goes_or_becomes_valid() {
        let previous = planned(vec![index("orders_pkey")], "orders");
        let mut invalid = index("orders_pkey");
        invalid.valid = false;
        for indexes in [vec![], vec![index("orders_pkey"), index("new")], vec![invalid]] {
            let mut current = database(indexes);
            carry_plans(&previous, &mut current);
            assert!(current.plans.is_empty());
        }
    }

    #[test]
    fn a_plan_of_a_table_that_is_not_read_stays() {
        let previous = planned(vec![], "pg_class");
        let mut current = database(vec![index("new")]);
        carry_plans(&previous, &mut current);
        assert!(current.plans.contains_key(&STATEMENT));
    }

    #[test]
    fn an_index_is_as_old_as_its_first_reading_and_a_new_one_is_new() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let seen = |names: &[&str], second| {
            let mut facts = database(names.iter().map(|name| index(name)).collect());
            first_seen(&mut facts, at(second));
            facts
        };
        let mut previous = seen(&["old", "invalid", "remade"], 100);
        previous.tables[0].indexes[1].valid = false;
        let mut current = seen(&["old", "invalid", "remade", "new"], 200);
        current.tables[0].indexes[2].columns = vec!["other".to_owned()];
        carry_over(&previous, &mut current);
        let ages: Vec<_> = current.tables[0].indexes.iter().map(|one| one.first_seen).collect();
        assert_eq!(ages, [100, 200, 200, 200].map(|second| Some(at(second))));
    }

    #[test]
    fn counters_of_the_last_quarter_of_an_hour_are_kept() {
        let at = |second| model::CheckpointCounters {
            at: Timestamp::from_second(second).unwrap(),
            timed: 0,
            requested: 0,
        };
        let of = |seconds: &[i64]| ServerFacts {
            read_at: Timestamp::from_second(1_000).ok(),
            checkpoints: seconds.iter().map(|second| at(*second)).collect(),
            ..ServerFacts::default()
        };
        let mut current = of(&[1_000]);
        carry_over_server(&of(&[50, 99, 100, 500]), &mut current);
        assert_eq!(current, of(&[100, 500, 1_000]));
    }

    #[test]
    fn plans_are_asked_anew_when_hypopg_comes() {
        let previous = planned(vec![], "orders");
        let mut current = database(vec![]);
        current.hypopg = true;
        carry_plans(&previous, &mut current);
        assert!(current.plans.is_empty());
    }
}
