//! The lengths of time that rows are of.

/// A length of time that rows are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Grain {
    /// As measured.
    Minute,
    /// Sixty of them, whole hours of UTC.
    Hour,
    /// Whole days of UTC.
    Day,
}

impl Grain {
    /// All, the finest first.
    pub(crate) const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Its length, minutes.
    pub(crate) fn minutes(self) -> i64 {
        match self {
            Self::Minute => 1,
            Self::Hour => 60,
            Self::Day => 24 * 60,
        }
    }

    /// Its length, s: how rows are marked.
    pub(crate) fn seconds(self) -> i64 {
        self.minutes() * 60
    }

    /// What rows are marked with these seconds.
    pub(crate) fn of_seconds(seconds: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|grain| grain.seconds() == seconds)
    }

    /// What it is rolled up from.
    pub(crate) fn finer(self) -> Option<Self> {
        match self {
            Self::Minute => None,
            Self::Hour => Some(Self::Minute),
            Self::Day => Some(Self::Hour),
        }
    }

    /// The beginning of the one that `minute` lies in.
    pub(crate) fn floor(self, minute: i64) -> i64 {
        minute.div_euclid(self.minutes()) * self.minutes()
    }

    /// The ending of its tables' names.
    pub(crate) fn tables(self) -> &'static str {
        match self {
            Self::Minute => "minutes",
            Self::Hour => "hours",
            Self::Day => "days",
        }
    }
}
