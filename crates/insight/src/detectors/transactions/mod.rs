//! Transactions: how long they are, what they wait for, and how they get into each other's way.

mod chatty_transaction;
mod ddl_lock_queue;
mod deadlocks;
mod hot_row;
mod long_transaction;

use super::{Detector, Inputs, finding};

pub use chatty_transaction::{ChattyTransaction, ChattyTransactionThresholds};
pub use ddl_lock_queue::{DdlLockQueue, DdlLockQueueThresholds};
pub use deadlocks::{Deadlocks, DeadlocksThresholds};
pub use hot_row::{HotRow, HotRowThresholds};
pub use long_transaction::{LongTransaction, LongTransactionThresholds};

/// The detectors of this folder.
pub(super) fn all() -> Vec<Box<dyn Detector>> {
    vec![
        Box::new(ChattyTransaction),
        Box::new(DdlLockQueue),
        Box::new(Deadlocks),
        Box::new(HotRow),
        Box::new(LongTransaction),
    ]
}
