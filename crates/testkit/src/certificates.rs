//! Certificates of every kind, made when a test wants them.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

/// Who signs certificates.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// From when until when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Now.
    Now,
    /// It was.
    Expired,
    /// It will be.
    Future,
}

fn made<T>(result: Result<T, rcgen::Error>) -> T {
    result.unwrap_or_else(|error| panic!("making a certificate: {error}"))
}

impl Authority {
    /// A new one with a key of its own; two of the same name are strangers to each other.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::with_key(name, made(KeyPair::generate()))
    }

    /// One that signs with Ed25519.
    #[must_use]
    pub fn with_ed25519(name: &str) -> Self {
        Self::with_key(name, made(KeyPair::generate_for(&rcgen::PKCS_ED25519)))
    }

    fn with_key(name: &str, key: KeyPair) -> Self {
        let mut params = made(CertificateParams::new(Vec::new()));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self { issuer: made(CertifiedIssuer::self_signed(params, key)) }
    }

    /// Its certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate with these alternative names, DNS names or addresses. Its common name is the
    /// one given.
    #[must_use]
    pub fn issue(&self, common_name: &str, names: &[&str], validity: Validity) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = made(CertificateParams::new(names));
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, common_name);
        match validity {
            Validity::Now => {}
            Validity::Expired => params.not_after = date_time_ymd(2020, 1, 1),
            Validity::Future => params.not_before = date_time_ymd(2090, 1, 1),
        }
        let key = made(KeyPair::generate());
        let certificate = made(params.signed_by(&key, &self.issuer));
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// A server's certificate for `localhost` and 127.0.0.1.
    #[must_use]
    pub fn local(&self) -> Identity {
        let address = IpAddr::from([127, 0, 0, 1]).to_string();
        self.issue("localhost", &["localhost", &address], Validity::Now)
    }

    /// A client's certificate.
    #[must_use]
    pub fn client(&self, user: &str) -> Identity {
        self.issue(user, &[], Validity::Now)
    }
}

impl Identity {
    /// Signed by itself, with no name but the common name.
    #[must_use]
    pub fn self_signed(common_name: &str) -> Self {
        let mut params = made(CertificateParams::new(Vec::new()));
        params.distinguished_name.push(DnType::CommonName, common_name);
        let key = made(KeyPair::generate());
        let certificate = made(params.self_signed(&key));
        Self { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Writes `NAME.crt` and `NAME.key`, and gives their paths.
    pub fn write(&self, directory: &Path, name: &str) -> (PathBuf, PathBuf) {
        let paths = [("crt", &self.certificate), ("key", &self.key)].map(|(ending, text)| {
            let path = directory.join(format!("{name}.{ending}"));
            fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            // libpq takes no key that others may read.
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            fs::set_permissions(&path, mode).unwrap_or_else(|error| panic!("chmod: {error}"));
            path
        });
        let [certificate, key] = paths;
        (certificate, key)
    }
}
