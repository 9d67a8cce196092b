//! What is asked of a connection's encryption, in the words of libpq and PgBouncer.

use std::fmt;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

/// `sslmode`. The order is that of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SslMode {
    /// Never.
    Disable,
    /// If the peer insists.
    Allow,
    /// If the peer can.
    Prefer,
    /// Always; whoever the peer is.
    Require,
    /// Always, and the peer has a certificate of a known authority.
    VerifyCa,
    /// Always, and the certificate is the peer's own.
    VerifyFull,
}

impl SslMode {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Disable, Self::Allow, Self::Prefer, Self::Require, Self::VerifyCa, Self::VerifyFull];

    /// By its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Allow => "allow",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }

    /// Whether the peer's certificate must be of a known authority.
    #[must_use]
    pub fn verifies(self) -> bool {
        self >= Self::VerifyCa
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Versions of TLS that are spoken; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsProtocols {
    /// TLS 1.2 and 1.3.
    Secure,
    /// TLS 1.2 only.
    V1_2,
    /// TLS 1.3 only.
    V1_3,
}

impl TlsProtocols {
    pub(super) fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static SECURE: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::Secure => &SECURE,
            Self::V1_2 => &SECURE[1..],
            Self::V1_3 => &SECURE[..1],
        }
    }
}

impl fmt::Display for TlsProtocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secure => "secure",
            Self::V1_2 => "tlsv1.2",
            Self::V1_3 => "tlsv1.3",
        })
    }
}

/// libpq's `channel_binding`: whether a login is to be bound to the TLS connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where both sides can.
    #[default]
    Prefer,
    /// Always: a server that cannot is not logged in to.
    Require,
}
