//! The proxy from outside: what applications, drivers and admins see of it.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod admin;
mod cancel;
mod copy;
mod extended;
mod fairness;
mod faults;
mod large;
mod likeness;
mod limits;
mod login;
mod lost_setting;
mod modes;
mod pinning;
mod pool;
mod prepared;
mod prepared_queries;
mod programs;
mod readings;
mod reload;
mod scene;
mod session_mode;
mod settings_likeness;
mod shutdown;
mod simple;
mod startup;
mod timeouts;
mod way;
mod who;
