//! History as others use it: killed while it writes, and sent to a fleet's store.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod fleet;
mod kill;
mod made;
mod thread;
