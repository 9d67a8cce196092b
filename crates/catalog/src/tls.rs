//! TLS for connections of tokio-postgres, with what the caller has made of its settings.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::{ChannelBinding as Binding, SslMode, SslNegotiation};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

/// How connections are encrypted.
#[derive(Clone)]
pub struct Tls {
    /// Judges the server, and has our certificate.
    pub config: Arc<ClientConfig>,
    /// Whether to do without if the server has no TLS.
    pub is_optional: bool,
    /// TLS from the first byte on (PostgreSQL 17).
    pub is_direct: bool,
    /// How a login is bound to the connection.
    pub channel_binding: Binding,
    /// The hash of a server's certificate (DER) that logins are bound to (RFC 5929, section 4).
    pub end_point_hash: fn(&[u8]) -> Option<Vec<u8>>,
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config)
            && self.is_optional == other.is_optional
            && self.is_direct == other.is_direct
            && self.channel_binding == other.channel_binding
    }
}

impl Eq for Tls {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("is_optional", &self.is_optional).finish_non_exhaustive()
    }
}

/// A connector for tokio-postgres; without TLS it is never asked.
#[derive(Clone, Debug)]
pub struct Connector(Option<Tls>);

impl Connector {
    /// The connector, and its part of the connection's configuration.
    #[must_use]
    pub fn new(tls: Option<Tls>, login: &mut tokio_postgres::Config) -> Self {
        match &tls {
            None => {
                login.ssl_mode(SslMode::Disable);
            }
            Some(tls) => {
                let (optional, required) = (SslMode::Prefer, SslMode::Require);
                login.ssl_mode(if tls.is_optional { optional } else { required });
                login.channel_binding(tls.channel_binding);
                if tls.is_direct {
                    login.ssl_negotiation(SslNegotiation::Direct);
                }
            }
        }
        Self(tls)
    }
}

impl<S> MakeTlsConnect<S> for Connector
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Encrypted<S>;
    type TlsConnect = Handshake;
    type Error = io::Error;

    fn make_tls_connect(&mut self, domain: &str) -> io::Result<Handshake> {
        // Where the name matters, no certificate has this one.
        let name = ServerName::try_from(domain.to_owned())
            .or_else(|_| ServerName::try_from("name.invalid"))
            .map_err(io::Error::other)?;
        Ok(Handshake { tls: self.0.clone(), name })
    }
}

/// A handshake to come.
#[derive(Debug)]
pub struct Handshake {
    tls: Option<Tls>,
    name: ServerName<'static>,
}

impl<S> TlsConnect<S> for Handshake
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let Self { tls, name } = self;
        let Some(tls) = tls else {
            return Box::pin(std::future::ready(Err(io::ErrorKind::Unsupported.into())));
        };
        let connecting = TlsConnector::from(tls.config).connect(name, stream);
        Box::pin(async move {
            let stream = connecting.await?;
            let certificates = stream.get_ref().1.peer_certificates();
            let first = certificates.and_then(|all| all.first());
            let end_point = first.and_then(|first| (tls.end_point_hash)(first));
            Ok(Encrypted { stream, end_point })
        })
    }
}

/// An encrypted connection.
#[derive(Debug)]
pub struct Encrypted<S> {
    stream: tokio_rustls::client::TlsStream<S>,
    end_point: Option<Vec<u8>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.end_point {
            Some(hash) => ChannelBinding::tls_server_end_point(hash.clone()),
            None => ChannelBinding::none(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
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
