//! Judging certificates where rustls' own judges ask for more, or less, than libpq does.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode;

use super::files::provider;
use super::peer::{PeerCertificate, public_key};

/// Judges servers' certificates as libpq does for `sslmode`.
pub(super) struct ServerJudge {
    trust: Option<Trust>,
    algorithms: WebPkiSupportedAlgorithms,
}

struct Trust {
    roots: RootCertStore,
    /// The certificates of the file as they are: a server that shows one of them is trusted, even
    /// if it is not an authority's, as self-signed ones are not.
    known: Vec<CertificateDer<'static>>,
    name_matters: bool,
}

impl ServerJudge {
    /// For `verify-ca` and, if the name matters, `verify-full`.
    pub(super) fn trusting(
        roots: RootCertStore,
        known: Vec<CertificateDer<'static>>,
        name_matters: bool,
    ) -> Self {
        Self { trust: Some(Trust { roots, known, name_matters }), ..Self::of_anybody() }
    }

    /// For the modes that encrypt to whomever.
    pub(super) fn of_anybody() -> Self {
        let algorithms = provider().signature_verification_algorithms;
        Self { trust: None, algorithms }
    }
}

impl fmt::Debug for ServerJudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerJudge").finish_non_exhaustive()
    }
}

impl Trust {
    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        if self.known.contains(certificate) {
            within_validity(certificate, now)?;
        } else {
            let parsed = ParsedCertificate::try_from(certificate)?;
            let roots = &self.roots;
            let all = algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, all)?;
        }
        if self.name_matters { is_called(certificate, name) } else { Ok(()) }
    }
}

fn within_validity(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let malformed = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
    let parsed = CertificateInner::<Raw>::from_der(certificate).map_err(malformed)?;
    let validity = parsed.tbs_certificate().validity();
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// By its alternative names or, if it has none, by its common name (RFC 6125, section 6.4.4, as
/// libpq).
fn is_called(certificate: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    let malformed = Error::InvalidCertificate(CertificateError::BadEncoding);
    let names = PeerCertificate::read(certificate).ok_or(malformed)?;
    if names.has_alternative_names() {
        return verify_server_name(&ParsedCertificate::try_from(certificate)?, name);
    }
    let called = names.common_name.is_some_and(|common| is_name(&common, &name.to_str()));
    if called { Ok(()) } else { Err(CertificateError::NotValidForName.into()) }
}

/// Whether a common name, perhaps with `*` as its first label, is the host's.
pub(super) fn is_name(common: &str, host: &str) -> bool {
    match common.strip_prefix("*.") {
        Some(parent) if parent.contains('.') => host
            .split_once('.')
            .is_some_and(|(first, rest)| !first.is_empty() && rest.eq_ignore_ascii_case(parent)),
        Some(_) => false,
        None => common.eq_ignore_ascii_case(host),
    }
}

impl ServerCertVerifier for ServerJudge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(trust) = &self.trust {
            trust.judge(end_entity, intermediates, server_name, now, &self.algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signed_by_any(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// As rustls, but for certificates of a form that is not webpki's (X.509 version 1, as the manual's
/// own example makes them). That does not matter where the key does and who signed it does not, or
/// is known otherwise.
fn signed_by_any(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    match verify_tls13_signature(message, certificate, dss, algorithms) {
        Err(Error::InvalidCertificate(error)) if error != CertificateError::BadSignature => {
            let key = public_key(certificate).ok_or(Error::InvalidCertificate(error))?;
            verify_tls13_signature_with_raw_key(message, &key, dss, algorithms)
        }
        other => other,
    }
}

/// Asks clients for a certificate, and takes any or none: whether it proves anything is found out
/// after the handshake.
pub(super) struct AnyClient {
    judge: Arc<dyn ClientCertVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyClient {
    /// `judge` does all but the judging.
    pub(super) fn new(judge: &Arc<dyn ClientCertVerifier>) -> Self {
        let algorithms = provider().signature_verification_algorithms;
        Self { judge: Arc::clone(judge), algorithms }
    }
}

impl fmt::Debug for AnyClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyClient")
    }
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.judge.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.judge.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signed_by_any(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}
