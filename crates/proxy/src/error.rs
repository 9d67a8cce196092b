//! What can go wrong with a connection.

use pooling::PoolingError;
use wire::WireError;
use wire::error_response::ErrorFields;
use wire::frame::FrameError;

use crate::stream::ServerAddress;

/// Why a connection ended, or could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The socket failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The peer's bytes are wrong.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// The peer's frames are wrong.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// The peer's messages are wrong.
    #[error("{0}")]
    Pooling(#[from] PoolingError),
    /// The peer closed the connection.
    #[error("connection closed by the peer")]
    Closed,
    /// It took too long.
    #[error("timed out: {0}")]
    TimedOut(&'static str),
    /// The client did not prove who it is: it is told so, after a pause.
    #[error("{}", .error.message)]
    Rejected {
        /// Who it said it was.
        user: String,
        /// What it is told.
        error: Box<ErrorFields>,
    },
    /// The client is told this and leaves.
    #[error("{}", .0.message)]
    Refused(Box<ErrorFields>),
    /// The server refused us with this.
    #[error("server said: {} (SQLSTATE {})", .0.message, .0.sqlstate())]
    Server(Box<ErrorFields>),
    /// The server asks for a password and there is none that can be used.
    #[error("the server asks for a password of user {0:?}, and none is configured")]
    NoPassword(String),
    /// None of several hosts will do, with what is to be said of each.
    #[error("{0}")]
    NoHost(String),
    /// TLS failed, or was not to be had.
    #[error("{message}")]
    Tls {
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// A balancer's header is missing, or wrong, or there and not asked for.
    #[error("{message}")]
    ProxyHeader {
        /// What is wrong.
        message: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// The server does not bind the login to the TLS connection, and must.
    #[error("channel_binding=require, and the server {0}")]
    NotBound(&'static str),
    /// `connect_query` left a transaction open.
    #[error("connect_query began a transaction and did not end it")]
    ConnectQuery,
    /// The listener could not be opened.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The Unix socket could not be opened.
    #[error("cannot listen on {}: {why}", .path.display())]
    Socket {
        /// The socket.
        path: std::path::PathBuf,
        /// Why not, and what would help.
        why: String,
    },
}

impl ProxyError {
    /// What the client is told, if it can be told anything.
    pub(crate) fn for_client(&self) -> Option<ErrorFields> {
        Some(match self {
            Self::Refused(error) | Self::Rejected { error, .. } => (**error).clone(),
            Self::Wire(error) => error.to_error_response(),
            Self::Frame(error) | Self::Pooling(PoolingError::Client(error)) => {
                ErrorFields::fatal("08P01", error.to_string())
            }
            Self::TimedOut(what) => ErrorFields::fatal("57014", format!("timed out: {what}")),
            _ => return None,
        })
    }

    /// Whether trying again cannot help: the server answered, and the answer is no.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            // Class 57P is "come back later" (starting up, shutting down), class 53 is "full".
            Self::Server(error) => {
                !error.sqlstate().starts_with("57P") && !error.sqlstate().starts_with("53")
            }
            Self::NoPassword(_) | Self::Wire(_) | Self::Tls { .. } | Self::NotBound(_) => true,
            _ => false,
        }
    }

    /// Whether it says that the host is not there, and not only that it would not have us.
    pub(crate) fn is_of_a_host_that_is_down(&self) -> bool {
        match self {
            Self::Io(_) | Self::Closed | Self::TimedOut(_) => true,
            // Starting up, shutting down, or gone down.
            Self::Server(error) => error.sqlstate().starts_with("57P"),
            _ => false,
        }
    }

    /// A failure to open a server connection, in words for the clients that wait for one.
    pub(crate) fn as_connect_failure(&self, hosts: &[ServerAddress]) -> ErrorFields {
        match self {
            Self::NoHost(message) => ErrorFields::error("57P03", message.clone()).with_hint(
                "Clients wait for such a server for query_wait_timeout. SHOW HOSTS in the admin \
                 console says what is known of each; target_session_attrs says which will do.",
            ),
            Self::Server(error) => ErrorFields::error(
                error.sqlstate().to_owned(),
                error.message.clone(),
            ),
            Self::NoPassword(_) => ErrorFields::error("28000", self.to_string()).with_hint(
                "Give the user's password in pgweir's configuration: [users.NAME] password = \"…\"; or \
                 let clients log in by scram-sha-256, checked against the verifier that the server \
                 keeps (auth_query).",
            ),
            other => {
                let address = names(hosts);
                let message =
                    format!("cannot connect to the PostgreSQL server at {address}: {other}");
                ErrorFields::error("08006", message).with_hint(match other {
                    Self::Tls { hint, .. } => hint,
                    Self::ConnectQuery => "Let connect_query of the database end its transaction.",
                    Self::NotBound(_) => "It takes TLS and SCRAM-SHA-256 on the server's side.",
                    _ => "Check that the server runs and that pgweir can reach it.",
                })
            }
        }
    }
}

/// All of them, with commas between.
pub(crate) fn names(hosts: &[ServerAddress]) -> String {
    let names: Vec<_> = hosts.iter().map(ToString::to_string).collect();
    names.join(", ")
}
