//! A scripted client's socket, plain or encrypted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Identity;

/// How a scripted client encrypts. The server must be `localhost` and of this authority.
#[derive(Clone, Debug)]
pub struct ClientEncryption {
    /// The authority's certificate, as PEM.
    pub authority: String,
    /// What the client shows.
    pub identity: Option<Identity>,
    /// The protocol that the client names (ALPN).
    pub protocol: Option<&'static str>,
}

impl ClientEncryption {
    /// Without a certificate of the client's own.
    #[must_use]
    pub fn trusting(authority: String) -> Self {
        Self { authority, identity: None, protocol: Some("postgresql") }
    }

    fn config(&self) -> ClientConfig {
        let certificate = |pem: &str| {
            CertificateDer::from_pem_slice(pem.as_bytes())
                .unwrap_or_else(|error| panic!("a certificate: {error}"))
        };
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.authority)).unwrap_or_else(|error| panic!("{error}"));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap_or_else(|error| panic!("{error}"))
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())
                    .unwrap_or_else(|error| panic!("a key: {error}"));
                let chain = vec![certificate(&identity.certificate)];
                builder.with_client_auth_cert(chain, key).unwrap_or_else(|error| panic!("{error}"))
            }
        };
        config.alpn_protocols = self.protocol.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

#[derive(Debug)]
pub(crate) enum Socket {
    Plain(TcpStream),
    Unix(UnixStream),
    Encrypted(Box<TlsStream<TcpStream>>),
    /// A handshake has failed.
    Gone,
}

impl Socket {
    /// Shakes hands as the client.
    pub(crate) async fn encrypt(&mut self, how: &ClientEncryption) -> io::Result<()> {
        let Self::Plain(stream) = std::mem::replace(self, Self::Gone) else {
            return Err(io::Error::other("it is encrypted already"));
        };
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let connecting = TlsConnector::from(Arc::new(how.config())).connect(name, stream);
        *self = Self::Encrypted(Box::new(connecting.await?));
        Ok(())
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Encrypted(stream) => stream.get_ref().0,
            Self::Unix(_) => panic!("a Unix socket is no TCP connection"),
            Self::Gone => panic!("the connection was lost in a handshake"),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Encrypted(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Encrypted(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Encrypted(stream) => Pin::new(&mut **stream).poll_flush(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Encrypted(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}
