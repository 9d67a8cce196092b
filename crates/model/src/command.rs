//! What an admin may ask of the data path. One of the two edges that lead back to it.

use crate::ClientId;

/// How to shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownMode {
    /// Take no new clients, let every transaction end, then leave. What SIGTERM does.
    WaitForServers,
    /// Take no new clients and wait until each client has gone by itself.
    WaitForClients,
    /// Leave now.
    Immediate,
}

/// A command to the running process. Names and meanings are PgBouncer's where it has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Wait until running transactions are over, then hold new ones back; all databases or one.
    Pause(Option<String>),
    /// Let transactions run again; all databases or one.
    Resume(Option<String>),
    /// Read the configuration again.
    Reload,
    /// Close one client connection.
    KillClient(ClientId),
    /// Cancel what one client connection runs; it goes on.
    Cancel(ClientId),
    /// Forget what was measured, and begin anew.
    ResetStats,
    /// Write a note into the history.
    Note(String),
    /// End the process.
    Shutdown(ShutdownMode),
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The database is not configured and no client asked for it yet.
    #[error("no such database: {0}")]
    NoSuchDatabase(String),
    /// The client runs nothing that could be cancelled.
    #[error("client {0} runs nothing")]
    NothingRuns(ClientId),
    /// No client with this id.
    #[error("no such client: {0}")]
    NoSuchClient(ClientId),
    /// PAUSE on what is paused, RESUME on what runs.
    #[error("{0}")]
    WrongState(String),
    /// The new configuration is wrong; the old one stays.
    #[error("configuration not reloaded: {0}")]
    BadConfiguration(String),
}
