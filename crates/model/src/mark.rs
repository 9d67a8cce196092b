//! What happened to the service itself, as opposed to what its clients ran: shown beside the
//! measurements, since what changed is the first question when something got slower.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A point in the history at which something changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// Of what kind.
    pub kind: MarkKind,
    /// In a line, without bound values or secrets.
    pub text: String,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// pgweir was started.
    Start,
    /// pgweir was told to stop.
    Shutdown,
    /// Settings were read again.
    Reload,
    /// Pools were paused.
    Pause,
    /// Pools were resumed.
    Resume,
    /// Client connections were ended from the console.
    Kill,
    /// Another command changed what the service does: RECONNECT, DISABLE, ENABLE, SET.
    Command,
    /// A server could not be reached any more, could be again, or another took its place.
    Failover,
    /// A statement got another plan.
    PlanChange,
    /// Statements or applications appeared together, as with a new version of an application.
    Deploy,
    /// Somebody wrote it down (`NOTE 'text'`).
    Note,
}

impl MarkKind {
    /// All, for whoever has to read one.
    pub const ALL: [Self; 11] = [
        Self::Start,
        Self::Shutdown,
        Self::Reload,
        Self::Pause,
        Self::Resume,
        Self::Kill,
        Self::Command,
        Self::Failover,
        Self::PlanChange,
        Self::Deploy,
        Self::Note,
    ];

    /// As tables and files write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Shutdown => "shutdown",
            Self::Reload => "reload",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Kill => "kill",
            Self::Command => "command",
            Self::Failover => "failover",
            Self::PlanChange => "plan_change",
            Self::Deploy => "deploy",
            Self::Note => "note",
        }
    }
}
