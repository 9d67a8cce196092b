//! An encrypted connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::{CipherSuite, CommonState};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use super::peer::PeerCertificate;

/// An encrypted connection after its handshake.
#[derive(Debug)]
pub(crate) struct Encrypted {
    stream: TlsStream<TcpStream>,
    /// Whether an authority vouches for the peer's certificate.
    peer_is_verified: bool,
    /// The server's certificate as channel binding, be the server we or the peer.
    end_point: Option<Vec<u8>>,
}

impl Encrypted {
    pub(super) fn new(
        stream: TlsStream<TcpStream>,
        peer_is_verified: bool,
        end_point: Option<Vec<u8>>,
    ) -> Self {
        Self { stream, peer_is_verified, end_point }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        self.stream.get_ref().0
    }

    /// What a login may be bound to.
    pub(crate) fn end_point(&self) -> Option<&[u8]> {
        self.end_point.as_deref()
    }

    /// The peer's certificate, if an authority vouches for it.
    pub(crate) fn peer_certificate(&self) -> Option<PeerCertificate> {
        let certificates = self.stream.get_ref().1.peer_certificates();
        let first = certificates.filter(|_| self.peer_is_verified)?.first()?;
        PeerCertificate::read(first)
    }

    /// Version and cipher suite, as SHOW prints them.
    pub(crate) fn description(&self) -> &'static str {
        description(self.stream.get_ref().1)
    }
}

/// A text that costs no memory for each connection: there are nine.
fn description(state: &CommonState) -> &'static str {
    let suite = state.negotiated_cipher_suite().map(|suite| suite.suite());
    match suite {
        Some(CipherSuite::TLS13_AES_256_GCM_SHA384) => "TLSv1.3/TLS_AES_256_GCM_SHA384",
        Some(CipherSuite::TLS13_AES_128_GCM_SHA256) => "TLSv1.3/TLS_AES_128_GCM_SHA256",
        Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256) => "TLSv1.3/TLS_CHACHA20_POLY1305_SHA256",
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384) => {
            "TLSv1.2/ECDHE-ECDSA-AES256-GCM-SHA384"
        }
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256) => {
            "TLSv1.2/ECDHE-ECDSA-AES128-GCM-SHA256"
        }
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256) => {
            "TLSv1.2/ECDHE-ECDSA-CHACHA20-POLY1305"
        }
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) => {
            "TLSv1.2/ECDHE-RSA-AES256-GCM-SHA384"
        }
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256) => {
            "TLSv1.2/ECDHE-RSA-AES128-GCM-SHA256"
        }
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256) => {
            "TLSv1.2/ECDHE-RSA-CHACHA20-POLY1305"
        }
        _ => "TLS",
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.get_mut().stream).poll_read(cx, buf) {
            // An end without TLS' own goodbye is an end: messages say how long they are, so that
            // nobody can cut one short unnoticed.
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
