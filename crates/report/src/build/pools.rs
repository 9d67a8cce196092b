//! The pools.

use std::collections::BTreeSet;

use model::{PoolKey, PoolMinute, Snapshot, WindowStats};

use super::select::Selected;
use crate::numbers::{by_code, rounded, share};
use crate::view::PoolReport;

/// The pools of the databases selected. Pools are not told apart by application.
pub(super) fn pools(
    snapshot: &Snapshot,
    window: &WindowStats,
    selected: &Selected<'_>,
) -> Vec<PoolReport> {
    let mut keys: BTreeSet<&PoolKey> = window.pools.keys().collect();
    keys.extend(snapshot.pools.iter().map(|status| &status.key));
    let seconds = window.until.duration_since(window.since).as_secs_f64();
    keys.into_iter()
        .filter(|key| selected.has_database(&key.database))
        .map(|key| pool(snapshot, window.pools.get(key), key, seconds))
        .collect()
}

fn pool(
    snapshot: &Snapshot,
    minutes: Option<&PoolMinute>,
    key: &PoolKey,
    seconds: f64,
) -> PoolReport {
    let now = snapshot.pools.iter().find(|status| status.key == *key);
    let empty = PoolMinute::default();
    let stats = minutes.unwrap_or(&empty);
    let size = now.map_or(stats.size, |status| status.size);
    PoolReport {
        database: key.database.to_string(),
        user: key.user.to_string(),
        mode: now.map(|status| status.mode),
        size,
        clients_active: now.map_or(0, |status| status.clients_active),
        clients_waiting: now.map_or(0, |status| status.clients_waiting),
        most_waiting: stats.most_waiting,
        most_active: stats.most_active,
        transactions: stats.held.count(),
        busy_ratio: share(stats.held.sum_ms(), f64::from(size) * seconds * 1e3).min(1.0),
        waiting_ratio: share(stats.samples_waiting as f64, stats.samples as f64),
        wait_p50_ms: rounded(stats.wait.quantile_ms(0.5)),
        wait_p95_ms: rounded(stats.wait.quantile_ms(0.95)),
        wait_max_ms: rounded(stats.wait.max_ms()),
        held_p95_ms: rounded(stats.held.quantile_ms(0.95)),
        connect_failures: by_code(&stats.connect_failures),
    }
}
