//! What can go wrong between a client and a server that both should speak the protocol.

use wire::frame::FrameError;

/// Why a conversation cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolingError {
    /// The client sent what is not a message, or a message that it may not send.
    #[error("client: {0}")]
    Client(FrameError),
    /// The client goes on behind a COPY that has failed, and nobody knows whether the server skips that.
    #[error(
        "client: after a COPY that failed only a Sync may follow, until ReadyForQuery has come"
    )]
    AfterCopy,
    /// The server sent what is not a message.
    #[error("server: {0}")]
    Server(FrameError),
    /// The server sent a message that answers nothing that was asked.
    #[error("server sent an unexpected message of type {:?}", char::from(*kind))]
    Unexpected {
        /// The type byte.
        kind: u8,
    },
}
