//! pgweir in operation: restarts, upgrades, reloads and signals under load that lose nobody, and what
//! a service manager sees of it.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod bench;
mod changes;
mod left_behind;
mod load;
mod reload;
mod scene;
mod service;
mod signals;
mod sockets;
mod successors;
mod takeover;
