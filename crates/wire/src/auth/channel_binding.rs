//! Channel binding in SCRAM (RFC 5802, section 6): both sides prove that they see the same TLS
//! connection, so that nobody in the middle can pass a login on. The only type spoken is
//! `tls-server-end-point` (RFC 5929, section 4), as in PostgreSQL.

use std::fmt;

/// The only type of channel binding.
const TYPE: &str = "tls-server-end-point";

/// What a server knows of the channel that a client logs in over.
#[derive(Clone, Default)]
pub enum ServerBinding {
    /// SCRAM-SHA-256-PLUS was not offered.
    #[default]
    NotOffered,
    /// It was offered, and the client took SCRAM-SHA-256.
    Offered,
    /// The client took it. The hash of the certificate that the client was shown.
    Chosen(Vec<u8>),
}

/// How a client binds its login to the channel.
#[derive(Clone, Default)]
pub enum ClientBinding {
    /// Not at all: there is no TLS, or nothing to bind to.
    #[default]
    Unsupported,
    /// It could, and the server did not offer it. A server that did offer it finds out from this
    /// that somebody has changed its offer.
    NotOffered,
    /// SCRAM-SHA-256-PLUS. The hash of the certificate that the server has shown.
    EndPoint(Vec<u8>),
}

impl ClientBinding {
    /// The flag and an empty authorization identity, with both commas (RFC 5802, section 7).
    pub(super) fn gs2_header(&self) -> &'static str {
        match self {
            Self::Unsupported => "n,,",
            Self::NotOffered => "y,,",
            Self::EndPoint(_) => "p=tls-server-end-point,,",
        }
    }

    /// What the client-final message repeats.
    pub(super) fn data(&self) -> Vec<u8> {
        let mut data = self.gs2_header().as_bytes().to_vec();
        if let Self::EndPoint(hash) = self {
            data.extend(hash);
        }
        data
    }
}

impl ServerBinding {
    /// What the client must repeat after a first message with this header.
    pub(super) fn data(&self, gs2_header: &str) -> Vec<u8> {
        let mut data = gs2_header.as_bytes().to_vec();
        if let Self::Chosen(hash) = self {
            data.extend(hash);
        }
        data
    }

    /// Judges the flag that a client-first message begins with.
    pub(super) fn check(&self, flag: &str) -> Result<(), crate::WireError> {
        use crate::WireError::{MalformedScram, ScramChannelBindingType, ScramDowngrade};
        match (self, flag, flag.strip_prefix("p=")) {
            (Self::NotOffered, "n" | "y", _) | (Self::Offered, "n", _) => Ok(()),
            // The client believes that we cannot: somebody told it so.
            (Self::Offered, "y", _) => Err(ScramDowngrade),
            (Self::NotOffered | Self::Offered, _, Some(_)) => {
                Err(MalformedScram("channel binding in a mechanism without it"))
            }
            (Self::Chosen(_), _, Some(TYPE)) => Ok(()),
            (Self::Chosen(_), _, Some(_)) => Err(ScramChannelBindingType),
            (Self::Chosen(_), "n" | "y", _) => {
                Err(MalformedScram("no channel binding in a mechanism with it"))
            }
            _ => Err(MalformedScram("unexpected channel-binding flag")),
        }
    }
}

impl fmt::Debug for ServerBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOffered => "NotOffered",
            Self::Offered => "Offered",
            Self::Chosen(_) => "Chosen(..)",
        })
    }
}

impl fmt::Debug for ClientBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsupported => "Unsupported",
            Self::NotOffered => "NotOffered",
            Self::EndPoint(_) => "EndPoint(..)",
        })
    }
}
