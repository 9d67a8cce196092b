//! Sockets of either kind behind one type.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use model::Address;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::tls::{Encrypted, PeerCertificate};

/// How long a peer that is sent away may take to read why.
pub(crate) const PARTING: Duration = Duration::from_secs(1);

/// Says that no more will come, and waits until the peer says so too. Closing a socket with bytes
/// unread resets it, and what the peer has not taken yet is lost. Cancel-safe.
pub(crate) async fn close(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = [0; 256];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Where an upstream listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerAddress {
    /// TCP.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A Unix socket in this directory.
    Unix {
        /// The directory.
        directory: PathBuf,
        /// The port, which is part of the socket's name.
        port: u16,
    },
}

impl ServerAddress {
    /// From a host as in a connection string: one that begins with `/` is a directory.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        if host.starts_with('/') {
            Self::Unix { directory: host.into(), port }
        } else {
            Self::Tcp { host: host.to_owned(), port }
        }
    }

    /// The host as in a connection string.
    #[must_use]
    pub fn host(&self) -> String {
        match self {
            Self::Tcp { host, .. } => host.clone(),
            Self::Unix { directory, .. } => directory.display().to_string(),
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Tcp { port, .. } | Self::Unix { port, .. } => *port,
        }
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            _ => write!(f, "{}:{}", self.host(), self.port()),
        }
    }
}

/// What begins the name of a Unix socket; the port follows (manual, section 20.3.1).
const SOCKET_PREFIX: &str = ".s.PGSQL.";

/// The name of the Unix socket of a port.
pub(crate) fn socket_name(port: u16) -> String {
    format!("{SOCKET_PREFIX}{port}")
}

/// The port in the name of a Unix socket.
pub(crate) fn port_of(socket: &Path) -> Option<u16> {
    socket.file_name()?.to_str()?.strip_prefix(SOCKET_PREFIX)?.parse().ok()
}

/// A socket, plain or encrypted.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<Encrypted>),
    /// A handshake has it, or it was lost in one.
    Gone,
}

impl Stream {
    /// Writes all and sees it off: with TLS, what is written may lie in its buffers. Not cancel-safe.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await?;
        self.flush().await
    }

    /// A socket of another process's client.
    pub(crate) fn adopt(socket: OwnedFd) -> io::Result<Self> {
        let socket = socket2::Socket::from(socket);
        socket.set_nonblocking(true)?;
        if socket.local_addr()?.is_unix() {
            let stream = std::os::unix::net::UnixStream::from(OwnedFd::from(socket));
            return Ok(Self::Unix(UnixStream::from_std(stream)?));
        }
        Ok(Self::Tcp(TcpStream::from_std(socket.into())?))
    }

    /// The same socket, for another process.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(stream) => stream.as_fd().try_clone_to_owned(),
            Self::Unix(stream) => stream.as_fd().try_clone_to_owned(),
            Self::Tls(_) | Self::Gone => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Whether nobody on the way can read along.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// What SHOW prints of the encryption; empty without.
    pub(crate) fn tls_description(&self) -> &'static str {
        match self {
            Self::Tls(stream) => stream.description(),
            _ => "",
        }
    }

    /// The process at the other end of a Unix socket, where the system says.
    pub(crate) fn peer_process(&self) -> Option<i32> {
        match self {
            Self::Unix(stream) => stream.peer_cred().ok().and_then(|peer| peer.pid()),
            _ => None,
        }
    }

    /// Who is at the other end of a Unix socket, by number.
    pub(crate) fn peer_uid(&self) -> Option<u32> {
        match self {
            Self::Unix(stream) => stream.peer_cred().ok().map(|peer| peer.uid()),
            _ => None,
        }
    }

    /// The server's certificate as channel binding, if there is one to bind a login to.
    pub(crate) fn end_point(&self) -> Option<&[u8]> {
        match self {
            Self::Tls(stream) => stream.end_point(),
            _ => None,
        }
    }

    /// The names in the peer's certificate, if it showed one that an authority vouches for.
    pub(crate) fn peer_certificate(&self) -> Option<PeerCertificate> {
        match self {
            Self::Tls(stream) => stream.peer_certificate(),
            _ => None,
        }
    }

    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Tls(stream) => Some(stream.socket()),
            Self::Unix(_) | Self::Gone => None,
        }
    }

    /// The other end.
    pub(crate) fn peer_address(&self) -> Address {
        self.address(TcpStream::peer_addr)
    }

    /// Our end.
    pub(crate) fn local_address(&self) -> Address {
        self.address(TcpStream::local_addr)
    }

    fn address(&self, end: impl Fn(&TcpStream) -> io::Result<SocketAddr>) -> Address {
        if let Self::Unix(stream) = self {
            // Only the end that listens has a name, and it speaks for both.
            let ends = [stream.local_addr(), stream.peer_addr()];
            let port = ends.iter().flatten().find_map(|end| port_of(end.as_pathname()?));
            return Address::Unix { port: port.unwrap_or(0) };
        }
        Address::Tcp(self.tcp().and_then(|stream| end(stream).ok()).unwrap_or(NO_ADDRESS))
    }
}

/// Of a connection that is gone.
const NO_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

/// A client's stream that is handed to the admin console, with what was read from it already.
#[derive(Debug)]
pub struct Handover {
    pub(crate) stream: Stream,
    pub(crate) read: Vec<u8>,
    /// How many of these are taken.
    pub(crate) taken: usize,
}

impl AsyncRead for Handover {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let left = &this.read[this.taken..];
        if left.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buf);
        }
        let count = left.len().min(buf.remaining());
        buf.put_slice(&left[..count]);
        this.taken += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Handover {
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
