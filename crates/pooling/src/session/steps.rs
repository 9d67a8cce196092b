//! What became of bytes that were dealt with, and what is needed to go on.

/// What came of a client's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientStep {
    /// All that can be used has been: `consumed` bytes. To go on, `need` bytes must be there after
    /// them.
    More {
        /// Bytes used.
        consumed: usize,
        /// Bytes that must be there after those.
        need: usize,
    },
    /// To go on, what is there for the server must be sent.
    Full {
        /// Bytes used.
        consumed: usize,
    },
    /// To go on, the server must have answered what it was sent.
    Wait {
        /// Bytes used.
        consumed: usize,
    },
    /// The next message needs a server connection.
    NeedServer {
        /// Bytes used.
        consumed: usize,
    },
    /// The next message needs a server connection that no other client has used. The one that the
    /// client holds is to be closed, what is written for it to be dropped, and the other attached.
    NeedOwnServer {
        /// Bytes used.
        consumed: usize,
    },
    /// The client said goodbye.
    Terminate,
}

/// What came of a server's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerStep {
    /// All that can be used has been: `consumed` bytes. To go on, `need` bytes must be there after
    /// them.
    More {
        /// Bytes used.
        consumed: usize,
        /// Bytes that must be there after those.
        need: usize,
    },
    /// The server ended the session (a FATAL error): treat it as gone.
    Lost,
}
