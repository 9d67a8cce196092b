//! The admin console: PgBouncer's SHOW tables and commands, and pgweir's own.
//!
//! [`serve`] takes a connection that the proxy has accepted, authenticated and greeted (up to the
//! first ReadyForQuery), and speaks the simple and the extended protocol on it. What it shows and
//! does comes through [`Live`], which the binary implements.
//!
//! To add a table: for SQL and SHOW, a file under `sql/tables/` and a line in its `ALL`; what
//! PgBouncer has too is a file under `show/` and a line in `show::ALL`.

mod error;
mod explain;
mod extended;
mod interpreter;
mod live;
mod parameters;
mod prepared;
mod protocol;
mod refusal;
mod serve;
mod show;
mod sql;
mod statement;
mod table;
#[cfg(test)]
mod tests;

pub use error::ConsoleError;
pub use live::{BoxFuture, Live, Role, Session};
pub use parameters::parameter_status;
pub use serve::serve;
pub use sql::{SqlTurns, Stop, tables_markdown};
