//! SQL over what the console knows: `SELECT` over live tables.
//!
//! The engine is SQLite, in memory and filled anew for each statement with the tables that it
//! names. What the client writes is PostgreSQL's SQL: it is parsed by sqlparser, checked and typed
//! against the tables, and written out again as SQLite's ([`translate`]), so that the types of the
//! result are known before it is run, and nothing reaches the engine that was not understood.
//!
//! To add a table: a file under `tables/` and a line in `tables::ALL`. To add a function: a line in
//! `translate::function`, and where SQLite lacks it, one in `functions`.

mod engine;
mod errors;
mod functions;
mod limits;
mod parameters;
mod run;
pub(crate) mod tables;
pub(crate) mod time;
mod translate;

pub use limits::Stop;
pub(crate) use parameters::{BoundValue, ParameterType};
pub use run::SqlTurns;
pub(crate) use run::{prepare, run};
pub use tables::tables_markdown;
pub(crate) use translate::{Identity, Prepared};

/// What a statement becomes, on the caller's own thread.
#[cfg(test)]
pub(crate) fn read(text: &str, identity: &Identity) -> Result<Prepared, crate::refusal::Refusal> {
    translate::prepare(text, &[], identity)
}
