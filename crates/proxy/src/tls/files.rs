//! Certificates and keys from PEM files.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::peer::public_key;

/// Which of the TLS settings is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPart {
    /// The mode.
    Mode,
    /// The file of authorities.
    Ca,
    /// The certificate.
    Certificate,
    /// Its key.
    Key,
}

/// What is wrong with a TLS setting. The message has no subject: that is the setting's name, which
/// the caller knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TlsError {
    /// The setting.
    pub part: TlsPart,
    /// What is wrong with it, and what would be right.
    pub message: String,
}

impl TlsError {
    pub(super) fn new(part: TlsPart, message: impl Into<String>) -> Self {
        Self { part, message: message.into() }
    }
}

/// Reads a certificate, with the chain to its authority, and its key; each needs the other.
pub(super) fn identity(
    certificate: Option<&Path>,
    key: Option<&Path>,
) -> Result<Option<CertifiedKey>, TlsError> {
    let (certificate, key) = match (certificate, key) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        (Some(_), None) => {
            return Err(TlsError::new(TlsPart::Certificate, "is of no use without its key file"));
        }
        (None, Some(_)) => {
            return Err(TlsError::new(TlsPart::Key, "is of no use without its certificate file"));
        }
    };
    let chain = certificates(certificate, TlsPart::Certificate)?;
    let key = provider()
        .key_provider
        .load_private_key(private_key(key)?)
        .map_err(|error| TlsError::new(TlsPart::Key, format!("names a key of no use: {error}")))?;
    let identity = CertifiedKey::new(chain, key);
    let fits = match identity.keys_match() {
        Ok(()) => true,
        // Its form is not webpki's; whether peers take it is for them to say.
        Err(rustls::Error::InvalidCertificate(_)) => {
            let own = identity.cert.first().and_then(|first| public_key(first));
            own.is_some() && own == identity.key.public_key()
        }
        // The key does not tell.
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => true,
        Err(_) => false,
    };
    if fits {
        return Ok(Some(identity));
    }
    Err(TlsError::new(TlsPart::Key, "is not the key of the certificate"))
}

/// The provider of all cryptography here.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// All certificates of a file; at least one.
pub(super) fn certificates(
    file: &Path,
    part: TlsPart,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(file, part)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => {
            let message = format!("names {}, which holds no certificate (PEM)", file.display());
            Err(TlsError::new(part, message))
        }
        Err(error) => Err(malformed(file, part, &error)),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(file, TlsPart::Key)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            let advice = if text.windows(9).any(|part| part == b"ENCRYPTED") {
                "an encrypted one; write it without a passphrase: openssl pkey -in OLD -out NEW"
            } else {
                "no private key (PEM)"
            };
            let message = format!("names {}, which holds {advice}", file.display());
            TlsError::new(TlsPart::Key, message)
        }
        error => malformed(file, TlsPart::Key, &error),
    })
}

/// The authorities of a file, or of the operating system for the name `system`.
pub(super) fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    if file.as_os_str() != "system" {
        return certificates(file, TlsPart::Ca);
    }
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        let message = "is `system`, and this system has no certificates of authorities; install \
                       the package ca-certificates, or name a file";
        return Err(TlsError::new(TlsPart::Ca, message));
    }
    Ok(found)
}

/// Trust in these authorities. What cannot be one is an error only if all cannot: a system's store
/// may hold certificates of old forms.
pub(super) fn trust(authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(authorities.iter().cloned());
    if added == 0 {
        let message = "holds no certificate that can be read as an authority's";
        return Err(TlsError::new(TlsPart::Ca, message));
    }
    Ok(roots)
}

fn read(file: &Path, part: TlsPart) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|error| {
        TlsError::new(part, format!("names {}, which cannot be read: {error}", file.display()))
    })
}

fn malformed(file: &Path, part: TlsPart, error: &pem::Error) -> TlsError {
    // The error's own text may quote the file.
    let what = match error {
        pem::Error::MissingSectionEnd { .. } => "ends in the middle of a section",
        pem::Error::Base64Decode(_) => "holds a section that is not base64",
        _ => "is not in PEM format",
    };
    TlsError::new(part, format!("names {}, which {what}", file.display()))
}
