//! Stored secrets: what pgweir knows about a user, and what it invents for users that it does not
//! know.

use std::fmt;

use subtle::ConstantTimeEq;

use super::md5::{parse_md5_text, password_digest};
use super::scram_attributes::{decode_base64, decode_key};
use super::scram_keys::{Key, ScramKeys, hmac, sha256};
use crate::WireError;

/// PostgreSQL's default for `scram_iterations`.
pub const DEFAULT_ITERATIONS: u32 = 4096;

/// What is known about a user's password. Its `Debug` shows the kind only.
#[derive(Clone)]
pub enum Secret {
    /// The password itself.
    Plain(String),
    /// md5(password ‖ user), as PostgreSQL stores it.
    Md5([u8; 16]),
    /// A SCRAM verifier, as PostgreSQL stores it.
    Scram(ScramVerifier),
}

impl Secret {
    /// Reads a secret as it stands in pg_authid, in PgBouncer's userlist.txt or in a
    /// configuration: `md5` with 32 hexadecimal digits, `SCRAM-SHA-256$…`; anything else is a
    /// password, as in PostgreSQL's `get_password_type`.
    pub fn parse(text: &str) -> Self {
        if let Some(digest) = parse_md5_text(text) {
            Self::Md5(digest)
        } else if let Some(verifier) = ScramVerifier::parse(text) {
            Self::Scram(verifier)
        } else {
            Self::Plain(text.to_owned())
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Secret::Plain(..)",
            Self::Md5(_) => "Secret::Md5(..)",
            Self::Scram(_) => "Secret::Scram(..)",
        })
    }
}

/// Whether a password sent in clear text fits the secret, whatever its kind; in constant time.
///
/// With a SCRAM verifier it costs what [`ScramKeys::from_password`] costs.
pub fn verify_plain(user: &str, secret: &Secret, password: &[u8]) -> bool {
    let fits = match secret {
        // Digests are compared because comparing texts would tell their lengths apart.
        Secret::Plain(expected) => sha256(expected.as_bytes()).ct_eq(&sha256(password)),
        Secret::Md5(digest) => password_digest(user, password).ct_eq(digest),
        Secret::Scram(verifier) => {
            let keys = ScramKeys::from_password(password, &verifier.salt, verifier.iterations);
            keys.stored_key().ct_eq(&verifier.stored_key)
        }
    };
    fits.into()
}

/// What a server keeps to verify SCRAM logins (RFC 5802, section 3). It does not let its holder
/// log in. Its `Debug` shows the iteration count only.
#[derive(Clone)]
pub struct ScramVerifier {
    pub(super) iterations: u32,
    pub(super) salt: Vec<u8>,
    pub(super) stored_key: Key,
    pub(super) server_key: Key,
}

impl ScramVerifier {
    /// Derives a verifier, at the price of [`ScramKeys::from_password`]: do it once per user, off
    /// the reactor, and keep it. Take the salt from [`MockSeed::salt`], so that it is the same at
    /// every login: a salt that changes tells a known user from an unknown one.
    pub fn from_password(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let keys = ScramKeys::from_password(password, salt, iterations);
        Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: keys.stored_key(),
            server_key: keys.server_key,
        }
    }

    /// Reads `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
    fn parse(text: &str) -> Option<Self> {
        let (parameters, keys) = text.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
        let (iterations, salt) = parameters.split_once(':')?;
        let (stored_key, server_key) = keys.split_once(':')?;
        let read = || -> Result<Self, WireError> {
            Ok(Self {
                iterations: iterations.parse().unwrap_or(0),
                salt: decode_base64(salt, "salt")?,
                stored_key: decode_key(stored_key, "stored key")?,
                server_key: decode_key(server_key, "server key")?,
            })
        };
        read().ok().filter(|verifier| verifier.iterations > 0)
    }
}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScramVerifier({} iterations, ..)", self.iterations)
    }
}

/// Random bytes from which the secrets of unknown users are derived, so that a login of theirs
/// takes the same way, and the same time, as one with a wrong password (as PostgreSQL's mock
/// authentication). Nobody can guess a password that fits such a secret.
///
/// One per process will do. If it is kept over restarts, an observer cannot even tell users apart
/// by which salts survive a restart.
#[derive(Clone)]
pub struct MockSeed(Key);

impl MockSeed {
    /// From a cryptographic generator.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// A salt of PostgreSQL's length, always the same for a user.
    pub fn salt(&self, user: &str) -> [u8; 16] {
        first_half(self.derive("salt", user))
    }

    /// The verifier to use for a user who does not exist, or who has no secret that SCRAM can
    /// verify.
    pub fn scram_verifier(&self, user: &str) -> ScramVerifier {
        ScramVerifier {
            iterations: DEFAULT_ITERATIONS,
            salt: self.salt(user).to_vec(),
            stored_key: self.derive("stored key", user),
            server_key: self.derive("server key", user),
        }
    }

    /// The secret to use for such a user where MD5 is spoken.
    pub fn md5_secret(&self, user: &str) -> Secret {
        Secret::Md5(first_half(self.derive("md5", user)))
    }

    fn derive(&self, purpose: &str, user: &str) -> Key {
        hmac(&self.0, &[purpose.as_bytes(), b"\0", user.as_bytes()])
    }
}

impl fmt::Debug for MockSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MockSeed(..)")
    }
}

fn first_half(key: Key) -> [u8; 16] {
    std::array::from_fn(|i| key[i])
}
