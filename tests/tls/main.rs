//! Encryption on both sides: who connects and who is refused, and that everything else is as
//! without.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod binding;
mod clients;
mod direct;
mod memory;
mod old_form;
mod psql;
mod reload;
mod servers;
mod table;
mod upstream;
mod way;

// What holds without encryption holds with it on both sides.
#[path = "../proxy/cancel.rs"]
mod cancel;
#[path = "../proxy/copy.rs"]
mod copy;
#[path = "../proxy/extended.rs"]
mod extended;
#[path = "../proxy/large.rs"]
mod large;
#[path = "../proxy/programs.rs"]
mod programs;
#[allow(dead_code, reason = "the tests above do not use all of it")]
#[path = "../proxy/scene.rs"]
mod scene;
#[path = "../proxy/simple.rs"]
mod simple;
#[allow(dead_code, reason = "memory alone is looked at here")]
#[path = "../hostile/vitals.rs"]
mod vitals;
