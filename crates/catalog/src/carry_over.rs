//! Which plans outlive a new reading of the catalogue.

use std::collections::HashMap;

use model::{DatabaseFacts, IndexFacts, PlanAnswer};

/// The tables of a database by schema and name, with their indexes.
type IndexesByTable<'facts> = HashMap<(&'facts str, &'facts str), &'facts [IndexFacts]>;

/// Copies into `current` the plans of `previous` that still hold: those of tables whose indexes
/// are as they were. When HypoPG came or went, none does.
pub(crate) fn carry_plans(previous: &DatabaseFacts, current: &mut DatabaseFacts) {
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
    fn plans_are_asked_anew_when_hypopg_comes() {
        let previous = planned(vec![], "orders");
        let mut current = database(vec![]);
        current.hypopg = true;
        carry_plans(&previous, &mut current);
        assert!(current.plans.is_empty());
    }
}
