//! The file in another process's hands: one process writes it, and when one takes over from another,
//! both have something to write.

use super::{History, Request};
use crate::error::StoreError;

/// The file is another process's. Dropped, it is taken back.
#[derive(Debug)]
pub struct Loan(History);

impl History {
    /// Writes all that was offered, the current minute too, and lets go of the file, so that another
    /// process can open it. What is measured meanwhile is written when it is back; of more than an hour
    /// the oldest is lost then. Cancel-safe: the file may then be lent until [`Self::stop`].
    ///
    /// # Errors
    /// SQLite's, and [`StoreError::Closed`] after [`Self::stop`]: then it is not lent.
    pub async fn lend(&self) -> Result<Loan, StoreError> {
        self.ask(Request::Lend).await?;
        Ok(Loan(self.clone()))
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // Waits only while the thread is behind by all that may wait for it.
        let _ = self.0.requests.send(Request::TakeBack);
    }
}
