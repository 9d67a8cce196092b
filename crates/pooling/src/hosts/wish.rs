//! What a pool wants of the servers that its connections go to.

use std::fmt;
use std::time::Duration;

/// Which servers will do, as libpq's `target_session_attrs` (manual 34.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TargetSessionAttrs {
    /// Any.
    #[default]
    Any,
    /// Sessions may write: not a standby, and `default_transaction_read_only` is off.
    ReadWrite,
    /// Sessions may not write.
    ReadOnly,
    /// Not a standby.
    Primary,
    /// A standby.
    Standby,
    /// A standby if there is one, else any.
    PreferStandby,
}

impl TargetSessionAttrs {
    /// All, in libpq's order.
    pub const ALL: [Self; 6] = [
        Self::Any,
        Self::ReadWrite,
        Self::ReadOnly,
        Self::Primary,
        Self::Standby,
        Self::PreferStandby,
    ];

    /// libpq's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }

    /// From libpq's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|attrs| attrs.as_str() == word)
    }

    /// Whether it takes a server that can be written to.
    #[must_use]
    pub fn is_to_write(self) -> bool {
        matches!(self, Self::ReadWrite | Self::Primary)
    }
}

impl fmt::Display for TargetSessionAttrs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In which order servers that will do are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LoadBalance {
    /// As they are written: later ones only if the earlier ones fail.
    Disable,
    /// Each attempt begins with the next one (PgBouncer's default).
    #[default]
    RoundRobin,
    /// By chance (libpq's `random`).
    Random,
}

impl LoadBalance {
    /// All.
    pub const ALL: [Self; 3] = [Self::Disable, Self::RoundRobin, Self::Random];

    /// PgBouncer's or libpq's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::RoundRobin => "round-robin",
            Self::Random => "random",
        }
    }

    /// From the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|balance| balance.as_str() == word)
    }
}

impl fmt::Display for LoadBalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a pool wants of the servers that its connections go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wish {
    /// Which will do.
    pub attrs: TargetSessionAttrs,
    /// In which order they are tried.
    pub balance: LoadBalance,
    /// How far a standby may be behind; none is no bound.
    pub max_lag: Option<Duration>,
}

impl Wish {
    /// Whether it must be known what a server is.
    #[must_use]
    pub fn depends_on_role(&self) -> bool {
        self.attrs != TargetSessionAttrs::Any || self.max_lag.is_some()
    }
}
