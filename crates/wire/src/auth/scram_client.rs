//! The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677; manual, section 55.3.1).

use std::fmt;

use subtle::ConstantTimeEq;

use super::scram_attributes::{decode_base64, decode_key, encode_base64, nonce, text, value};
use super::scram_keys::{Key, ScramKeys, hmac, xor};
use super::{ClientBinding, NonceBytes};
use crate::WireError;

/// Nothing longer is taken from a server. PostgreSQL sends some 90 bytes.
const MAX_SERVER_MESSAGE_BYTES: usize = 4096;

/// The most PBKDF2 iterations that a server may ask for: some 0.2 s of CPU.
const MAX_ITERATIONS: u64 = 1_000_000;

/// One login to a server. Each step consumes the one before, so none can be left out or repeated.
#[derive(Debug)]
pub struct ScramClient<State = AwaitingChallenge> {
    state: State,
}

/// The client-first message is made.
#[derive(Debug)]
pub struct AwaitingChallenge {
    credentials: Credentials,
    client_first_bare: String,
    client_nonce: String,
    binding: ClientBinding,
}

/// The proof is made.
#[derive(Debug)]
pub struct AwaitingSignature {
    expected_signature: Key,
}

enum Credentials {
    Password(Vec<u8>),
    Keys(ScramKeys),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(..)",
            Self::Keys(_) => "Keys(..)",
        })
    }
}

impl ScramClient<AwaitingChallenge> {
    /// A login with a password, and the data of SASLInitialResponse.
    pub fn new(password: &str, random: NonceBytes) -> (Self, Vec<u8>) {
        let credentials = Credentials::Password(password.as_bytes().to_vec());
        Self::start(credentials, "", encode_base64(&random))
    }

    /// A login with what a client's own login left here, and the data of SASLInitialResponse. It
    /// succeeds if the server keeps the verifier that the client was judged by.
    pub fn with_keys(keys: ScramKeys, random: NonceBytes) -> (Self, Vec<u8>) {
        Self::start(Credentials::Keys(keys), "", encode_base64(&random))
    }

    #[cfg(test)]
    pub(super) fn with_nonce(password: &str, user: &str, client_nonce: &str) -> (Self, Vec<u8>) {
        let credentials = Credentials::Password(password.as_bytes().to_vec());
        Self::start(credentials, user, client_nonce.to_owned())
    }

    /// The user's name stays empty outside tests: the startup packet has it.
    fn start(credentials: Credentials, user: &str, client_nonce: String) -> (Self, Vec<u8>) {
        let client_first_bare = format!("n={user},r={client_nonce}");
        let binding = ClientBinding::default();
        let state = AwaitingChallenge { credentials, client_first_bare, client_nonce, binding };
        let begun = Self { state };
        let message = begun.first_message();
        (begun, message)
    }

    /// The same login bound to the channel, and the data of SASLInitialResponse that go with it.
    #[must_use]
    pub fn bound(mut self, binding: ClientBinding) -> (Self, Vec<u8>) {
        self.state.binding = binding;
        let message = self.first_message();
        (self, message)
    }

    fn first_message(&self) -> Vec<u8> {
        let AwaitingChallenge { client_first_bare, binding, .. } = &self.state;
        format!("{}{client_first_bare}", binding.gs2_header()).into_bytes()
    }

    /// Takes the data of AuthenticationSASLContinue, gives those of SASLResponse.
    ///
    /// With a password this costs what [`ScramKeys::from_password`] costs, at the iteration count
    /// that the server chose: run it where nobody waits.
    ///
    /// # Errors
    /// [`WireError::ScramNonce`] if the challenge is for somebody else,
    /// [`WireError::ScramIterations`] if it asks for too much work; otherwise what is malformed.
    pub fn challenge(
        self,
        server_first: &[u8],
    ) -> Result<(ScramClient<AwaitingSignature>, Vec<u8>), WireError> {
        let AwaitingChallenge { credentials, client_first_bare, client_nonce, binding } =
            self.state;
        let server_first = text(server_first, MAX_SERVER_MESSAGE_BYTES)?;
        let challenge = ServerFirst::parse(server_first)?;
        let server_nonce = challenge.nonce.strip_prefix(&client_nonce);
        if server_nonce.is_none_or(str::is_empty) {
            return Err(WireError::ScramNonce);
        }
        let keys = match credentials {
            Credentials::Password(password) => {
                ScramKeys::from_password(&password, &challenge.salt, challenge.iterations)
            }
            Credentials::Keys(keys) => keys,
        };
        let channel_binding = encode_base64(&binding.data());
        let without_proof = format!("c={channel_binding},r={}", challenge.nonce);
        let auth_message = format!("{client_first_bare},{server_first},{without_proof}");
        let client_signature = hmac(&keys.stored_key(), &[auth_message.as_bytes()]);
        let proof = encode_base64(&xor(&keys.client_key, &client_signature));
        let expected_signature = hmac(&keys.server_key, &[auth_message.as_bytes()]);
        let next = ScramClient { state: AwaitingSignature { expected_signature } };
        Ok((next, format!("{without_proof},p={proof}").into_bytes()))
    }
}

impl ScramClient<AwaitingSignature> {
    /// Takes the data of AuthenticationSASLFinal. The login must not count before this is `Ok`:
    /// only now has the server shown that it knows the password too.
    ///
    /// # Errors
    /// [`WireError::ScramServerSignature`] if it does not know it, [`WireError::ScramServerError`]
    /// if it says why it refuses; otherwise what is malformed.
    pub fn finish(self, server_final: &[u8]) -> Result<(), WireError> {
        let server_final = text(server_final, MAX_SERVER_MESSAGE_BYTES)?;
        if let Some(error) = server_final.strip_prefix("e=") {
            return Err(WireError::ScramServerError(error.to_owned()));
        }
        let signature = value(Some(server_final), "v=", "server signature expected")?;
        let signature = decode_key(signature, "malformed server signature")?;
        if bool::from(signature.ct_eq(&self.state.expected_signature)) {
            Ok(())
        } else {
            Err(WireError::ScramServerSignature)
        }
    }
}

struct ServerFirst<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: u32,
}

impl<'a> ServerFirst<'a> {
    fn parse(message: &'a str) -> Result<Self, WireError> {
        if message.starts_with("m=") {
            return Err(WireError::ScramExtension);
        }
        let mut attributes = message.split(',');
        let nonce = nonce(value(attributes.next(), "r=", "nonce expected")?)?;
        let salt =
            decode_base64(value(attributes.next(), "s=", "salt expected")?, "malformed salt")?;
        let iterations = value(attributes.next(), "i=", "iteration count expected")?
            .parse::<u64>()
            .map_err(|_| WireError::MalformedScram("malformed iteration count"))?;
        if attributes.next().is_some() {
            return Err(WireError::MalformedScram("garbage after the iteration count"));
        }
        match u32::try_from(iterations) {
            Ok(count) if (1..=MAX_ITERATIONS).contains(&iterations) => {
                Ok(Self { nonce, salt, iterations: count })
            }
            _ => Err(WireError::ScramIterations(iterations)),
        }
    }
}
