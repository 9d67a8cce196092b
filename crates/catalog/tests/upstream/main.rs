//! The catalogue against a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]
#![allow(clippy::print_stderr, reason = "to tell what this server does not let us test")]

mod facts;
mod failures;
mod planning;
mod shop;
mod upkeep;
mod what_if;
