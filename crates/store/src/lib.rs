//! History: what was measured, kept beyond the process and beyond the hour in memory.
//!
//! [`History`] is a running process's: a thread of its own writes minutes to SQLite (a file, or
//! memory where none can be written), rolls them up to hours and days, and keeps them within
//! [`Bounds`]. [`Stored`] reads such a file, also while it is written and after the process's end.
//! [`Fleet`] is a PostgreSQL that several instances send the same rows to.

mod assembly;
mod codec;
mod conclusions;
mod error;
mod fleet;
mod grain;
mod history;
mod local;
mod rows;
mod span;

pub use conclusions::Conclusions;
pub use error::{Damaged, StoreError};
pub use fleet::Fleet;
pub use history::{History, HistorySettings, Loan, Status};
pub use local::{Bounds, PlanHistory, Run, Stored};
