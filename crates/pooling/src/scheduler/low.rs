//! Server connections that clients of low priority hold: they may not have all of them.

use model::ServerId;

/// Server connections that clients of low priority hold, those being cleaned after them included.
#[derive(Debug, Default)]
pub(super) struct HeldByLow(Vec<ServerId>);

impl HeldByLow {
    pub(super) fn count(&self) -> u32 {
        super::opening::count(self.0.len())
    }

    pub(super) fn add(&mut self, server: ServerId) {
        self.0.push(server);
    }

    /// True if it was one of them.
    pub(super) fn remove(&mut self, server: ServerId) -> bool {
        // Most pools have no client of low priority: then this is all.
        if self.0.is_empty() {
            return false;
        }
        let Some(index) = self.0.iter().position(|held| *held == server) else { return false };
        self.0.swap_remove(index);
        true
    }
}
