//! PgBouncer's files: its samples, what they mean, and what `pgweir check` says of them.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod check;
mod keys;
mod reload;
mod samples;
mod scene;
