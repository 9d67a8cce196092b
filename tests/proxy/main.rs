//! The proxy from outside: what applications, drivers and admins see of it.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

mod extended;
mod login;
mod prepared;
mod scene;
mod simple;
mod startup;
