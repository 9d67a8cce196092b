//! What cannot be judged whatever the statements are.

use std::collections::BTreeSet;

use model::DatabaseFacts;

use super::{Case, DatabaseReading};
use crate::advisor::is_partitioned;
use crate::detectors::{Counting, UnusedIndexThresholds};

/// Partitioned tables that the statements name: the planner cannot be asked about them.
pub(super) fn tables(
    cases: &[Case<'_>],
    database: &DatabaseFacts,
    planner: bool,
) -> Vec<(String, String)> {
    let named: BTreeSet<usize> = cases
        .iter()
        .flat_map(|case| &case.demands)
        .filter(|demand| planner && is_partitioned(demand.table))
        .map(|demand| demand.position)
        .collect();
    let tables = named.into_iter().filter_map(|at| database.tables.get(at));
    tables
        .map(|table| {
            let what = format!("B-trees of {}.{}", table.schema, table.name);
            let why = "it is partitioned, and HypoPG imagines no index on a partitioned table";
            (what, why.to_owned())
        })
        .collect()
}

/// Indexes of which it is too early to say anything.
pub(super) fn indexes(reading: DatabaseReading<'_>) -> Vec<(String, String)> {
    let mut list = Vec::new();
    for table in &reading.database.tables {
        for index in table.indexes.iter().filter(|index| index.building) {
            list.push((
                format!("index {} of {}.{}", index.name, table.schema, table.name),
                "it is not valid, and may be being built right now".to_owned(),
            ));
        }
    }
    let least = UnusedIndexThresholds::default();
    let counting = Counting { server: reading.server, now: reading.at, least: &least };
    if !counting.suffices(reading.database) {
        let why = match reading.server {
            Some(server) if server.in_recovery => {
                "this is a standby, which counts what is read here only".to_owned()
            }
            _ => format!(
                "the server has not counted scans for {} hours yet, or does not say since when",
                least.least_age.as_secs() / 3_600
            ),
        };
        list.push(("indexes that nothing reads".to_owned(), why));
    }
    list
}
