//! The window's statements, one entry for each fingerprint and database.

use std::collections::HashMap;
use std::sync::Arc;

use model::{FingerprintId, QueryStats, Snapshot, WindowStats};

/// One fingerprint in one database over all users and applications.
#[derive(Clone, Debug)]
pub struct StatementTotals {
    /// The statement.
    pub fingerprint: FingerprintId,
    /// The database.
    pub database: Arc<str>,
    /// What was measured.
    pub stats: QueryStats,
}

impl StatementTotals {
    /// Time as the clients saw it less waiting for a server connection, ms.
    #[must_use]
    pub fn database_ms(&self) -> f64 {
        database_ms(&self.stats)
    }

    /// The same of one execution, ms.
    #[must_use]
    pub fn mean_database_ms(&self) -> f64 {
        self.database_ms() / self.stats.calls.max(1) as f64
    }
}

/// Time without waiting for a server connection, ms.
pub(crate) fn database_ms(stats: &QueryStats) -> f64 {
    (stats.total.sum_ms() - stats.wait.sum_ms()).max(0.0)
}

/// The window's statements, those with the most database time first.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    /// One entry for each fingerprint and database.
    pub statements: Vec<StatementTotals>,
    /// Database time of all, ms.
    pub database_ms: f64,
}

impl Workload {
    /// Sums up `window`, whose labels `snapshot` knows.
    #[must_use]
    pub fn new(snapshot: &Snapshot, window: &WindowStats) -> Self {
        let unknown: Arc<str> = Arc::from("(others)");
        let mut merged: HashMap<(FingerprintId, Arc<str>), QueryStats> = HashMap::new();
        for (key, stats) in &window.queries {
            let labels = snapshot.labels.get(&key.labels);
            let database = labels.map_or(&unknown, |labels| &labels.database);
            merged.entry((key.fingerprint, Arc::clone(database))).or_default().merge(stats);
        }
        let mut statements: Vec<_> = merged
            .into_iter()
            .map(|((fingerprint, database), stats)| StatementTotals {
                fingerprint,
                database,
                stats,
            })
            .collect();
        statements.sort_by(|a, b| {
            b.database_ms()
                .total_cmp(&a.database_ms())
                .then_with(|| (a.fingerprint, &a.database).cmp(&(b.fingerprint, &b.database)))
        });
        let database_ms = statements.iter().map(StatementTotals::database_ms).sum();
        Self { statements, database_ms }
    }

    /// The share of all database time that `ms` is, 0 to 1.
    #[must_use]
    pub fn share(&self, ms: f64) -> f64 {
        if self.database_ms > 0.0 { ms / self.database_ms } else { 0.0 }
    }
}
