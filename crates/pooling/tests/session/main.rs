//! A client's session, byte by byte, against a server played by the test.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails fails the test")]

mod conversation;
mod differential;
mod doubt;
mod errors;
mod flows;
mod local;
mod loss;
mod measures;
mod memento;
mod model_server;
mod oversized;
mod prepared;
mod prepared_query;
mod splits;
mod tenants;
mod traces;
mod unnamed;
mod yielding;
