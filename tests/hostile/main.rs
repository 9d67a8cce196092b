//! Hostile peers: clients and servers that send what they should not, or stop in the middle of it.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod before_login;
mod disconnects;
mod malformed;
mod mutations;
mod scene;
mod server;
mod session;
mod vitals;
mod witness;
