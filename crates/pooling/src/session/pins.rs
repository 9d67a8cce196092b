//! Why a client keeps its server connection between transactions.

use sql::SessionEffect;

/// State that cannot be carried to another server connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum PinReason {
    /// A temporary table, view or sequence.
    TemporaryTable = 1,
    /// LISTEN.
    Listen = 1 << 1,
    /// A cursor WITH HOLD.
    HoldCursor = 1 << 2,
    /// A session-level advisory lock.
    AdvisoryLock = 1 << 3,
    /// A statement prepared with SQL's PREPARE.
    SqlPrepare = 1 << 4,
    /// LOAD.
    Load = 1 << 5,
    /// `currval` or `lastval`, which read what this session's `nextval` left.
    SequenceState = 1 << 6,
    /// A setting with the prefix of a library that may not be loaded.
    Module = 1 << 7,
    /// What a function keeps in the session: `setseed`, `dblink_connect`.
    SessionState = 1 << 8,
    /// Code was run that may have done any of these, and the server could not be asked.
    Unknown = 1 << 9,
    /// A prepared statement too long to be kept.
    LargeStatement = 1 << 10,
    /// A Query whose text is too long to be read whole, with more than one statement in it.
    LongText = 1 << 11,
    /// FunctionCall of something other than large objects.
    FunctionCall = 1 << 12,
}

impl PinReason {
    const ALL: [Self; 13] = [
        Self::TemporaryTable,
        Self::Listen,
        Self::HoldCursor,
        Self::AdvisoryLock,
        Self::SqlPrepare,
        Self::Load,
        Self::SequenceState,
        Self::Module,
        Self::SessionState,
        Self::Unknown,
        Self::LargeStatement,
        Self::LongText,
        Self::FunctionCall,
    ];

    /// As SHOW CLIENTS prints it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TemporaryTable => "temporary table",
            Self::Listen => "LISTEN",
            Self::HoldCursor => "cursor WITH HOLD",
            Self::AdvisoryLock => "advisory lock",
            Self::SqlPrepare => "PREPARE",
            Self::Load => "LOAD",
            Self::SequenceState => "sequence state",
            Self::Module => "setting of a module",
            Self::SessionState => "state of a function",
            Self::Unknown => "state not known",
            Self::LargeStatement => "large prepared statement",
            Self::LongText => "long text of several statements",
            Self::FunctionCall => "function call",
        }
    }

    /// Whether a statement may leave it behind even when it fails: a session-level lock is kept, a
    /// loaded library stays, and so does what a function keeps.
    #[must_use]
    pub fn outlives_failure(self) -> bool {
        matches!(self, Self::AdvisoryLock | Self::Load | Self::SessionState)
    }

    /// The state that a statement of this effect leaves behind, if it is of that kind.
    #[must_use]
    pub fn of(effect: SessionEffect) -> Option<Self> {
        Some(match effect {
            SessionEffect::CreateTemporary => Self::TemporaryTable,
            SessionEffect::Listen => Self::Listen,
            SessionEffect::DeclareHold => Self::HoldCursor,
            SessionEffect::AdvisoryLock => Self::AdvisoryLock,
            SessionEffect::Prepare => Self::SqlPrepare,
            SessionEffect::Load => Self::Load,
            SessionEffect::SequenceSession => Self::SequenceState,
            SessionEffect::SessionState => Self::SessionState,
            // All named, so that a new effect is a question the compiler asks.
            SessionEffect::None
            | SessionEffect::SetLocal
            | SessionEffect::SetSession
            | SessionEffect::SetConfig
            | SessionEffect::SetRole
            | SessionEffect::SetAuthorization
            | SessionEffect::Do
            | SessionEffect::OwnStatistics
            | SessionEffect::ResetRole
            | SessionEffect::Reset
            | SessionEffect::DiscardAll
            | SessionEffect::DiscardOther
            | SessionEffect::Deallocate
            | SessionEffect::DeallocateAll
            | SessionEffect::Unlisten
            | SessionEffect::AdvisoryUnlock => return None,
        })
    }
}

/// All reasons of one client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pins(u16);

impl Pins {
    /// Adds one.
    pub fn add(&mut self, reason: PinReason) {
        self.0 |= reason as u16;
    }

    /// The server was asked, and has these, of those that it can be asked about.
    pub fn confirm(&mut self, found: Self) {
        const ASKED: u16 = PinReason::TemporaryTable as u16
            | PinReason::Listen as u16
            | PinReason::HoldCursor as u16
            | PinReason::AdvisoryLock as u16
            | PinReason::SqlPrepare as u16
            | PinReason::Unknown as u16;
        self.0 = (self.0 & !ASKED) | found.0;
    }

    /// Whether there is one that may be gone without anybody having been told.
    #[must_use]
    pub fn may_end(self) -> bool {
        let mut unconfirmed = self;
        unconfirmed.confirm(Self::default());
        unconfirmed != self
    }

    /// Takes one away: what it stands for is gone.
    pub fn remove(&mut self, reason: PinReason) {
        self.0 &= !(reason as u16);
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn has(self, reason: PinReason) -> bool {
        self.0 & reason as u16 != 0
    }

    /// DISCARD ALL: all gone.
    pub fn clear(&mut self) {
        self.0 = 0;
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The first, for SHOW CLIENTS.
    #[must_use]
    pub fn reason(self) -> Option<PinReason> {
        PinReason::ALL.into_iter().find(|reason| self.0 & *reason as u16 != 0)
    }
}
