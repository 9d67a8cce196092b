//! What can be wrong with the bytes of a peer: one variant a cause.

use crate::error_response::ErrorFields;

/// Why bytes from a client or a server were refused.
///
/// The texts are PostgreSQL's own where it has one, because clients and their tests look for them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The length field of a startup packet is below 8 or above the limit.
    #[error("invalid length of startup packet")]
    StartupLength,
    /// A CancelRequest without a process id, or with bytes missing.
    #[error("invalid length of cancel request packet")]
    CancelRequestLength,
    /// The key in a CancelRequest is shorter than 4 bytes or longer than 256.
    #[error("invalid length of cancel key in cancel request packet")]
    CancelKeyLength,
    /// A major protocol version other than 3.
    #[error("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2")]
    UnsupportedProtocol {
        /// What the client asked for, before the dot.
        major: u16,
        /// What the client asked for, after the dot.
        minor: u16,
    },
    /// The list of parameters is cut short, or something follows its end.
    #[error("invalid startup packet layout: expected terminator as last byte")]
    StartupLayout,
    /// No user name, or an empty one.
    #[error("no PostgreSQL user name specified in startup packet")]
    NoUser,
    /// A text that must be UTF-8 is not; the field names it.
    #[error("invalid byte sequence for encoding \"UTF8\" in {0}")]
    NotUtf8(&'static str),
    /// The startup parameter `options` holds something other than a setting.
    #[error("invalid command-line argument for server process: {0}")]
    CommandLineArgument(String),
    /// A setting in `options` without `=value`; the field is the switch as written.
    #[error("{0} requires a value")]
    SettingWithoutValue(String),

    /// The startup parameter `replication` is neither a truth value nor `database`; its value.
    #[error("invalid value for parameter \"replication\": \"{0}\"")]
    Replication(String),
    /// A message whose body is not laid out as the protocol says; the field names the message.
    #[error("invalid message format: {0}")]
    MessageFormat(&'static str),
    /// A password message with no password in it.
    #[error("empty password returned by client")]
    EmptyPassword,
    /// A SASL mechanism that was not offered.
    #[error("client selected an invalid SASL authentication mechanism")]
    SaslMechanism,

    /// A SCRAM message that breaks the grammar of RFC 5802; the field says how.
    #[error("malformed SCRAM message ({0})")]
    MalformedScram(&'static str),
    /// The client wants to act for somebody else (RFC 5802's authzid).
    #[error("client uses authorization identity, but it is not supported")]
    ScramAuthorizationIdentity,
    /// The peer insists on an extension of SCRAM (attribute `m`).
    #[error("client requires an unsupported SCRAM extension")]
    ScramExtension,
    /// The client-final message binds to another channel than the client-first message said.
    #[error("unexpected SCRAM channel-binding attribute in client-final-message")]
    ScramChannelBinding,
    /// SCRAM-SHA-256-PLUS was offered, and the client has not seen that: the offer was changed on its
    /// way.
    #[error("SCRAM channel binding negotiation error")]
    ScramDowngrade,
    /// Another type of channel binding than `tls-server-end-point`.
    #[error("unsupported SCRAM channel-binding type")]
    ScramChannelBindingType,
    /// The client sees another TLS connection than the one that its messages come by.
    #[error("SCRAM channel binding check failed")]
    ScramChannelMismatch,
    /// The nonce is not the one of this exchange: a mix-up or a replay.
    #[error("invalid SCRAM response (nonce mismatch)")]
    ScramNonce,
    /// The proof does not fit the secret: a wrong password, or a user that does not exist.
    #[error("password authentication failed")]
    PasswordRejected,

    /// The server asks for a method of authentication that is not spoken here; its code.
    #[error("authentication method {0} requested by the server is not supported")]
    AuthenticationMethod(i32),
    /// The server asks for more PBKDF2 work than a login may cost.
    #[error("SCRAM iteration count {0} requested by the server is not acceptable")]
    ScramIterations(u64),
    /// The server could not prove that it knows the password.
    #[error("incorrect SCRAM server signature")]
    ScramServerSignature,
    /// The server ended the exchange with an `e=` attribute; its value.
    #[error("server reported a SCRAM error: {0}")]
    ScramServerError(String),
}

impl WireError {
    /// The SQLSTATE that PostgreSQL gives for this cause (manual, appendix A).
    pub fn sqlstate(&self) -> &'static str {
        match self {
            Self::StartupLength
            | Self::CancelRequestLength
            | Self::CancelKeyLength
            | Self::StartupLayout
            | Self::MessageFormat(_)
            | Self::SaslMechanism
            | Self::MalformedScram(_)
            | Self::ScramChannelBinding
            | Self::ScramChannelBindingType
            | Self::ScramDowngrade
            | Self::ScramNonce => "08P01",
            Self::UnsupportedProtocol { .. }
            | Self::ScramAuthorizationIdentity
            | Self::ScramExtension => "0A000",
            Self::NoUser | Self::ScramChannelMismatch => "28000",
            Self::Replication(_) => "22023",
            Self::NotUtf8(_) => "22021",
            Self::CommandLineArgument(_) | Self::SettingWithoutValue(_) => "42601",
            Self::EmptyPassword | Self::PasswordRejected => "28P01",
            // The client did nothing wrong: the connection behind it could not be made.
            Self::AuthenticationMethod(_)
            | Self::ScramIterations(_)
            | Self::ScramServerSignature
            | Self::ScramServerError(_) => "08006",
        }
    }

    /// The FATAL error that ends the client's connection.
    pub fn to_error_response(&self) -> ErrorFields {
        let error = ErrorFields::fatal(self.sqlstate(), self.to_string());
        match self {
            Self::Replication(_) => {
                error.with_hint("Valid values are: \"false\", 0, \"true\", 1, \"database\".")
            }
            _ => error,
        }
    }
}
