//! Who is let in: HBA rules, userlists, users that the server is asked about, and the keys that a
//! login leaves for the login to the server.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod certificates;
mod keys;
mod lookup;
mod rules;
mod scene;
mod slowed;
mod unix_socket;
