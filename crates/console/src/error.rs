//! Why a console connection ended other than by Terminate or a disconnect between messages.

use pgwire::error::PgWireError;
use wire::frame::FrameError;

/// What ends a console connection.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The connection failed.
    #[error("console connection: {0}")]
    Io(#[from] std::io::Error),
    /// The client went away in the middle of a message.
    #[error("console connection closed in the middle of a message")]
    Truncated,
    /// What the client sent is not the protocol.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A message that is longer than any console command.
    #[error("message of {bytes} bytes is longer than the console takes")]
    MessageTooLong {
        /// The length of its body, bytes.
        bytes: usize,
    },
    /// An answer that is too long for the protocol.
    #[error("answer not sent: {0}")]
    AnswerTooLong(Box<PgWireError>),
}

impl ConsoleError {
    /// What the client is told before the connection is closed; none where it cannot be told.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&'static str> {
        match self {
            Self::Io(_) | Self::Truncated => None,
            Self::Frame(_) | Self::MessageTooLong { .. } => Some("08P01"),
            Self::AnswerTooLong(_) => Some("54000"),
        }
    }
}

impl From<PgWireError> for ConsoleError {
    fn from(error: PgWireError) -> Self {
        Self::AnswerTooLong(Box::new(error))
    }
}
