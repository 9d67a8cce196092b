//! What an index costs those who write.

use crate::detectors::Inputs;
use crate::detectors::catalogue::Place;

/// What one entry of a B-tree takes to write, ms: the way down to a page that is mostly in memory, and
/// its part of the WAL.
const ENTRY_MS: f64 = 0.02;

/// How much longer the window's writes to the table would have taken with one more index, ms. Deleting
/// leaves an index's entries to VACUUM.
pub(super) fn upkeep_ms(place: Place<'_>, inputs: &Inputs<'_>) -> f64 {
    let rows: u64 = inputs
        .statements()
        .filter(|statement| *statement.database == *place.name)
        .filter(|statement| inputs.class(statement.fingerprint) != "DELETE")
        .filter(|statement| {
            inputs.facts(statement.fingerprint).is_some_and(|facts| {
                // The table that a statement writes is the first that it names.
                let target = facts.tables.first().filter(|_| facts.writes);
                let table = target.and_then(|target| inputs.table(place.name, target));
                table.is_some_and(|table| std::ptr::eq(table, place.table))
            })
        })
        .map(|statement| statement.stats.rows)
        .sum();
    rows as f64 * ENTRY_MS
}
