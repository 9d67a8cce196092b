//! One address of one host: what a connection goes to.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpStream, UnixStream};

use crate::stream::{ServerAddress, Stream, socket_name};
use crate::tcp::TcpOptions;

/// One address of one host: what a connection goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// As it is written.
    pub(crate) address: ServerAddress,
    /// Where that is; none for a Unix socket, and for a name that is yet to be looked up.
    ip: Option<SocketAddr>,
}

impl Endpoint {
    /// The one that a name leads to.
    pub(super) fn resolved(address: &ServerAddress, ip: SocketAddr) -> Self {
        Self { address: address.clone(), ip: Some(ip) }
    }

    /// The only one of an address that is no name.
    pub(super) fn of(address: &ServerAddress) -> Option<Self> {
        match address {
            ServerAddress::Tcp { host, port } => {
                let ip: IpAddr = host.parse().ok()?;
                Some(Self::resolved(address, SocketAddr::new(ip, *port)))
            }
            ServerAddress::Unix { .. } => Some(Self { address: address.clone(), ip: None }),
        }
    }

    /// Wherever it leads when it is connected to: a name is looked up then.
    pub(crate) fn unresolved(address: &ServerAddress) -> Self {
        Self { address: address.clone(), ip: None }
    }

    /// The host, as its certificate must name it.
    pub(crate) fn host(&self) -> String {
        self.address.host()
    }

    /// Where its name leads, if it is a name.
    pub(super) fn looked_up(&self) -> Option<IpAddr> {
        self.ip.map(|ip| ip.ip()).filter(|ip| self.address.host() != ip.to_string())
    }

    /// Opens a socket. Cancel-safe: dropping the future closes it.
    pub(crate) async fn connect(&self, tcp: TcpOptions) -> io::Result<Stream> {
        match (&self.address, self.ip) {
            (ServerAddress::Unix { directory, port }, _) => {
                let path = directory.join(socket_name(*port));
                Ok(Stream::Unix(UnixStream::connect(path).await?))
            }
            (ServerAddress::Tcp { host, port }, ip) => {
                let stream = match ip {
                    Some(ip) => TcpStream::connect(ip).await?,
                    None => TcpStream::connect((host.as_str(), *port)).await?,
                };
                stream.set_nodelay(true)?;
                tcp.apply(&stream);
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.looked_up() {
            Some(ip) => write!(f, "{} ({ip})", self.address),
            None => write!(f, "{}", self.address),
        }
    }
}
