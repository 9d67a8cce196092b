//! What was once somebody's CVE or bug. docs/survival.md lists it, item by item, with the test for
//! each; `cargo xtask tidy` compares the list with the tests, which name their items in lines that
//! begin with "Must survive:".

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod before_login;
mod cancel;
mod descriptors;
mod desync;
mod disconnects;
mod half_open;
mod hostile_server;
mod memory;
mod reload;
#[allow(dead_code, reason = "shared with the tests of hostile peers")]
#[path = "../hostile/scene.rs"]
mod scene;
mod users;
#[allow(dead_code, reason = "shared with the tests of hostile peers")]
#[path = "../hostile/vitals.rs"]
mod vitals;
