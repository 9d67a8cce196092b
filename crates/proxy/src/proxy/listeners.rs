//! Where clients come in.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::sync::Arc;
use std::task::Poll;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::unix_socket::UnixSocket;
use crate::error::ProxyError;
use crate::settings::{Listening, UnixSocketPlace};
use crate::stream::{Stream, port_of};

/// PgBouncer's port, in the name of a Unix socket that has none from elsewhere.
const DEFAULT_PORT: u16 = 6432;

/// Where clients come in. Once dropped, nobody does any more, and the Unix socket's file is gone.
#[derive(Debug)]
pub struct Listeners {
    /// None where clients come in by the Unix socket alone.
    tcp: Vec<TcpListener>,
    unix: Option<Arc<UnixSocket>>,
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
        addresses: &[SocketAddr],
        unix: Option<&UnixSocketPlace>,
        how: Listening,
        passed: PassedListeners,
    ) -> Result<Self, ProxyError> {
        let Passed { tcp: found, unix: mut of_unix, activated } = Passed::sort(addresses, passed)?;
        let tcp = if activated.tcp { found } else { bind_all(addresses, found, how)? };
        let mut this = Self { tcp, unix: None, activated };
        let place = unix.map(|place| {
            let tcp = this.addresses().first().map(SocketAddr::port);
            (place, place.port.or(tcp).unwrap_or(DEFAULT_PORT))
        });
        let passed_on = of_unix.pop();
        let unix = match (passed_on, place) {
            (Some(listener), _) if activated.unix => Some(UnixSocket::activated(listener)?),
            (Some(listener), Some((place, port))) => {
                match UnixSocket::go_on(place, port, listener)? {
                    Some(socket) => Some(socket),
                    None => Some(UnixSocket::open(place, port, how.backlog).await?),
                }
            }
            (_, Some((place, port))) => Some(UnixSocket::open(place, port, how.backlog).await?),
            (_, None) => None,
        };
        this.unix = unix.map(Arc::new);
        Ok(this)
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

    /// The addresses, with the ports that were free where the settings left them to the system; none
    /// if there is only a Unix socket.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.tcp.iter().filter_map(|tcp| tcp.local_addr().ok()).collect()
    }

    /// The port: of TCP, else the one in the Unix socket's name.
    #[must_use]
    pub fn port(&self) -> u16 {
        let tcp = self.addresses().first().map(SocketAddr::port);
        tcp.or(self.unix_socket().and_then(port_of)).unwrap_or(DEFAULT_PORT)
    }

    /// The Unix socket, if there is one.
    #[must_use]
    pub fn unix_socket(&self) -> Option<&Path> {
        self.unix.as_deref().and_then(UnixSocket::path)
    }

    /// The Unix socket, to be kept open when the others are closed. Not one of the service manager,
    /// where clients wait for the next process.
    pub(super) fn own_unix_socket(&self) -> Option<Arc<UnixSocket>> {
        self.unix.clone().filter(|_| !self.activated.unix)
    }

    /// The next client. Cancel-safe.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        let tcp = async { Ok(Stream::Tcp(accept_any(&self.tcp).await?)) };
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
    /// Those of use for who is to listen at `addresses`; the others are closed here, which is nothing
    /// to whoever else has them.
    fn sort(addresses: &[SocketAddr], sockets: PassedListeners) -> io::Result<Self> {
        let (mut tcp, mut unix) = (Vec::new(), Vec::new());
        let mut activated = Activated::default();
        let is_wanted = |local| addresses.iter().any(|address| is_at(*address, local));
        for PassedSocket { socket, activated: by_manager } in sockets {
            let socket = Socket::from(socket);
            socket.set_nonblocking(true)?;
            let local = socket.local_addr()?;
            match local.as_socket() {
                None => {
                    activated.unix |= by_manager;
                    unix.push(StdUnixListener::from(OwnedFd::from(socket)));
                }
                Some(local) if by_manager || is_wanted(local) => {
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

/// The next client of any of them. Cancel-safe.
async fn accept_any(listeners: &[TcpListener]) -> io::Result<TcpStream> {
    if let [only] = listeners {
        return Ok(only.accept().await?.0);
    }
    poll_fn(|context| {
        for listener in listeners {
            if let Poll::Ready(accepted) = listener.poll_accept(context) {
                return Poll::Ready(accepted.map(|(stream, _)| stream));
            }
        }
        Poll::Pending
    })
    .await
}

/// Listens at all of them. An IPv6 address that this machine does not have is left out, if there is
/// another: `localhost` and `*` are two addresses, on whatever machine.
///
/// Those that are `found` listen already.
fn bind_all(
    addresses: &[SocketAddr],
    mut found: Vec<TcpListener>,
    how: Listening,
) -> Result<Vec<TcpListener>, ProxyError> {
    let mut bound: Vec<TcpListener> = Vec::new();
    let mut missing = None;
    for &address in addresses {
        let is_here = |tcp: &TcpListener| tcp.local_addr().is_ok_and(|at| is_at(address, at));
        if let Some(position) = found.iter().position(is_here) {
            bound.push(found.remove(position));
            continue;
        }
        let every_v4 = |other: &SocketAddr| {
            other.is_ipv4() && other.ip().is_unspecified() && other.port() == address.port()
        };
        match bind(address, addresses.iter().any(every_v4), how) {
            Ok(listener) => bound.push(listener),
            Err(source) if address.is_ipv6() && is_missing(&source) => {
                missing = Some(ProxyError::Listen { address, source });
            }
            Err(source) => return Err(ProxyError::Listen { address, source }),
        }
    }
    match missing {
        Some(missing) if bound.is_empty() => Err(missing),
        Some(missing) => {
            tracing::warn!("{missing}; the other addresses are listened at");
            Ok(bound)
        }
        None => Ok(bound),
    }
}

/// Whether the machine has no such address, or no addresses of that kind.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(nix::errno::Errno::EAFNOSUPPORT as i32)
}

/// Listens at this address; `only_v6` leaves IPv4 to another listener.
fn bind(address: SocketAddr, only_v6: bool, how: Listening) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // The connections of one that ran here before may linger.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && only_v6 {
        socket.set_only_v6(true)?;
    }
    #[cfg(unix)]
    if how.reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(how.backlog).unwrap_or(i32::MAX))?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use tokio::net::TcpStream;

    use super::*;

    const HOW: Listening = Listening { reuse_port: false, backlog: 16 };

    fn free_port() -> u16 {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    }

    #[tokio::test]
    async fn every_address_of_both_kinds_is_listened_at() {
        let port = free_port();
        let both = [
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        ];
        let listeners = Listeners::open(&both, None, HOW, Vec::new()).await.unwrap();
        assert_eq!(listeners.port(), port);
        // One where the machine has no IPv6.
        for address in listeners.addresses() {
            let host = if address.is_ipv4() { "127.0.0.1" } else { "::1" };
            let (connected, accepted) =
                tokio::join!(TcpStream::connect((host, port)), listeners.accept());
            assert!(matches!(accepted, Ok(Stream::Tcp(_))));
            connected.unwrap();
        }
    }

    #[tokio::test]
    async fn an_address_that_this_machine_does_not_have_is_left_out_beside_others() {
        // Of documentation (RFC 3849): nobody has it.
        let nobodys: SocketAddr = "[2001:db8::1]:0".parse().unwrap();
        assert!(Listeners::open(&[nobodys], None, HOW, Vec::new()).await.is_err());
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listeners = Listeners::open(&[nobodys, here], None, HOW, Vec::new()).await.unwrap();
        assert_eq!(listeners.addresses().len(), 1);
        let of_v4: SocketAddr = "203.0.113.1:0".parse().unwrap();
        assert!(Listeners::open(&[of_v4, here], None, HOW, Vec::new()).await.is_err());
    }

    #[tokio::test]
    async fn a_unix_socket_is_enough() {
        let directory = tempfile::tempdir().unwrap();
        let place = UnixSocketPlace {
            directory: directory.path().to_owned(),
            port: Some(7000),
            mode: 0o700,
            group: None,
        };
        let listeners = Listeners::open(&[], Some(&place), HOW, Vec::new()).await.unwrap();
        assert_eq!((listeners.addresses(), listeners.port()), (Vec::new(), 7000));
        assert!(listeners.unix_socket().unwrap().ends_with(".s.PGSQL.7000"));
    }
}
