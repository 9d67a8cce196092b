//! What tests need: a throwaway PostgreSQL, a scripted client that sends exact bytes, a server
//! that misbehaves on command, and pgweir itself on a free port.
//!
//! The functions that tests call panic with a message that names what was awaited and what came
//! instead; so a test reads as a script. Nothing here is used outside tests and benches.

mod certificates;
mod client;
mod console;
mod error;
mod fake_server;
pub mod frames;
mod guardian;
mod postgres;
mod proxy;
mod scratch;
mod socket;

pub use certificates::{Authority, Identity, Validity};
pub use client::ScriptedClient;
pub use console::{show, until};
pub use error::TestkitError;
pub use fake_server::{FakeServer, Step};
pub use frames::{ErrorFields, Frame};
pub use postgres::{Postgres, PostgresOptions, ServerPrograms, StopMode, TestDatabase};
pub use proxy::{Proxy, ProxyOptions};
pub use socket::ClientEncryption;
