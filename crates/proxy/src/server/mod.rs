//! Server connections: opening, keeping, cleaning and closing them.

mod connect;
mod connect_query;
mod connection;
mod login;

pub(crate) use connect::{ReplicationStart, Upstream, connect};
pub(crate) use connection::{CancelHandle, CancelUnderWay, Running, ServerConnection};
pub(crate) use login::Learned;
