//! The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677; manual, section 55.3.1).

use subtle::ConstantTimeEq;

use super::scram_attributes::{decode_key, encode_base64, nonce, text, value};
use super::scram_keys::{ScramKeys, hmac, sha256, xor};
use super::{NonceBytes, ScramVerifier, ServerBinding};
use crate::WireError;

/// PostgreSQL's PG_MAX_SASL_MESSAGE_LENGTH: nothing longer is taken from a client.
const MAX_CLIENT_MESSAGE_BYTES: usize = 1024;

/// One login of a client. Each step consumes the one before, so none can be left out or repeated.
///
/// For an unknown user take [`MockSeed::scram_verifier`](super::MockSeed::scram_verifier): the
/// exchange then fails in its last step, like one with a wrong password. No step runs PBKDF2.
#[derive(Debug)]
pub struct ScramServer<State = AwaitingFirst> {
    verifier: ScramVerifier,
    state: State,
}

/// The client speaks first.
#[derive(Debug)]
pub struct AwaitingFirst {
    server_nonce: String,
    binding: ServerBinding,
}

/// The challenge is sent.
#[derive(Debug)]
pub struct AwaitingProof {
    client_first_bare: String,
    server_first: String,
    /// The client's part and ours.
    nonce: String,
    /// What the client must repeat: the gs2 header, and the TLS channel's data behind it.
    channel_binding: Vec<u8>,
    is_bound: bool,
}

/// A login that succeeded.
#[derive(Debug)]
pub struct ScramAccepted {
    /// To be sent as AuthenticationSASLFinal.
    pub server_final: Vec<u8>,
    /// With these one can log in to a server that keeps the same verifier.
    pub keys: ScramKeys,
}

impl ScramServer<AwaitingFirst> {
    /// A login to be judged by the verifier.
    pub fn new(verifier: ScramVerifier, random: NonceBytes) -> Self {
        Self::with_nonce(verifier, encode_base64(&random))
    }

    pub(super) fn with_nonce(verifier: ScramVerifier, server_nonce: String) -> Self {
        let binding = ServerBinding::default();
        Self { verifier, state: AwaitingFirst { server_nonce, binding } }
    }

    /// The same login over a channel that it may be bound to.
    #[must_use]
    pub fn over(mut self, binding: ServerBinding) -> Self {
        self.state.binding = binding;
        self
    }

    /// Takes the data of SASLInitialResponse, gives those of AuthenticationSASLContinue.
    ///
    /// # Errors
    /// What is malformed or not supported; never whether the user exists.
    pub fn first(
        self,
        client_first: &[u8],
    ) -> Result<(ScramServer<AwaitingProof>, Vec<u8>), WireError> {
        let client_first = text(client_first, MAX_CLIENT_MESSAGE_BYTES)?;
        let AwaitingFirst { server_nonce, binding } = self.state;
        let client_first = ClientFirst::parse(client_first, &binding)?;
        let ScramVerifier { iterations, salt, .. } = &self.verifier;
        let nonce = format!("{}{}", client_first.nonce, server_nonce);
        let server_first = format!("r={nonce},s={},i={iterations}", encode_base64(salt));
        let message = server_first.clone().into_bytes();
        let state = AwaitingProof {
            client_first_bare: client_first.bare.to_owned(),
            server_first,
            nonce,
            channel_binding: binding.data(client_first.gs2_header),
            is_bound: matches!(binding, ServerBinding::Chosen(_)),
        };
        Ok((ScramServer { verifier: self.verifier, state }, message))
    }
}

impl ScramServer<AwaitingProof> {
    /// Takes the data of SASLResponse.
    ///
    /// # Errors
    /// [`WireError::PasswordRejected`] if the proof does not fit the verifier; otherwise what is
    /// malformed.
    pub fn finish(self, client_final: &[u8]) -> Result<ScramAccepted, WireError> {
        let client_final = ClientFinal::parse(text(client_final, MAX_CLIENT_MESSAGE_BYTES)?)?;
        let AwaitingProof { client_first_bare, server_first, nonce, channel_binding, is_bound } =
            self.state;
        if client_final.channel_binding != encode_base64(&channel_binding) {
            return Err(match is_bound {
                true => WireError::ScramChannelMismatch,
                false => WireError::ScramChannelBinding,
            });
        }
        if client_final.nonce != nonce {
            return Err(WireError::ScramNonce);
        }
        let ScramVerifier { stored_key, server_key, .. } = self.verifier;
        let auth_message =
            format!("{client_first_bare},{server_first},{}", client_final.without_proof);
        let client_signature = hmac(&stored_key, &[auth_message.as_bytes()]);
        let client_key = xor(&client_final.proof, &client_signature);
        if !bool::from(sha256(&client_key).ct_eq(&stored_key)) {
            return Err(WireError::PasswordRejected);
        }
        let server_signature = hmac(&server_key, &[auth_message.as_bytes()]);
        Ok(ScramAccepted {
            server_final: format!("v={}", encode_base64(&server_signature)).into_bytes(),
            keys: ScramKeys { client_key, server_key },
        })
    }
}

struct ClientFirst<'a> {
    /// The channel-binding flag and the authorization identity, with both commas.
    gs2_header: &'a str,
    /// All that follows.
    bare: &'a str,
    nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    fn parse(message: &'a str, binding: &ServerBinding) -> Result<Self, WireError> {
        let malformed = WireError::MalformedScram;
        let mut parts = message.splitn(3, ',');
        binding.check(parts.next().unwrap_or_default())?;
        match parts.next() {
            Some("") => {}
            Some(identity) if identity.starts_with("a=") => {
                return Err(WireError::ScramAuthorizationIdentity);
            }
            _ => return Err(malformed("comma expected after the channel-binding flag")),
        }
        let bare = parts.next().ok_or(malformed("message ends early"))?;
        let mut attributes = bare.split(',').peekable();
        if attributes.peek().is_some_and(|attribute| attribute.starts_with("m=")) {
            return Err(WireError::ScramExtension);
        }
        // The user is the startup packet's: libpq leaves this one empty, PostgreSQL ignores it.
        value(attributes.next(), "n=", "user name expected")?;
        let nonce = nonce(value(attributes.next(), "r=", "nonce expected")?)?;
        Ok(Self { gs2_header: &message[..message.len() - bare.len()], bare, nonce })
    }
}

struct ClientFinal<'a> {
    without_proof: &'a str,
    channel_binding: &'a str,
    nonce: &'a str,
    proof: [u8; 32],
}

impl<'a> ClientFinal<'a> {
    fn parse(message: &'a str) -> Result<Self, WireError> {
        let (without_proof, proof) =
            message.rsplit_once(",p=").ok_or(WireError::MalformedScram("proof expected"))?;
        let mut attributes = without_proof.split(',');
        Ok(Self {
            without_proof,
            channel_binding: value(attributes.next(), "c=", "channel binding expected")?,
            nonce: value(attributes.next(), "r=", "nonce expected")?,
            proof: decode_key(proof, "malformed proof")?,
        })
    }
}
