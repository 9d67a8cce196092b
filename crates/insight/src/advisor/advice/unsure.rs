//! What cannot be judged whatever the statements are.

use super::DatabaseReading;
use crate::detectors::{Counting, UnusedIndexThresholds};

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
