//! PostgreSQL's wire protocol without sockets: framing, typed views of messages, startup, the
//! password exchanges, errors. Bytes in, bytes out.

pub mod auth;
pub mod backend;
mod cancel_key;
mod error;
pub mod error_response;
pub mod frame;
pub mod frontend;
pub mod proxy_protocol;
pub mod startup;

pub use cancel_key::{BackendKey, PeerId};
pub use error::WireError;
