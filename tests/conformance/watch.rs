//! What the admin console says of the clients of one database: who is pinned, why, and for how many
//! transactions.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::show;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// How often SHOW CLIENTS is asked while a program works.
const INTERVAL: Duration = Duration::from_millis(10);

/// Transactions of a pool so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transactions {
    pub(crate) all: u64,
    /// Run on a server connection that the client held because it was pinned.
    pub(crate) pinned: u64,
}

impl Transactions {
    /// Those of the clients of this database.
    pub(crate) async fn of(console: &Client, database: &str) -> Self {
        let rows = show(console, "SHOW POOLS").await;
        let mut sum = Self::default();
        for row in rows.iter().filter(|row| row["database"] == database) {
            sum.all += number(row, "xact_count");
            sum.pinned += number(row, "pinned_xact_count");
        }
        sum
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self { all: self.all - before.all, pinned: self.pinned - before.pinned }
    }
}

fn number(row: &HashMap<String, String>, column: &str) -> u64 {
    row.get(column).and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// Why clients of this database are pinned now.
pub(crate) async fn pins(console: &Client, database: &str) -> BTreeSet<String> {
    let rows = show(console, "SHOW CLIENTS").await;
    let mut reasons = BTreeSet::new();
    for row in rows.iter().filter(|row| row["database"] == database) {
        if !row["pinned"].is_empty() {
            reasons.insert(row["pinned"].clone());
        }
    }
    reasons
}

/// Why clients of this database are still pinned when the server has been asked whether the state that
/// they have put away is gone.
pub(crate) async fn pins_that_stay(console: &Client, database: &str) -> BTreeSet<String> {
    const LOOKS: usize = 50;
    for _ in 0..LOOKS {
        if pins(console, database).await.is_empty() {
            break;
        }
        tokio::time::sleep(INTERVAL).await;
    }
    pins(console, database).await
}

/// Looks at the console again and again; what was seen is given by [`Watch::end`].
#[derive(Debug)]
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    task: JoinHandle<BTreeSet<String>>,
}

impl Watch {
    pub(crate) fn start(console: Client, database: String) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let task = tokio::spawn(async move {
            let mut seen = BTreeSet::new();
            while !ends.load(Ordering::Relaxed) {
                seen.extend(pins(&console, &database).await);
                tokio::time::sleep(INTERVAL).await;
            }
            seen
        });
        Self { over, task }
    }

    /// All reasons for pins that were seen.
    pub(crate) async fn end(self) -> BTreeSet<String> {
        self.over.store(true, Ordering::Relaxed);
        self.task.await.unwrap()
    }
}
