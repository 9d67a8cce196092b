//! What can go wrong.

use std::net::SocketAddr;

/// What can go wrong on the HTTP side.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} (http): {source}")]
    Listen {
        /// The address as set.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The system gave no thread or no runtime.
    #[error("cannot start the HTTP thread: {0}")]
    Thread(std::io::Error),
    /// TLS to the collector cannot be prepared.
    #[error("cannot prepare TLS for otlp_endpoint: {0}")]
    Tls(#[from] rustls::Error),
}
