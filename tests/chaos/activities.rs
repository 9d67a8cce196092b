//! What clients do, and how often.

use rand::RngExt;

use crate::client::{Client, Done};

/// Each activity and its weight.
const ACTIVITIES: &[(&str, u32)] = &[
    ("simple", 20),
    ("extended", 15),
    ("named", 20),
    ("pipeline", 10),
    ("pipeline with an error", 5),
    ("big value", 3),
    ("session is our own", 12),
    ("set", 8),
    ("set rolled back", 3),
    ("temporary table", 2),
    ("advisory lock", 2),
    ("listen", 2),
    ("insert", 5),
    ("transaction", 10),
    ("failed transaction", 3),
    ("copy in", 4),
    ("copy refused", 4),
    ("copy abandoned", 2),
    ("copy out", 4),
    ("cancel", 2),
    ("leave in mid message", 1),
    ("leave in mid result", 1),
    ("leave in a transaction", 1),
    ("leave without Sync", 1),
    ("leave pinned", 1),
    ("leave in a copy", 1),
    ("leave with work to do", 1),
];

impl Client {
    pub(crate) fn choose(&mut self) -> &'static str {
        let total = ACTIVITIES.iter().map(|(_, weight)| weight).sum();
        let mut at: u32 = self.rng.random_range(0..total);
        for (name, weight) in ACTIVITIES {
            match at.checked_sub(*weight) {
                Some(rest) => at = rest,
                None => return name,
            }
        }
        "simple"
    }

    pub(crate) async fn perform(&mut self, activity: &'static str) -> Done {
        match activity {
            "extended" => self.extended().await,
            "named" => self.named().await,
            "pipeline" => self.pipeline().await,
            "pipeline with an error" => self.pipeline_with_an_error().await,
            "big value" => self.big_value().await,
            "session is our own" => self.session_is_our_own().await,
            "set" => self.set().await,
            "set rolled back" => self.set_rolled_back().await,
            "temporary table" => self.temporary_table().await,
            "advisory lock" => self.advisory_lock().await,
            "listen" => self.listen().await,
            "insert" => self.insert().await,
            "transaction" => self.transaction().await,
            "failed transaction" => self.failed_transaction().await,
            "copy in" => self.copy_in().await,
            "copy refused" => self.copy_refused().await,
            "copy abandoned" => self.copy_abandoned().await,
            "copy out" => self.copy_out().await,
            "cancel" => self.cancel().await,
            "leave in mid message" => self.leave_in_mid_message().await,
            "leave in mid result" => self.leave_in_mid_result().await,
            "leave in a transaction" => self.leave_in_a_transaction().await,
            "leave without Sync" => self.leave_without_sync().await,
            "leave pinned" => self.leave_pinned().await,
            "leave in a copy" => self.leave_in_a_copy().await,
            "leave with work to do" => self.leave_with_work_to_do().await,
            _ => self.simple().await,
        }
    }
}
