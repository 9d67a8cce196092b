//! The messages of the authentication phase: `R` from the server, `p` from the client
//! (manual, section 55.7).
//!
//! pgwire writes them. It does not read them: on a body that is cut short its decoders panic, and
//! they take the length of SASL data as it comes.

use bytes::{Bytes, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::startup::{Authentication, Password, SASLInitialResponse, SASLResponse};

use crate::WireError;
use crate::frame::split_cstring;

/// A message of type `R`: what the server wants next, or that it is content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthenticationRequest<'a> {
    /// AuthenticationOk.
    Ok,
    /// AuthenticationCleartextPassword: answer with [`password_message`].
    CleartextPassword,
    /// AuthenticationMD5Password: answer with [`password_message`] of
    /// [`md5_response`](super::md5_response).
    Md5Password {
        /// For this connection only.
        salt: [u8; 4],
    },
    /// AuthenticationSASL: the mechanisms on offer, the best first.
    Sasl(Vec<&'a str>),
    /// AuthenticationSASLContinue: a challenge.
    SaslContinue(&'a [u8]),
    /// AuthenticationSASLFinal: the outcome, to be verified.
    SaslFinal(&'a [u8]),
}

impl<'a> AuthenticationRequest<'a> {
    /// The whole message, type byte and length included.
    pub fn encode(&self) -> Vec<u8> {
        encode(&match self {
            Self::Ok => Authentication::Ok,
            Self::CleartextPassword => Authentication::CleartextPassword,
            Self::Md5Password { salt } => Authentication::MD5Password(salt.to_vec()),
            Self::Sasl(mechanisms) => {
                Authentication::SASL(mechanisms.iter().map(|&name| name.to_owned()).collect())
            }
            Self::SaslContinue(data) => Authentication::SASLContinue(Bytes::copy_from_slice(data)),
            Self::SaslFinal(data) => Authentication::SASLFinal(Bytes::copy_from_slice(data)),
        })
    }

    /// Reads the body of a message of type `R`.
    ///
    /// # Errors
    /// [`WireError::AuthenticationMethod`] for Kerberos, GSSAPI, SSPI and what is not invented
    /// yet; [`WireError::MessageFormat`] for anything malformed.
    pub fn parse(body: &'a [u8]) -> Result<Self, WireError> {
        const FORMAT: WireError = WireError::MessageFormat("Authentication");
        let (code, data) = body.split_first_chunk::<4>().ok_or(FORMAT)?;
        match (i32::from_be_bytes(*code), data) {
            (0, []) => Ok(Self::Ok),
            (3, []) => Ok(Self::CleartextPassword),
            (5, data) => data.try_into().map(|salt| Self::Md5Password { salt }).map_err(|_| FORMAT),
            (10, [names @ .., 0]) => names
                .split_inclusive(|&byte| byte == 0)
                .map(|name| name.strip_suffix(b"\0").and_then(|name| str::from_utf8(name).ok()))
                .collect::<Option<_>>()
                .map(Self::Sasl)
                .ok_or(FORMAT),
            (11, data) => Ok(Self::SaslContinue(data)),
            (12, data) => Ok(Self::SaslFinal(data)),
            (0 | 3 | 10, _) => Err(FORMAT),
            (other, _) => Err(WireError::AuthenticationMethod(other)),
        }
    }
}

/// PasswordMessage, whole: a password in clear text, or what
/// [`md5_response`](super::md5_response) gives. A NUL cannot be sent and ends the password.
pub fn password_message(password: &str) -> Vec<u8> {
    let password = password.split('\0').next().unwrap_or_default();
    encode(&Password::new(password.to_owned()))
}

/// Reads the body of a PasswordMessage: the password's bytes, in whatever encoding.
///
/// # Errors
/// [`WireError::EmptyPassword`]; [`WireError::MessageFormat`] if the terminator is not the last
/// byte.
pub fn parse_password_message(body: &[u8]) -> Result<&[u8], WireError> {
    match body {
        [0] => Err(WireError::EmptyPassword),
        [password @ .., 0] if !password.contains(&0) => Ok(password),
        _ => Err(WireError::MessageFormat("PasswordMessage")),
    }
}

/// What a client sends first in a SASL exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaslInitialResponse<'a> {
    /// The mechanism that it chose from those offered; not checked here.
    pub mechanism: &'a str,
    /// The mechanism's first message; none if the client leaves the first word to the server.
    pub data: Option<&'a [u8]>,
}

/// SASLInitialResponse, whole.
pub fn sasl_initial_response(mechanism: &str, data: &[u8]) -> Vec<u8> {
    let data = Bytes::copy_from_slice(data);
    encode(&SASLInitialResponse::new(mechanism.to_owned(), Some(data)))
}

/// Reads the body of a SASLInitialResponse.
///
/// # Errors
/// [`WireError::MessageFormat`] if the parts do not fill the body exactly.
pub fn parse_sasl_initial_response(body: &[u8]) -> Result<SaslInitialResponse<'_>, WireError> {
    const FORMAT: WireError = WireError::MessageFormat("SASLInitialResponse");
    let (mechanism, rest) = split_cstring(body).ok_or(FORMAT)?;
    let mechanism = str::from_utf8(mechanism).map_err(|_| FORMAT)?;
    let (length, data) = rest.split_first_chunk::<4>().ok_or(FORMAT)?;
    match (i32::from_be_bytes(*length), data) {
        (-1, []) => Ok(SaslInitialResponse { mechanism, data: None }),
        (length, data) if usize::try_from(length) == Ok(data.len()) => {
            Ok(SaslInitialResponse { mechanism, data: Some(data) })
        }
        _ => Err(FORMAT),
    }
}

/// SASLResponse, whole.
pub fn sasl_response(data: &[u8]) -> Vec<u8> {
    encode(&SASLResponse::new(Bytes::copy_from_slice(data)))
}

/// Reads the body of a SASLResponse, which is the mechanism's message and nothing else.
pub fn parse_sasl_response(body: &[u8]) -> &[u8] {
    body
}

/// Not with [`Message::encode`]: its limit on the length is meant for what is received, and
/// without it none of the messages above can fail.
fn encode<M: Message>(message: &M) -> Vec<u8> {
    let mut body = BytesMut::new();
    let written = message.encode_body(&mut body);
    debug_assert!(written.is_ok(), "no message of this phase refuses to be written");
    let mut whole = Vec::with_capacity(body.len() + 5);
    whole.extend(M::message_type());
    whole.extend((body.len() as u32 + 4).to_be_bytes());
    whole.extend(body);
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_bytes() {
        let requests: [(AuthenticationRequest<'_>, &[u8]); 6] = [
            (AuthenticationRequest::Ok, b"R\0\0\0\x08\0\0\0\0"),
            (AuthenticationRequest::CleartextPassword, b"R\0\0\0\x08\0\0\0\x03"),
            (AuthenticationRequest::Md5Password { salt: *b"salt" }, b"R\0\0\0\x0c\0\0\0\x05salt"),
            (
                AuthenticationRequest::Sasl(vec!["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]),
                b"R\0\0\0\x2a\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0",
            ),
            (AuthenticationRequest::SaslContinue(b"r=1"), b"R\0\0\0\x0b\0\0\0\x0br=1"),
            (AuthenticationRequest::SaslFinal(b"v=1"), b"R\0\0\0\x0b\0\0\0\x0cv=1"),
        ];
        for (request, bytes) in requests {
            assert_eq!(request.encode(), bytes);
            assert_eq!(AuthenticationRequest::parse(&bytes[5..]), Ok(request));
        }
        assert_eq!(password_message("secret"), b"p\0\0\0\x0bsecret\0");
        assert_eq!(sasl_initial_response("M", b"data"), b"p\0\0\0\x0eM\0\0\0\0\x04data");
        assert_eq!(sasl_response(b"data"), b"p\0\0\0\x08data");
    }

    #[test]
    fn refuses_what_is_malformed_or_unknown() {
        for body in [
            &b""[..],
            b"\0\0\0",
            b"\0\0\0\0extra",
            b"\0\0\0\x05sal",
            b"\0\0\0\x05salty",
            b"\0\0\0\x0a",
            b"\0\0\0\x0aSCRAM-SHA-256\0",
            b"\0\0\0\x0a\xff\0\0",
        ] {
            let format = WireError::MessageFormat("Authentication");
            assert_eq!(AuthenticationRequest::parse(body), Err(format), "{body:?}");
        }
        for kerberos_gss_sspi in [2, 7, 9] {
            assert_eq!(
                AuthenticationRequest::parse(&i32::to_be_bytes(kerberos_gss_sspi)),
                Err(WireError::AuthenticationMethod(kerberos_gss_sspi)),
            );
        }
    }

    #[test]
    fn a_password_ends_with_its_message() {
        assert_eq!(parse_password_message(b"secret\0"), Ok(&b"secret"[..]));
        assert_eq!(parse_password_message(b"\0"), Err(WireError::EmptyPassword));
        let format = Err(WireError::MessageFormat("PasswordMessage"));
        assert_eq!(parse_password_message(b""), format);
        assert_eq!(parse_password_message(b"secret"), format);
        assert_eq!(parse_password_message(b"se\0cret\0"), format);
    }

    #[test]
    fn sasl_data_must_fill_the_message() {
        let none = parse_sasl_initial_response(b"M\0\xff\xff\xff\xff").unwrap();
        assert_eq!(none, SaslInitialResponse { mechanism: "M", data: None });
        let empty = parse_sasl_initial_response(b"M\0\0\0\0\0").unwrap();
        assert_eq!(empty.data, Some(&b""[..]));
        for body in [
            &b"M"[..],
            b"M\0\0\0\0",
            b"M\0\0\0\0\x02x",
            b"M\0\0\0\0\x01xy",
            b"M\0\xff\xff\xff\xfex",
            b"M\0\xff\xff\xff\xffx",
            b"M\0\x7f\xff\xff\xffx",
        ] {
            assert!(parse_sasl_initial_response(body).is_err(), "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_parsed_is_what_was_sent(body: Vec<u8>, known in 0..16_u8) {
            let mut coded = vec![0, 0, 0, known];
            coded.extend(&body);
            for body in [&body, &coded] {
                if let Ok(request) = AuthenticationRequest::parse(body) {
                    prop_assert_eq!(&request.encode()[5..], &body[..]);
                }
                if let Ok(SaslInitialResponse { mechanism, data: Some(data) }) =
                    parse_sasl_initial_response(body)
                {
                    prop_assert_eq!(&sasl_initial_response(mechanism, data)[5..], &body[..]);
                }
            }
        }
    }
}
