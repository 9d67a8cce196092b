//! Whether a statement that drivers prepare anew each time is better off prepared once.
//!
//! PostgreSQL plans a prepared statement for the values at hand five times; from then on it may use
//! one plan for all values, where that looks no dearer (`choose_custom_plan` in plancache.c). An
//! unnamed statement that is parsed anew is always planned for its values. So a statement that is
//! served from a named one in its place is watched: should it take clearly longer once the server may
//! use the plan for all values, it is parsed anew each time again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::prepared::Statement;

/// Executions that are planned for their values, on each server connection.
const CUSTOM_PLANS: u32 = 5;
/// Executions before that, and after, before the two are compared. A connection has few of the first.
const ENOUGH_CUSTOM: u64 = 4;
const ENOUGH: u64 = 20;
/// How much longer, on average, is clearly longer; and by how much more than planning could ever have
/// saved.
const TIMES_LONGER: u64 = 2;
const LONGER: Duration = Duration::from_millis(1);

/// What is known of how long a statement takes, planned either way. Shared by all clients; written
/// with relaxed adds, so that sums may be off by what is being added.
#[derive(Debug, Default)]
pub(crate) struct PlanTimes {
    custom: Times,
    perhaps_generic: Times,
    is_worse: AtomicBool,
}

#[derive(Debug, Default)]
struct Times {
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Times {
    fn add(&self, took: Duration) -> u64 {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn mean_us(&self, enough: u64) -> Option<u64> {
        let count = self.count.load(Ordering::Relaxed);
        (count >= enough).then(|| self.sum_us.load(Ordering::Relaxed) / count)
    }
}

impl PlanTimes {
    /// Whether one plan for all values was seen to be worse.
    pub(crate) fn is_worse(&self) -> bool {
        self.is_worse.load(Ordering::Relaxed)
    }

    fn compare(&self) {
        let means = self.custom.mean_us(ENOUGH_CUSTOM).zip(self.perhaps_generic.mean_us(ENOUGH));
        let margin = LONGER.as_micros() as u64;
        if let Some((custom, generic)) = means
            && generic > custom * TIMES_LONGER + margin
        {
            self.is_worse.store(true, Ordering::Relaxed);
        }
    }
}

/// One execution that is watched.
#[derive(Debug)]
pub(crate) struct Trial {
    statement: Arc<Statement>,
    is_custom: bool,
}

impl Trial {
    /// The execution of a statement that was executed on this server connection so often before.
    pub(crate) fn new(statement: &Arc<Statement>, before: u32) -> Self {
        Self { statement: Arc::clone(statement), is_custom: before < CUSTOM_PLANS }
    }

    /// It took so long on the server.
    pub(crate) fn ended(self, took: Duration) {
        let times = &self.statement.plan_times;
        if self.is_custom {
            times.custom.add(took);
        } else if times.perhaps_generic.add(took).is_multiple_of(ENOUGH) {
            times.compare();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_worse(custom_us: u64, generic_us: u64) -> bool {
        let shape = sql::ShapeRegistry::new(10).observe_one(b"select $1").shape;
        let statement = Arc::new(Statement::new(b"select $1", &[0, 0], shape, 0));
        for server in 0..10 {
            for before in 0..20 {
                let us = if before < CUSTOM_PLANS { custom_us } else { generic_us };
                Trial::new(&statement, before).ended(Duration::from_micros(us + server));
            }
        }
        statement.plan_times.is_worse()
    }

    #[test]
    fn what_takes_clearly_longer_is_worse() {
        assert!(!is_worse(300, 100), "planning is saved");
        assert!(!is_worse(100, 900), "within what a busy machine does");
        assert!(!is_worse(20_000, 30_000));
        assert!(is_worse(100, 5_000));
        assert!(is_worse(20_000, 60_000));
    }
}
