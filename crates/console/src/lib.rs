//! The admin console: PgBouncer's SHOW tables and commands, and pgweir's own.
//!
//! [`serve`] takes a connection that the proxy has accepted, authenticated and greeted (up to the
//! first ReadyForQuery), and speaks the simple and the extended protocol on it. What it shows and
//! does comes through [`Live`], which the binary implements.
//!
//! To add a table: a file under `show/` with its columns and a function that makes its rows, and
//! a line in `show::ALL`.

mod error;
mod extended;
mod interpreter;
mod live;
mod parameters;
mod prepared;
mod protocol;
mod refusal;
mod serve;
mod show;
mod statement;
mod table;
#[cfg(test)]
mod tests;

pub use error::ConsoleError;
pub use live::{BoxFuture, Live, Role, Session};
pub use parameters::parameter_status;
pub use serve::serve;
