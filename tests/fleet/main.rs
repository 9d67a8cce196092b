//! Several pgweirs, balancers in front of them, and replication through them.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod peers;
mod proxied;
mod replication;
mod reuseport;
mod scene;
