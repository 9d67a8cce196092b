//! Handshakes with clients.

use std::io;
use std::sync::Arc;

use rustls::CommonState;
use rustls::pki_types::UnixTime;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::clients::{ALPN, Acceptor, ClientTls};
use super::stream::Encrypted;
use crate::error::ProxyError;
use crate::stream::{PARTING, close};

/// The first byte of a TLS connection: a handshake record (RFC 8446, section 5.1).
const HANDSHAKE_RECORD: u8 = 0x16;
/// A client whose handshake is done.
pub(crate) struct Accepted {
    pub(crate) stream: Encrypted,
    /// Whether both sides know that PostgreSQL's protocol is spoken.
    pub(crate) named_protocol: bool,
}

/// Whether a client begins with TLS itself, as from PostgreSQL 17's libpq on it can. Takes nothing
/// off the stream. Cancel-safe.
pub(crate) async fn begins_tls(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && is_handshake(&first))
}

/// Whether bytes are the front of a TLS handshake.
pub(crate) fn is_handshake(bytes: &[u8]) -> bool {
    bytes.first() == Some(&HANDSHAKE_RECORD)
}

/// Shakes hands as the server. Not cancel-safe: the connection is lost.
///
/// # Errors
/// What is wrong with the client's TLS, or its certificate. It has been told by an alert.
pub(crate) async fn accept(tls: &ClientTls, stream: TcpStream) -> Result<Accepted, ProxyError> {
    let Some(acceptor) = &tls.acceptor else { return Err(ProxyError::Closed) };
    let accepting = TlsAcceptor::from(Arc::clone(&acceptor.config)).accept(stream);
    match accepting.into_fallible().await {
        Ok(stream) => {
            let state: &CommonState = stream.get_ref().1;
            let named_protocol = state.alpn_protocol() == Some(ALPN);
            let is_verified = is_verified(acceptor, state);
            let stream = TlsStream::Server(stream);
            let stream = Encrypted::new(stream, is_verified, acceptor.end_point.clone());
            Ok(Accepted { stream, named_protocol })
        }
        Err((error, mut stream)) => {
            let _ = tokio::time::timeout(PARTING, close(&mut stream)).await;
            let hint = "client_tls_protocols, client_tls_ca_file and client_tls_sslmode say what \
                        is asked of clients.";
            Err(ProxyError::Tls { message: format!("TLS handshake failed: {error}"), hint })
        }
    }
}

/// Where a certificate was asked for and not demanded, nobody has judged it yet.
fn is_verified(acceptor: &Acceptor, state: &CommonState) -> bool {
    let (Some(judge), Some([own, chain @ ..])) = (&acceptor.judge, state.peer_certificates())
    else {
        return false;
    };
    judge.verify_client_cert(own, chain, UnixTime::now()).is_ok()
}
