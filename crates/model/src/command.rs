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
    /// Wait until running transactions are over and all server connections are closed, and hold new
    /// ones back; all databases or one.
    Pause(Option<String>),
    /// Let transactions run again after PAUSE, KILL or SUSPEND; all databases or one.
    Resume(Option<String>),
    /// Write out what is under way, then leave all sockets alone.
    Suspend,
    /// Close each server connection as soon as it is released; all databases or one.
    Reconnect(Option<String>),
    /// Wait until the server connections that RECONNECT or RELOAD made obsolete are closed; all
    /// databases or one.
    WaitClose(Option<String>),
    /// Close all client and server connections now, and hold new ones back; all databases or one.
    Kill(Option<String>),
    /// Let no more clients log in to a database.
    Disable(String),
    /// Let clients log in again.
    Enable(String),
    /// Change one setting until the configuration is read again.
    Set {
        /// The setting's name.
        key: String,
        /// Its new value, as it would be written in the environment. It may be a secret.
        value: String,
    },
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

impl Command {
    /// The command's name, which is the tag that the console answers with.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pause(_) => "PAUSE",
            Self::Resume(_) => "RESUME",
            Self::Suspend => "SUSPEND",
            Self::Reconnect(_) => "RECONNECT",
            Self::WaitClose(_) => "WAIT_CLOSE",
            Self::Kill(_) => "KILL",
            Self::Disable(_) => "DISABLE",
            Self::Enable(_) => "ENABLE",
            Self::Set { .. } => "SET",
            Self::Reload => "RELOAD",
            Self::KillClient(_) => "KILL_CLIENT",
            Self::Cancel(_) => "CANCEL",
            Self::ResetStats => "RESET STATS",
            Self::Note(_) => "NOTE",
            Self::Shutdown(_) => "SHUTDOWN",
        }
    }

    /// What takes back a command that is given up while it waits; none for one that does not wait,
    /// or that changes nothing.
    #[must_use]
    pub fn taken_back(&self) -> Option<Self> {
        match self {
            Self::Pause(database) => Some(Self::Resume(database.clone())),
            Self::Suspend => Some(Self::Resume(None)),
            _ => None,
        }
    }

    /// Whether it may take as long as clients take over what they do.
    #[must_use]
    pub fn waits(&self) -> bool {
        matches!(self, Self::Pause(_) | Self::Suspend | Self::WaitClose(_))
    }
}

impl std::fmt::Display for Command {
    /// As it is logged: a new setting's value may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Pause(Some(name))
            | Self::Resume(Some(name))
            | Self::Reconnect(Some(name))
            | Self::WaitClose(Some(name))
            | Self::Kill(Some(name))
            | Self::Disable(name)
            | Self::Enable(name)
            | Self::Set { key: name, .. } => write!(f, " {name}"),
            Self::KillClient(id) | Self::Cancel(id) => write!(f, " {id}"),
            Self::Note(text) => write!(f, " {text:?}"),
            Self::Shutdown(ShutdownMode::WaitForServers) => f.write_str(" WAIT_FOR_SERVERS"),
            Self::Shutdown(ShutdownMode::WaitForClients) => f.write_str(" WAIT_FOR_CLIENTS"),
            _ => Ok(()),
        }
    }
}

/// Why a command was not carried out. What PgBouncer says too, it says in these words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The database is not configured and no client asked for it yet.
    #[error("no such database: {0}")]
    NoSuchDatabase(String),
    /// The client runs nothing that could be cancelled.
    #[error("client {0} runs nothing")]
    NothingRuns(ClientId),
    /// No client with this id.
    #[error("client not found")]
    NoSuchClient(ClientId),
    /// PAUSE on what is paused, RESUME of a database that runs.
    #[error("{0}")]
    WrongState(String),
    /// RESUME of everything, where nothing or only single databases are paused.
    #[error("pooler is not paused/suspended")]
    NotPaused {
        /// Databases that were paused by their names.
        by_name: Vec<String>,
    },
    /// No setting has this name.
    #[error("unrecognized configuration parameter \"{key}\"")]
    NoSuchSetting {
        /// The name.
        key: String,
        /// What would be right.
        hint: String,
    },
    /// A setting cannot have this value, alone or beside the others.
    #[error("invalid value for parameter \"{key}\": {why}")]
    BadValue {
        /// The setting.
        key: String,
        /// What would be right; holds no secret.
        why: String,
    },
    /// A setting takes effect at the start only.
    #[error("parameter \"{0}\" cannot be changed without restarting pgweir")]
    NeedsRestart(String),
    /// The new configuration is wrong; the old one stays.
    #[error("configuration not reloaded: {0}")]
    BadConfiguration(String),
}
