//! What comes before the startup packet: requests for encryption, and encryption.

use wire::error_response::ErrorFields;
use wire::startup::{self, StartupRequest};

use super::login::Talk;
use super::proxied;
use crate::error::ProxyError;
use crate::stream::Stream;
use crate::tls::{self, ClientTls};

/// Reads up to the startup packet or the request that comes in its place. TLS is taken up as
/// `client_tls_sslmode` says, GSSAPI encryption is declined (manual, sections 55.2.11 and 55.2.12).
pub(super) async fn read_request(
    talk: &mut Talk,
    tls: &ClientTls,
) -> Result<StartupRequest, ProxyError> {
    let (mut asked_ssl, mut asked_gss) = (false, false);
    if tls.is_offered()
        && let Stream::Tcp(stream) = &talk.stream
        && tls::begins_tls(stream).await?
    {
        if !encrypt(talk, tls).await? {
            let why = "received direct SSL connection request without ALPN protocol negotiation \
                       extension";
            return refuse(ErrorFields::fatal("08P01", why));
        }
        (asked_ssl, asked_gss) = (true, true);
    }
    loop {
        let (request, consumed) = loop {
            match startup::parse_startup(talk.read.bytes()) {
                Ok(Some(parsed)) => break parsed,
                Ok(None) => {}
                Err(_) if tls::is_handshake(talk.read.bytes()) => return Err(unasked_tls(tls)),
                Err(error) => {
                    let header = proxied::unasked_header(talk.read.bytes());
                    return Err(header.unwrap_or_else(|| error.into()));
                }
            }
            let have = talk.read.len();
            talk.read.fill_to(&mut talk.stream, have + 1).await?;
        };
        let rest = talk.read.len() - consumed;
        talk.read.consume(consumed);
        let wants_tls = request == StartupRequest::Ssl;
        let again = match request {
            StartupRequest::Ssl => std::mem::replace(&mut asked_ssl, true),
            StartupRequest::GssEncryption => std::mem::replace(&mut asked_gss, true),
            other => return Ok(other),
        };
        if again {
            return refuse(ErrorFields::fatal("08P01", "repeated encryption request"));
        }
        if rest > 0 {
            // Sent before the answer is known, they could be smuggled past the encryption
            // (CVE-2021-23214).
            let what = if wants_tls { "SSL" } else { "GSSAPI encryption" };
            let why = format!("received unencrypted data after {what} request");
            let error = ErrorFields::fatal("08P01", why);
            return refuse(error.with_detail(
                "This could be either a client-software bug or evidence of an attempted \
                 man-in-the-middle attack.",
            ));
        }
        if wants_tls && tls.is_offered() && matches!(talk.stream, Stream::Tcp(_)) {
            talk.send(b"S").await?;
            encrypt(talk, tls).await?;
            asked_gss = true;
        } else {
            talk.send(b"N").await?;
        }
    }
}

/// A client that takes pgweir for something else, or it for another client.
fn unasked_tls(tls: &ClientTls) -> ProxyError {
    let what = if tls.is_offered() { "a second TLS handshake" } else { "TLS, which is off" };
    let message = format!("the client begins with {what}");
    ProxyError::Tls { message, hint: "client_tls_sslmode turns it on." }
}

/// Shakes hands. Returns whether the client has named the protocol.
async fn encrypt(talk: &mut Talk, tls: &ClientTls) -> Result<bool, ProxyError> {
    match std::mem::replace(&mut talk.stream, Stream::Gone) {
        Stream::Tcp(stream) => {
            let accepted = tls::accept(tls, stream).await?;
            talk.stream = Stream::Tls(Box::new(accepted.stream));
            Ok(accepted.named_protocol)
        }
        other => {
            talk.stream = other;
            Ok(false)
        }
    }
}

/// Refuses who must encrypt and does not. A Unix socket is as good; a request to cancel is taken from
/// anybody, since older clients do not encrypt it, and its key is not told otherwise.
pub(super) fn check_encryption(talk: &Talk, tls: &ClientTls) -> Result<(), ProxyError> {
    if !tls.is_required() || !matches!(talk.stream, Stream::Tcp(_)) {
        return Ok(());
    }
    let error = ErrorFields::fatal("28000", "SSL required").with_hint(format!(
        "client_tls_sslmode is {}: connect with sslmode=require, verify-ca or verify-full.",
        tls.mode()
    ));
    refuse(error)
}

fn refuse<T>(error: ErrorFields) -> Result<T, ProxyError> {
    Err(ProxyError::Refused(Box::new(error)))
}
