//! TLS on both sides, by rustls: certificates from files, handshakes, and what a connection's
//! encryption tells of the peer. Certificates are read when settings are, and used by connections
//! that are made from then on.

mod accept;
mod clients;
mod end_point;
mod files;
mod mode;
mod peer;
mod request;
mod servers;
mod stream;
#[cfg(test)]
mod tests;
mod verify;

pub(crate) use accept::{accept, begins_tls, is_handshake};
pub use clients::{ClientTls, ClientTlsFiles};
pub use end_point::end_point_hash;
pub use files::{TlsError, TlsPart};
pub use mode::{ChannelBinding, SslMode, TlsProtocols};
pub use peer::PeerCertificate;
pub(crate) use request::{Encryption, encrypt, explained};
pub use servers::{ServerTls, ServerTlsFiles};
pub(crate) use stream::Encrypted;
