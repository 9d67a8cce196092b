//! TLS to servers: pgweir is the client.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::sign::SingleCertAndKey;

use super::clients::ALPN;
use super::files::{TlsError, TlsPart, authorities, identity, provider, trust};
use super::mode::{ChannelBinding, SslMode, TlsProtocols};
use super::verify::ServerJudge;

/// `server_tls_…`, or what a URL says in its place, as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerTlsFiles {
    /// What is asked of the server.
    pub mode: SslMode,
    /// Authorities that vouch for the server; `system` for those of the operating system.
    pub ca: Option<PathBuf>,
    /// Our certificate, for a server that asks for one.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Versions of TLS.
    pub protocols: TlsProtocols,
    /// `sslnegotiation=direct`: TLS from the first byte on (PostgreSQL 17).
    pub direct: bool,
    /// Whether logins are bound to the connection.
    pub channel_binding: ChannelBinding,
}

impl Default for ServerTlsFiles {
    fn default() -> Self {
        Self {
            mode: SslMode::Prefer,
            ca: None,
            certificate: None,
            key: None,
            protocols: TlsProtocols::Secure,
            direct: false,
            channel_binding: ChannelBinding::Prefer,
        }
    }
}

impl ServerTlsFiles {
    /// Reads the files.
    ///
    /// # Errors
    /// The setting that is wrong, and why.
    pub fn load(&self) -> Result<ServerTls, TlsError> {
        let ServerTlsFiles { mode, direct, channel_binding, .. } = *self;
        if mode == SslMode::Disable {
            return Ok(ServerTls { mode, direct, channel_binding, connector: None });
        }
        if direct && mode < SslMode::Require {
            let message = format!(
                "is {mode}, and sslnegotiation=direct cannot do without TLS; use require, \
                 verify-ca or verify-full"
            );
            return Err(TlsError::new(TlsPart::Mode, message));
        }
        let known = match &self.ca {
            // Only where it is used: a file that is not there harms nobody else.
            Some(file) if mode.verifies() => authorities(file)?,
            None if mode.verifies() => {
                let message = format!(
                    "is {mode}, which needs a file of authorities, or `system` for those that \
                     this system trusts"
                );
                return Err(TlsError::new(TlsPart::Mode, message));
            }
            _ => Vec::new(),
        };
        let judge = if mode.verifies() {
            ServerJudge::trusting(trust(&known)?, known.clone(), mode == SslMode::VerifyFull)
        } else {
            ServerJudge::of_anybody()
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(self.protocols.versions())
            .map_err(|error| TlsError::new(TlsPart::Mode, error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(judge));
        let mut config = match identity(self.certificate.as_deref(), self.key.as_deref())? {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
            }
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        // PostgreSQL does not offer it.
        config.resumption = Resumption::disabled();
        let connector = Connector { config: Arc::new(config), known };
        Ok(ServerTls { mode, direct, channel_binding, connector: Some(Arc::new(connector)) })
    }
}

/// TLS to a server, ready for use. Clones share the certificates.
#[derive(Clone, Debug)]
pub struct ServerTls {
    pub(super) mode: SslMode,
    pub(super) direct: bool,
    pub(super) channel_binding: ChannelBinding,
    pub(super) connector: Option<Arc<Connector>>,
}

#[derive(Debug)]
pub(super) struct Connector {
    pub(super) config: Arc<ClientConfig>,
    /// The authorities that were asked to vouch.
    known: Vec<CertificateDer<'static>>,
}

impl Default for ServerTls {
    /// No TLS.
    fn default() -> Self {
        let (mode, channel_binding) = (SslMode::Disable, ChannelBinding::Prefer);
        Self { mode, direct: false, channel_binding, connector: None }
    }
}

impl ServerTls {
    /// What is asked of the server.
    #[must_use]
    pub fn mode(&self) -> SslMode {
        self.mode
    }

    /// Whether TLS begins with the first byte.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.direct
    }

    /// Whether logins are bound to the connection.
    #[must_use]
    pub fn channel_binding(&self) -> ChannelBinding {
        self.channel_binding
    }

    /// For connections of others than the pools; none for [`SslMode::Disable`].
    #[must_use]
    pub fn config(&self) -> Option<Arc<ClientConfig>> {
        self.connector.as_ref().map(|connector| Arc::clone(&connector.config))
    }

    /// Whether a connection that was opened under the one is as safe as the other asks. A new
    /// certificate of our own is for new connections.
    pub(crate) fn asks_the_same(&self, other: &Self) -> bool {
        let known = |tls: &Self| tls.connector.as_ref().map(|connector| connector.known.clone());
        self.mode == other.mode
            && self.channel_binding == other.channel_binding
            && known(self) == known(other)
    }
}
