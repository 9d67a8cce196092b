//! What a balancer says of the clients that it brings: the PROXY protocol.

use model::Address;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use wire::error_response::ErrorFields;
use wire::proxy_protocol::{self, MAX_HEADER_BYTES, ProxyHeader, ProxyHeaderError};
use wire::startup::{self, StartupRequest};
use wire::{BackendKey, WireError};

use super::login::Talk;
use crate::error::ProxyError;
use crate::settings::ProxySettings;
use crate::stream::Stream;

/// What comes first on a connection.
pub(super) enum First {
    /// Whatever a client sends.
    Client,
    /// A cancel request: where it comes from does not matter, and peers, who may be in the networks
    /// of balancers, send no header.
    Cancel(BackendKey),
}

/// Takes the header off, if the connection comes from where they must be, and keeps the client's
/// address. Not cancel-safe: a part of the header is lost.
///
/// # Errors
/// [`ProxyError::ProxyHeader`] for what is no header, and what is wrong with one; who speaks
/// PostgreSQL is told.
pub(super) async fn read_header(
    talk: &mut Talk,
    settings: &ProxySettings,
) -> Result<First, ProxyError> {
    let Some(address) = talk.peer_ip() else { return Ok(First::Client) };
    let Stream::Tcp(stream) = &mut talk.stream else { return Ok(First::Client) };
    if stream.peer_addr().is_err() {
        // It is gone, as a balancer's check that resets the connection: nobody knows any more where it
        // came from.
        return Err(ProxyError::Closed);
    }
    if !settings.proxy_protocol_from.contains(address) {
        return Ok(First::Client);
    }
    match take(stream).await {
        Ok(ProxyHeader::Client(client)) => {
            talk.peer = Address::Tcp(client);
            Ok(First::Client)
        }
        Ok(ProxyHeader::Balancer | ProxyHeader::Unknown) => Ok(First::Client),
        Err(Untaken::Closed) => Err(ProxyError::Closed),
        Err(Untaken::Io(error)) => Err(error.into()),
        Err(Untaken::Wrong(ProxyHeaderError::Missing)) => without_header(talk).await,
        Err(Untaken::Wrong(error)) => Err(ProxyError::ProxyHeader {
            message: error.to_string(),
            hint: "The connection comes from an address in proxy_protocol_from.",
        }),
    }
}

/// Why there is no header.
enum Untaken {
    Closed,
    Io(std::io::Error),
    Wrong(ProxyHeaderError),
}

impl From<std::io::Error> for Untaken {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// Takes a header off the stream, and not a byte more: TLS may follow.
async fn take(stream: &mut TcpStream) -> Result<ProxyHeader, Untaken> {
    let mut bytes = vec![0; MAX_HEADER_BYTES];
    let mut have = 0;
    loop {
        // Bytes stay in the socket until they are known to be the header's. Never without room: a
        // header is judged before it has grown to the limit.
        let seen = stream.peek(&mut bytes[have..]).await?;
        if seen == 0 {
            return Err(Untaken::Closed);
        }
        match proxy_protocol::parse(&bytes[..have + seen]).map_err(Untaken::Wrong)? {
            Some((header, length)) => {
                stream.read_exact(&mut bytes[have..length]).await?;
                return Ok(header);
            }
            None => {
                stream.read_exact(&mut bytes[have..have + seen]).await?;
                have += seen;
            }
        }
    }
}

/// A connection without the header that it must have. Nothing was taken off it.
async fn without_header(talk: &mut Talk) -> Result<First, ProxyError> {
    let no_header = ProxyError::ProxyHeader {
        message: "it does not begin with a PROXY header".to_owned(),
        hint: "It comes from an address in proxy_protocol_from.",
    };
    // libpq asks for GSSAPI and for TLS, and does not show an error that answers that.
    let mut asked = 0;
    let request = loop {
        match startup::parse_startup(talk.read.bytes()) {
            Ok(Some((StartupRequest::Ssl | StartupRequest::GssEncryption, length)))
                if asked < 2 =>
            {
                asked += 1;
                talk.read.consume(length);
                talk.send(b"N").await?;
                continue;
            }
            Ok(Some((request, _))) => break request,
            Ok(None) => {}
            Err(WireError::StartupLength) => return Err(no_header),
            Err(error) => return Err(error.into()),
        }
        let have = talk.read.len();
        talk.read.fill_to(&mut talk.stream, have + 1).await?;
    };
    if let StartupRequest::Cancel { process_id, key } = request {
        return Ok(First::Cancel(BackendKey { process_id, secret: key }));
    }
    let error = ErrorFields::fatal("08P01", "the connection does not begin with a PROXY header");
    Err(ProxyError::Refused(Box::new(error.with_hint(format!(
        "It comes from {}, which is in proxy_protocol_from: only a balancer that sends the header \
         may connect from there.",
        talk.peer
    )))))
}

/// Whom a connection that is refused for its first bytes may be of; none if they are no header.
pub(super) fn unasked_header(bytes: &[u8]) -> Option<ProxyError> {
    proxy_protocol::is_proxy_header(bytes).then(|| ProxyError::ProxyHeader {
        message: "it begins with a PROXY header, and may not".to_owned(),
        hint: "If it is a balancer of yours, its address belongs in proxy_protocol_from.",
    })
}
