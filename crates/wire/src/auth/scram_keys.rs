//! The arithmetic of SCRAM-SHA-256 (RFC 5802, section 3; RFC 7677).

use std::borrow::Cow;
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// A SHA-256 digest, or a key of its length.
pub(super) type Key = [u8; 32];

/// What a password becomes in SCRAM: enough to log in as its owner wherever the salt and the
/// iteration count are the same, hence as secret as the password.
#[derive(Clone)]
pub struct ScramKeys {
    pub(super) client_key: Key,
    pub(super) server_key: Key,
}

impl ScramKeys {
    /// Derives the keys with PBKDF2. PostgreSQL's 4096 iterations are some 0.6 ms of CPU, so this is
    /// not for a thread that others wait for.
    pub fn from_password(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let password = normalised(password);
        let salted: Key = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(&password, salt, iterations);
        Self {
            client_key: hmac(&salted, &[b"Client Key"]),
            server_key: hmac(&salted, &[b"Server Key"]),
        }
    }

    /// The client's key and the server's, as bytes: as secret as the password.
    #[must_use]
    pub fn to_bytes(&self) -> [[u8; 32]; 2] {
        [self.client_key, self.server_key]
    }

    /// From what [`Self::to_bytes`] gave.
    #[must_use]
    pub fn from_bytes([client_key, server_key]: [[u8; 32]; 2]) -> Self {
        Self { client_key, server_key }
    }

    pub(super) fn stored_key(&self) -> Key {
        sha256(&self.client_key)
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys(..)")
    }
}

/// HMAC-SHA-256 of the concatenated parts.
pub(super) fn hmac(key: &Key, parts: &[&[u8]]) -> Key {
    // HMAC pads a short key with zeros to the hash's block of 64 bytes. Doing so here makes the
    // key's length a matter of types, and the construction one that cannot fail.
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

pub(super) fn sha256(data: &[u8]) -> Key {
    Sha256::digest(data).into()
}

pub(super) fn xor(left: &Key, right: &Key) -> Key {
    std::array::from_fn(|i| left[i] ^ right[i])
}

/// SASLprep (RFC 4013). A password that it forbids, or that is not UTF-8, is taken as it is, as
/// PostgreSQL's server and libpq do.
fn normalised(password: &[u8]) -> Cow<'_, [u8]> {
    let prepared = str::from_utf8(password).ok().and_then(|text| stringprep::saslprep(text).ok());
    match prepared {
        Some(Cow::Owned(text)) if !text.is_empty() => Cow::Owned(text.into_bytes()),
        _ => Cow::Borrowed(password),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same_keys(left: &[u8], right: &[u8]) -> bool {
        let [left, right] =
            [left, right].map(|password| ScramKeys::from_password(password, b"salt", 1));
        left.client_key == right.client_key && left.server_key == right.server_key
    }

    #[test]
    fn passwords_are_normalised_where_saslprep_allows() {
        assert!(same_keys("I\u{ad}X".as_bytes(), b"IX"));
        assert!(same_keys("\u{2168}".as_bytes(), b"IX"));
        assert!(same_keys("a\u{a0}b".as_bytes(), b"a b"));
        assert!(!same_keys(b"user", b"USER"));
    }

    #[test]
    fn forbidden_passwords_are_taken_as_they_are() {
        assert_eq!(normalised(b"bell\x07"), &b"bell\x07"[..]);
        assert_eq!(normalised("\u{627}1".as_bytes()), "\u{627}1".as_bytes());
        assert_eq!(normalised("\u{ad}".as_bytes()), "\u{ad}".as_bytes());
        assert_eq!(normalised(b"\xff\xfe"), &b"\xff\xfe"[..]);
    }

    #[test]
    fn hmac_of_a_short_key_is_rfc_4231_test_case_1() {
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let expected = [0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53];
        assert_eq!(hmac(&key, &[b"Hi ", b"There"])[..8], expected);
    }
}
