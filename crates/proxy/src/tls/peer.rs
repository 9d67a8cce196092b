//! Who a client's certificate says it is.

use std::net::IpAddr;

use rustls::pki_types::SubjectPublicKeyInfoDer;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The names in a certificate. Those of a client are given out only if an authority of
/// `client_tls_ca_file` vouches for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The subject's first common name, if it is text without NUL.
    pub common_name: Option<String>,
    /// The subject as RFC 4514 writes it, e.g. `CN=amy,O=Shop`.
    pub distinguished_name: String,
    /// Alternative names of the kind DNS.
    pub dns_names: Vec<String>,
    /// Alternative names of the kind IP address.
    pub addresses: Vec<IpAddr>,
    /// Alternative names of the kind e-mail address.
    pub email_addresses: Vec<String>,
}

impl PeerCertificate {
    /// Reads a certificate (DER); none if it is malformed.
    pub(crate) fn read(certificate: &[u8]) -> Option<Self> {
        let parsed = CertificateInner::<Raw>::from_der(certificate).ok()?;
        let tbs = parsed.tbs_certificate();
        let common_name = tbs.subject().common_name().ok().flatten();
        let mut names = Self {
            // A NUL would end the name early for whoever reads it as C does (CVE-2009-4034).
            common_name: common_name
                .map(|name| name.value().into_owned())
                .filter(|name| !name.is_empty() && !name.contains('\0')),
            distinguished_name: tbs.subject().to_string(),
            ..Self::default()
        };
        let alternative = tbs.get_extension::<SubjectAltName>().ok().flatten();
        for name in alternative.map(|(_, names)| names.0).unwrap_or_default() {
            match name {
                GeneralName::DnsName(name) => names.dns_names.push(name.to_string()),
                GeneralName::Rfc822Name(name) => names.email_addresses.push(name.to_string()),
                GeneralName::IpAddress(bytes) => names.addresses.extend(address(bytes.as_bytes())),
                _ => {}
            }
        }
        Some(names)
    }

    /// Whether it has alternative names by which a server may be called.
    pub(super) fn has_alternative_names(&self) -> bool {
        !self.dns_names.is_empty() || !self.addresses.is_empty()
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// The key that a certificate (DER) is for; none if it is malformed.
pub(super) fn public_key(certificate: &[u8]) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let parsed = CertificateInner::<Raw>::from_der(certificate).ok()?;
    let key = parsed.tbs_certificate().subject_public_key_info().to_der().ok()?;
    Some(SubjectPublicKeyInfoDer::from(key))
}
