//! Secrets, and passwords as PostgreSQL stores them.

use std::fmt;

/// Text that never shows in a log, an error or `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for whoever must use it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// A user's password in one of the forms that `pg_authid.rolpassword` and PgBouncer's auth_file have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// As typed.
    Plain(Secret),
    /// `md5` and 32 hexadecimal digits. Checks MD5 and cleartext logins, and logs in to a server
    /// that asks for MD5.
    Md5(Secret),
    /// `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`. Checks SCRAM and cleartext logins;
    /// cannot log in to a server.
    Scram(Secret),
}

impl Password {
    /// Recognises the form.
    ///
    /// # Errors
    /// What is wrong with text that begins as a SCRAM verifier and does not go on as one. The
    /// message does not contain the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty; leave it out to have no password".to_owned());
        }
        let secret = Secret::new(text);
        if let Some(digits) = text.strip_prefix("md5")
            && digits.len() == 32
            && digits.bytes().all(|b| b.is_ascii_hexdigit())
        {
            return Ok(Self::Md5(secret));
        }
        match text.strip_prefix("SCRAM-SHA-256$") {
            None => Ok(Self::Plain(secret)),
            Some(verifier) if is_scram_verifier(verifier) => Ok(Self::Scram(secret)),
            Some(_) => Err("is not a whole SCRAM verifier; it should read \
                            `SCRAM-SHA-256$4096:salt$StoredKey:ServerKey`, as pg_authid has it"
                .to_owned()),
        }
    }

    /// The text itself, for whoever must use it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        match self {
            Self::Plain(secret) | Self::Md5(secret) | Self::Scram(secret) => secret.reveal(),
        }
    }
}

/// Checks `iterations:salt$StoredKey:ServerKey` for its shape; the keys' lengths are those of
/// SHA-256 in base64 (RFC 5803).
fn is_scram_verifier(text: &str) -> bool {
    let base64 = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
    };
    let Some((head, keys)) = text.split_once('$') else {
        return false;
    };
    let (Some((iterations, salt)), Some((stored, server))) =
        (head.split_once(':'), keys.split_once(':'))
    else {
        return false;
    };
    iterations.parse::<u32>().is_ok_and(|n| n > 0)
        && base64(salt)
        && [stored, server].into_iter().all(|key| key.len() == 44 && base64(key))
}
