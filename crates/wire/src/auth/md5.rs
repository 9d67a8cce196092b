//! MD5 authentication: `md5(md5(password ‖ user) ‖ salt)`, the digests as hexadecimal text
//! (manual, section 55.2.1, AuthenticationMD5Password).

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

use super::Secret;

/// What a client sends to prove that it knows the secret; none from a SCRAM verifier, which does
/// not contain enough.
pub fn md5_response(user: &str, secret: &Secret, salt: [u8; 4]) -> Option<String> {
    let digest = match secret {
        Secret::Plain(password) => password_digest(user, password.as_bytes()),
        Secret::Md5(digest) => *digest,
        Secret::Scram(_) => return None,
    };
    Some(md5_text(&md5_of(&[hexadecimal(&digest).as_bytes(), &salt])))
}

/// Whether `response` is what the holder of the secret sends; in constant time.
pub fn verify_md5(user: &str, secret: &Secret, salt: [u8; 4], response: &[u8]) -> bool {
    md5_response(user, secret, salt)
        .is_some_and(|expected| bool::from(expected.as_bytes().ct_eq(response)))
}

/// What PostgreSQL stores for a user with `password_encryption = md5`.
pub(super) fn password_digest(user: &str, password: &[u8]) -> [u8; 16] {
    md5_of(&[password, user.as_bytes()])
}

/// `md5` and 32 hexadecimal digits, as in pg_authid and on the wire.
pub(super) fn md5_text(digest: &[u8; 16]) -> String {
    format!("md5{}", hexadecimal(digest))
}

/// The opposite of [`md5_text`]; small letters only, as PostgreSQL.
pub(super) fn parse_md5_text(text: &str) -> Option<[u8; 16]> {
    let digits = text.strip_prefix("md5")?.as_bytes();
    if digits.len() != 32 {
        return None;
    }
    let mut digest = [0; 16];
    for (byte, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hexadecimal_digit(pair[0])? << 4 | hexadecimal_digit(pair[1])?;
    }
    Some(digest)
}

fn hexadecimal_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn hexadecimal(digest: &[u8; 16]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn md5_of(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}
