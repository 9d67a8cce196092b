//! Where clients come in.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use tokio::net::{TcpListener, TcpSocket};

use super::unix_socket::UnixSocket;
use crate::error::ProxyError;
use crate::settings::{Listening, UnixSocketPlace};
use crate::stream::Stream;

/// Where clients come in. Once dropped, nobody does any more, and the Unix socket's file is gone.
#[derive(Debug)]
pub struct Listeners {
    tcp: TcpListener,
    unix: Option<UnixSocket>,
}

impl Listeners {
    pub(super) async fn open(
        address: SocketAddr,
        unix: Option<&UnixSocketPlace>,
        how: Listening,
    ) -> Result<Self, ProxyError> {
        let listen = |source| ProxyError::Listen { address, source };
        let tcp = bind(address, how).map_err(listen)?;
        let port = tcp.local_addr().map_err(listen)?.port();
        let unix = match unix {
            Some(place) => Some(UnixSocket::open(place, port, how.backlog).await?),
            None => None,
        };
        Ok(Self { tcp, unix })
    }

    /// The address, with the port that was free if the settings left it to the system.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// The Unix socket, if there is one.
    #[must_use]
    pub fn unix_socket(&self) -> Option<&Path> {
        self.unix.as_ref().map(UnixSocket::path)
    }

    /// The next client. Cancel-safe.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        let tcp = async { Ok(Stream::Tcp(self.tcp.accept().await?.0)) };
        match &self.unix {
            None => tcp.await,
            Some(unix) => tokio::select! {
                accepted = tcp => accepted,
                accepted = unix.accept() => Ok(Stream::Unix(accepted?)),
            },
        }
    }
}

/// Listens at this address.
fn bind(address: SocketAddr, how: Listening) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // The connections of one that ran here before may linger.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    if how.reuse_port {
        socket2::SockRef::from(&socket).set_reuse_port(true)?;
    }
    socket.bind(address)?;
    socket.listen(how.backlog)
}
