//! Asking a server for TLS, and the handshake with it.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};
use wire::startup;

use super::clients::ALPN;
use super::end_point::end_point_hash;
use super::mode::SslMode;
use super::servers::{Connector, ServerTls};
use super::stream::Encrypted;
use crate::error::ProxyError;
use crate::stream::Stream;

/// What is tried on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// None.
    Plain,
    /// TLS if the server has it.
    IfOffered,
    /// TLS.
    Always,
}

impl ServerTls {
    /// What to try, one connection after the other, as long as the server refuses for want of what
    /// the next one has (manual, section 34.19.3).
    pub(crate) fn attempts(&self) -> &'static [Encryption] {
        match self.mode {
            SslMode::Disable => &[Encryption::Plain],
            SslMode::Allow => &[Encryption::Plain, Encryption::Always],
            SslMode::Prefer => &[Encryption::IfOffered, Encryption::Plain],
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Encryption::Always],
        }
    }
}

/// Encrypts a fresh connection, or leaves it as it is; one over a Unix socket always. Not
/// cancel-safe: the connection is lost.
///
/// # Errors
/// When the server has no TLS and must have it, and for all that is wrong with its TLS.
pub(crate) async fn encrypt(
    stream: Stream,
    tls: &ServerTls,
    how: Encryption,
    host: &str,
) -> Result<Stream, ProxyError> {
    let (mut socket, connector) = match (stream, &tls.connector, how) {
        (Stream::Tcp(socket), Some(connector), Encryption::IfOffered | Encryption::Always) => {
            (socket, connector)
        }
        (stream, _, _) => return Ok(stream),
    };
    if !tls.direct && !is_offered(&mut socket).await? {
        if how == Encryption::IfOffered {
            return Ok(Stream::Tcp(socket));
        }
        return Err(ProxyError::Tls {
            message: "the server does not offer TLS".to_owned(),
            hint: "Set ssl = on in its postgresql.conf, or ask for less: server_tls_sslmode, or \
                   sslmode in its URL.",
        });
    }
    let stream = shake_hands(connector, socket, host).await.map_err(|error| match error {
        ProxyError::Io(error) if tls.direct => ProxyError::Tls {
            message: format!("the server broke off the direct TLS connection ({error})"),
            hint: "sslnegotiation=direct needs PostgreSQL 17; leave it out.",
        },
        error => error,
    })?;
    if tls.direct && stream.get_ref().1.alpn_protocol() != Some(ALPN) {
        return Err(ProxyError::Tls {
            message: "the server took a direct TLS connection without naming its protocol (ALPN)"
                .to_owned(),
            hint: "sslnegotiation=direct needs PostgreSQL 17; leave it out.",
        });
    }
    let certificates = stream.get_ref().1.peer_certificates();
    let end_point =
        certificates.and_then(|all| all.first()).and_then(|first| end_point_hash(first));
    let encrypted = Encrypted::new(TlsStream::Client(stream), tls.mode.verifies(), end_point);
    Ok(Stream::Tls(Box::new(encrypted)))
}

/// Sends SSLRequest and reads its answer (manual, section 55.2.11).
async fn is_offered(socket: &mut TcpStream) -> Result<bool, ProxyError> {
    socket.write_all(&startup::ssl_request()).await?;
    let mut answer = [0; 16];
    match (socket.read(&mut answer).await?, answer[0]) {
        (0, _) => Err(ProxyError::Closed),
        (1, b'S') => Ok(true),
        (1, b'N') => Ok(false),
        (1, _) | (_, b'E') => Err(ProxyError::Tls {
            message: "the server answered the request for TLS with neither yes nor no".to_owned(),
            hint: "Is it a PostgreSQL server? Its log may say more.",
        }),
        // Whoever put them there would be taken for the server (CVE-2021-23222).
        _ => Err(ProxyError::Tls {
            message: "received unencrypted data after SSL response".to_owned(),
            hint: "This may be an attempt to smuggle data past the encryption; look at what is \
                   between pgweir and the server.",
        }),
    }
}

async fn shake_hands(
    connector: &Connector,
    socket: TcpStream,
    host: &str,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ProxyError> {
    let name = match ServerName::try_from(host.to_owned()) {
        Ok(name) => name,
        // Where the name matters, no certificate has this one.
        Err(_) => ServerName::try_from("name.invalid").map_err(|_| ProxyError::Closed)?,
    };
    let connector = TlsConnector::from(Arc::clone(&connector.config));
    connector.connect(name, socket).await.map_err(|error| explained(error.into(), host))
}

/// The same in words that help, if TLS is what went wrong. That may show only after the handshake:
/// TLS 1.3 does not wait for the server's word on our certificate.
pub(crate) fn explained(error: ProxyError, host: &str) -> ProxyError {
    let cause = match &error {
        ProxyError::Io(error) => {
            error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).cloned()
        }
        _ => None,
    };
    cause.map_or(error, |cause| refusal(&cause, host))
}

/// What webpki has no variant for in rustls' error.
fn unusual(error: &CertificateError) -> ProxyError {
    let text = format!("{error:?}");
    let (what, hint) = if text.contains("UnsupportedCertVersion") {
        (
            "is of X.509 version 1, for which no authority can vouch",
            "Make one of version 3 (openssl x509 -req does, given -extfile), or put the server's own \
             into server_tls_ca_file (sslrootcert in the URL).",
        )
    } else if text.contains("CaUsedAsEndEntity") {
        ("is an authority's", AUTHORITY)
    } else {
        let message = format!("the server's certificate is not accepted: {error}");
        return ProxyError::Tls { message, hint: AUTHORITY };
    };
    ProxyError::Tls { message: format!("the server's certificate {what}"), hint }
}

const AUTHORITY: &str = "Put its authority's certificate, or the server's own, into \
                         server_tls_ca_file (sslrootcert in the URL).";

/// Why there is no TLS with a server, in words that help.
fn refusal(error: &Error, host: &str) -> ProxyError {
    use CertificateError::{
        BadEncoding, BadSignature, Expired, ExpiredContext, NotValidForName,
        NotValidForNameContext, NotValidYet, NotValidYetContext, UnknownIssuer,
    };
    let told = |message: String, hint| ProxyError::Tls { message, hint };
    let said = |message: &str, hint| told(message.to_owned(), hint);
    match error {
        Error::InvalidCertificate(Expired | ExpiredContext { .. }) => said(
            "the server's certificate has expired",
            "Renew it on the server, or do without: server_tls_sslmode, or sslmode in its URL.",
        ),
        Error::InvalidCertificate(NotValidYet | NotValidYetContext { .. }) => {
            said("the server's certificate is not valid yet", "Compare the two machines' clocks.")
        }
        // Of the name of a known one, with another key.
        Error::InvalidCertificate(UnknownIssuer | BadSignature) => {
            said("the server's certificate is of an unknown authority", AUTHORITY)
        }
        Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => told(
            format!("the server's certificate is not for \"{host}\""),
            "Connect by a name that it has (its subject alternative names), or use verify-ca.",
        ),
        Error::InvalidCertificate(BadEncoding) => {
            said("the server's certificate cannot be read", AUTHORITY)
        }
        Error::InvalidCertificate(other) => unusual(other),
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::HandshakeFailure
            | AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired,
        ) => told(
            format!("the server refused the TLS handshake: {error}"),
            "It may want a client certificate: server_tls_cert_file and server_tls_key_file.",
        ),
        Error::InvalidMessage(_) => said(
            "the server's answer is not TLS",
            "Is it a PostgreSQL server? sslnegotiation=direct needs version 17.",
        ),
        _ => told(
            format!("TLS with the server failed: {error}"),
            "server_tls_protocols and the server's ssl_min_protocol_version must have a version in \
             common.",
        ),
    }
}
