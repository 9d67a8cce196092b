//! What a plan reads whole. Plans scan partitions; statements and advice are about their tables.

use model::{DatabaseFacts, ScanFacts, TableFacts};

use super::is_partitioned;

/// A sequential scan of a table; of a partitioned one, those of its partitions together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct WholeScan {
    /// Rows that are expected of it.
    pub(crate) rows: f64,
    /// Rows that it reads.
    pub(crate) among: f64,
    /// Its cost, in the planner's units.
    pub(crate) cost: f64,
    /// Whether it filters what it reads.
    pub(crate) filtered: bool,
}

impl WholeScan {
    /// Whether it keeps no more than this share of what it reads.
    pub(crate) fn keeps_at_most(&self, share: f64) -> bool {
        self.rows <= self.among * share
    }
}

/// The plan's sequential scans of `table`, parallel ones included.
pub(crate) fn whole_scans(
    scans: &[ScanFacts],
    table: &TableFacts,
    database: &DatabaseFacts,
) -> Vec<WholeScan> {
    let own = scans.iter().filter(|scan| {
        scan.node.ends_with("Seq Scan") && scanned_table(scan, table, database).is_some()
    });
    let each = own.map(|scan| WholeScan {
        rows: scan.rows,
        among: scanned_table(scan, table, database).map_or(0.0, |read| read.rows.max(0.0)),
        cost: scan.cost,
        filtered: scan.filtered,
    });
    if !is_partitioned(table) {
        return each.collect();
    }
    let sum = each.reduce(|a, b| WholeScan {
        rows: a.rows + b.rows,
        among: a.among + b.among,
        cost: a.cost + b.cost,
        filtered: a.filtered && b.filtered,
    });
    sum.into_iter().collect()
}

/// The table that is scanned, if that is `table` or a partition of it.
pub(crate) fn scanned_table<'a>(
    scan: &ScanFacts,
    table: &'a TableFacts,
    database: &'a DatabaseFacts,
) -> Option<&'a TableFacts> {
    let is = |one: &TableFacts| {
        scan.table == one.name && (scan.schema.is_empty() || scan.schema == one.schema)
    };
    if is(table) {
        return Some(table);
    }
    let is_part = |one: &&TableFacts| {
        is(one)
            && one
                .root
                .as_ref()
                .is_some_and(|(schema, name)| (schema, name) == (&table.schema, &table.name))
    };
    is_partitioned(table).then(|| database.tables.iter().find(is_part)).flatten()
}

#[cfg(test)]
mod tests {
    use model::TableKind;

    use super::*;
    use crate::scene::{shop, table};

    #[test]
    fn scans_of_partitions_are_one_of_their_table() {
        let mut orders = table("orders", 2e6, &[("id", -1.0)]);
        orders.upkeep.kind = TableKind::Partitioned;
        let part = |name: &str| TableFacts {
            root: Some(("public".to_owned(), "orders".to_owned())),
            ..table(name, 1e6, &[("id", -1.0)])
        };
        let other = table("other", 5e6, &[("id", -1.0)]);
        let database = shop(vec![orders, part("orders_1"), part("orders_2"), other]);
        let scan = |table: &str| ScanFacts {
            node: "Seq Scan".to_owned(),
            schema: "public".to_owned(),
            table: table.to_owned(),
            rows: 10.0,
            cost: 100.0,
            filtered: true,
            ..ScanFacts::default()
        };
        let scans = ["orders_1", "orders_2", "other"].map(scan);
        let both = WholeScan { rows: 20.0, among: 2e6, cost: 200.0, filtered: true };
        assert_eq!(whole_scans(&scans, &database.tables[0], &database), [both]);
        assert_eq!(whole_scans(&scans, &database.tables[1], &database)[0].cost, 100.0);
        assert_eq!(whole_scans(&scans[..1], &database.tables[0], &database)[0].among, 1e6);
        assert!(whole_scans(&scans[2..], &database.tables[0], &database).is_empty());
    }
}
