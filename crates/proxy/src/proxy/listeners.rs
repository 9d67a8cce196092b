//! Where clients come in.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::task::Poll;

use socket2::Socket;
use tokio::net::{TcpListener, TcpSocket};

use super::unix_socket::UnixSocket;
use crate::error::ProxyError;
use crate::settings::{Listening, UnixSocketPlace};
use crate::stream::Stream;

/// Where clients come in. Once dropped, nobody does any more, and the Unix socket's file is gone.
#[derive(Debug)]
pub struct Listeners {
    /// At least one.
    tcp: Vec<TcpListener>,
    unix: Option<UnixSocket>,
    /// Which of them are the service manager's.
    activated: Activated,
}

/// A socket that listens, of the process before this one or of the service manager.
#[derive(Debug)]
pub struct PassedSocket {
    /// The socket.
    pub socket: OwnedFd,
    /// Whether the service manager has made it: it is used wherever it listens, and its file stays.
    pub activated: bool,
}

/// Sockets that listen already.
pub type PassedListeners = Vec<PassedSocket>;

#[derive(Clone, Copy, Debug, Default)]
struct Activated {
    tcp: bool,
    unix: bool,
}

impl Listeners {
    /// What was passed is used if it is where the settings want to listen, or if the service manager
    /// has made it; what else they want is opened.
    pub(super) async fn open(
        address: SocketAddr,
        unix: Option<&UnixSocketPlace>,
        how: Listening,
        passed: PassedListeners,
    ) -> Result<Self, ProxyError> {
        let listen = |source| ProxyError::Listen { address, source };
        let Passed { mut tcp, unix: mut of_unix, activated } =
            Passed::sort(address, passed).map_err(listen)?;
        if tcp.is_empty() {
            tcp.push(bind(address, how).map_err(listen)?);
        }
        let port = tcp[0].local_addr().map_err(listen)?.port();
        let found = of_unix.pop();
        let unix = match (found, unix) {
            (Some(listener), _) if activated.unix => Some(UnixSocket::activated(listener)?),
            (Some(listener), Some(place)) => match UnixSocket::go_on(place, port, listener)? {
                Some(socket) => Some(socket),
                None => Some(UnixSocket::open(place, port, how.backlog).await?),
            },
            (_, Some(place)) => Some(UnixSocket::open(place, port, how.backlog).await?),
            (_, None) => None,
        };
        Ok(Self { tcp, unix, activated })
    }

    /// The same sockets, for the process that takes over.
    ///
    /// # Errors
    /// The system's: most likely there are too many files.
    pub fn duplicate(&self) -> io::Result<PassedListeners> {
        let pass = |socket: io::Result<OwnedFd>, activated| {
            socket.map(|socket| PassedSocket { socket, activated })
        };
        let tcp = self.tcp.iter().map(|tcp| tcp.as_fd().try_clone_to_owned());
        let tcp = tcp.map(|socket| pass(socket, self.activated.tcp));
        let unix = self.unix.iter().map(|unix| pass(unix.duplicate(), self.activated.unix));
        tcp.chain(unix).collect()
    }

    /// Another process goes on with the Unix socket: its file stays.
    pub fn leave_file(&self) {
        if let Some(unix) = &self.unix {
            unix.leave_file();
        }
    }

    /// The address, with the port that was free if the settings left it to the system.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        // proof: `open` leaves none without one.
        self.tcp[0].local_addr()
    }

    /// The Unix socket, if there is one.
    #[must_use]
    pub fn unix_socket(&self) -> Option<&Path> {
        self.unix.as_ref().and_then(UnixSocket::path)
    }

    /// The next client. Cancel-safe.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        let tcp = poll_fn(|cx| {
            let mut accepted = self.tcp.iter().map(|tcp| tcp.poll_accept(cx));
            match accepted.find(Poll::is_ready) {
                Some(accepted) => accepted.map_ok(|(stream, _)| Stream::Tcp(stream)),
                None => Poll::Pending,
            }
        });
        match &self.unix {
            None => tcp.await,
            Some(unix) => tokio::select! {
                accepted = tcp => accepted,
                accepted = unix.accept() => Ok(Stream::Unix(accepted?)),
            },
        }
    }
}

/// Passed sockets, by kind.
struct Passed {
    tcp: Vec<TcpListener>,
    unix: Vec<StdUnixListener>,
    activated: Activated,
}

impl Passed {
    /// Those of use for who is to listen at `address`; the others are closed here, which is nothing
    /// to whoever else has them.
    fn sort(address: SocketAddr, sockets: PassedListeners) -> io::Result<Self> {
        let (mut tcp, mut unix) = (Vec::new(), Vec::new());
        let mut activated = Activated::default();
        for PassedSocket { socket, activated: by_manager } in sockets {
            let socket = Socket::from(socket);
            socket.set_nonblocking(true)?;
            let local = socket.local_addr()?;
            match local.as_socket() {
                None => {
                    activated.unix |= by_manager;
                    unix.push(StdUnixListener::from(OwnedFd::from(socket)));
                }
                Some(local) if by_manager || is_at(address, local) => {
                    activated.tcp |= by_manager;
                    tcp.push(TcpListener::from_std(socket.into())?);
                }
                Some(_) => {}
            }
        }
        Ok(Self { tcp, unix, activated })
    }
}

/// Whether a socket listens where it was asked for; port 0 is any.
fn is_at(wanted: SocketAddr, local: SocketAddr) -> bool {
    wanted == local || (wanted.port() == 0 && wanted.ip() == local.ip())
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
