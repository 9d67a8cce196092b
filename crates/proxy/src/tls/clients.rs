//! TLS to clients: pgweir is the server.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;

use super::end_point::end_point_hash;
use super::files::{TlsError, TlsPart, authorities, identity, provider, trust};
use super::mode::{SslMode, TlsProtocols};
use super::verify::AnyClient;

/// `client_tls_…`, as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientTlsFiles {
    /// What clients must do.
    pub mode: SslMode,
    /// The key that clients see the certificate of.
    pub key: Option<PathBuf>,
    /// The certificate, with its chain.
    pub certificate: Option<PathBuf>,
    /// Authorities that vouch for clients.
    pub ca: Option<PathBuf>,
    /// Versions of TLS.
    pub protocols: TlsProtocols,
}

impl Default for ClientTlsFiles {
    fn default() -> Self {
        let (key, certificate, ca) = (None, None, None);
        let protocols = TlsProtocols::Secure;
        Self { mode: SslMode::Disable, key, certificate, ca, protocols }
    }
}

impl ClientTlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// The setting that is wrong, and why.
    pub fn load(&self) -> Result<ClientTls, TlsError> {
        if self.mode == SslMode::Disable {
            return Ok(ClientTls::default());
        }
        let Some(identity) = identity(self.certificate.as_deref(), self.key.as_deref())? else {
            let message = format!("is {}, which needs a certificate and its key", self.mode);
            return Err(TlsError::new(TlsPart::Mode, message));
        };
        let end_point = identity.cert.first().and_then(|first| end_point_hash(first));
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(self.protocols.versions())
            .map_err(|error| TlsError::new(TlsPart::Mode, error.to_string()))?;
        let judge = self.judge()?;
        let builder = match &judge {
            None => builder.with_no_client_auth(),
            Some(judge) if self.mode.verifies() => {
                builder.with_client_cert_verifier(Arc::clone(judge))
            }
            // Asked for, so that rules of pg_hba.conf can rely on it; not demanded, nor does a
            // foreign one matter.
            Some(judge) => builder.with_client_cert_verifier(Arc::new(AnyClient::new(judge))),
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Clients do not resume sessions: libpq cannot, and PostgreSQL does not offer it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let acceptor = Acceptor { config: Arc::new(config), judge, end_point };
        Ok(ClientTls { mode: self.mode, acceptor: Some(Arc::new(acceptor)) })
    }

    /// Who judges clients' certificates.
    fn judge(&self) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
        let Some(file) = &self.ca else {
            if self.mode.verifies() {
                let message =
                    format!("is {}, which needs the file of the clients' authority", self.mode);
                return Err(TlsError::new(TlsPart::Mode, message));
            }
            return Ok(None);
        };
        let roots = Arc::new(trust(&authorities(file)?)?);
        let judge = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .build()
            .map_err(|error| TlsError::new(TlsPart::Ca, error.to_string()))?;
        Ok(Some(judge))
    }
}

/// The protocol's name in TLS (IANA's registry of ALPN ids).
pub(super) const ALPN: &[u8] = b"postgresql";

/// TLS to clients, ready for use. Clones share the certificates.
#[derive(Clone, Debug)]
pub struct ClientTls {
    pub(super) mode: SslMode,
    pub(super) acceptor: Option<Arc<Acceptor>>,
}

impl Default for ClientTls {
    fn default() -> Self {
        Self { mode: SslMode::Disable, acceptor: None }
    }
}

impl ClientTls {
    /// Whether a client over TCP must encrypt.
    pub(crate) fn is_required(&self) -> bool {
        self.mode >= SslMode::Require
    }

    pub(crate) fn is_offered(&self) -> bool {
        self.acceptor.is_some()
    }

    pub(crate) fn mode(&self) -> SslMode {
        self.mode
    }
}

#[derive(Debug)]
pub(super) struct Acceptor {
    pub(super) config: Arc<ServerConfig>,
    pub(super) judge: Option<Arc<dyn ClientCertVerifier>>,
    /// Of our certificate.
    pub(super) end_point: Option<Vec<u8>>,
}
