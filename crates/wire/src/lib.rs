//! PostgreSQL's wire protocol without sockets: framing, typed views of messages, startup, the
//! password exchanges, errors. Bytes in, bytes out.

pub mod auth;
pub mod backend;
mod error;
pub mod error_response;
pub mod frame;
pub mod frontend;
pub mod startup;

pub use error::WireError;
