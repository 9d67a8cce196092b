//! What is summed up of transactions, of a kind of clients or of a database.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::{ById, LabelId, Labels, TransactionEvent, TransactionStats};

use super::places::{self, Places};

pub(super) fn add(stats: &mut TransactionStats, event: &TransactionEvent) {
    stats.transactions += 1;
    if event.block {
        stats.blocks += 1;
        stats.block_duration.record(event.duration);
        stats.block_statements += u64::from(event.statements);
    }
    if let Some(reason) = event.pinned {
        stats.pinned += 1;
        *stats.pin_reasons.entry(reason.into()).or_default() += 1;
    }
    stats.duration += event.duration;
    stats.wait += event.wait;
    stats.idle += event.idle;
    if event.longest_idle > stats.longest_idle {
        stats.longest_idle = event.longest_idle;
        stats.idle_after = event.idle_after;
    }
    stats.statements += u64::from(event.statements);
    stats.client_parses += u64::from(event.client_parses);
    stats.server_parses += u64::from(event.server_parses);
    stats.binds += u64::from(event.binds);
    stats.bytes_received += event.bytes_received;
    stats.bytes_sent += event.bytes_sent;
}

/// Of kinds whose names are known, by database.
pub(super) fn by_database(
    transactions: &ById<LabelId, TransactionStats>,
    labels: &HashMap<LabelId, Arc<Labels>>,
    places: &mut Places,
) -> BTreeMap<Arc<str>, TransactionStats> {
    let mut by_database: Vec<TransactionStats> = Vec::new();
    for (id, stats) in transactions {
        if let Some(labels) = labels.get(id) {
            let database = places.databases.admit(Arc::clone(&labels.database));
            places::at(&mut by_database, database).merge(stats);
        }
    }
    named(places, &by_database)
}

/// Of the databases at these places, by name, those that have any.
pub(super) fn named(
    places: &Places,
    counts: &[TransactionStats],
) -> BTreeMap<Arc<str>, TransactionStats> {
    let counted = places.databases.name(counts).filter(|(_, stats)| stats.transactions > 0);
    counted.map(|(name, stats)| (Arc::clone(name), stats.clone())).collect()
}
