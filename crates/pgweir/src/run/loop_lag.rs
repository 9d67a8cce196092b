//! How late the event loop is: what a client may have to wait until its turn comes.

use std::time::Duration;

use model::Buckets;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How often it is looked at.
const PERIOD: Duration = Duration::from_millis(500);

/// By how much a task that wakes on time wakes too late.
#[derive(Debug, Default)]
pub(super) struct LoopLag(Mutex<Buckets>);

impl LoopLag {
    /// Measures for ever, on the runtime that it is spawned on. Cancel-safe.
    pub(super) async fn watch(self: std::sync::Arc<Self>) {
        loop {
            let due = Instant::now() + PERIOD;
            tokio::time::sleep_until(due).await;
            self.0.lock().record(due.elapsed());
        }
    }

    /// What was measured so far.
    pub(super) fn measured(&self) -> Buckets {
        *self.0.lock()
    }
}
