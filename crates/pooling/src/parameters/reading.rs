//! Which of a client's settings decide what a text means: see [`crate::reading`].

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;

use super::ClientParameters;

/// Those that the server reports (manual, section 55.2.7).
const REPORTED: [&str; 5] =
    ["client_encoding", "datestyle", "intervalstyle", "standard_conforming_strings", "timezone"];
/// Those that it does not.
const OTHERS: [&str; 7] = [
    "array_nulls",
    "backslash_quote",
    "lc_monetary",
    "search_path",
    "timezone_abbreviations",
    "transform_null_equals",
    "xmloption",
];
/// Whose schema `"$user"` in a search path is.
const ROLE: [&str; 2] = ["role", "session_authorization"];
/// How SET calls some of them besides (manual, SET).
const REPORTED_ALIASES: [&str; 2] = ["time zone", "names"];
const OTHER_ALIASES: [&str; 4] = ["schema", "xml option", "role", "authorization"];
/// Longer texts are not searched.
const MAX_TEXT_BYTES: usize = 1024;

/// Whether a text that changes settings changes one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mention {
    /// No.
    #[default]
    None,
    /// One whose value the server reports when the request is answered.
    Reported,
    /// One whose value in this transaction nobody tells.
    Other,
}

impl Mention {
    /// By this text, which is not read further than it must be.
    pub(crate) fn in_text(text: &[u8]) -> Self {
        if text.len() > MAX_TEXT_BYTES {
            return Self::Other;
        }
        let text = text.to_ascii_lowercase();
        let has = |name: &&str| text.windows(name.len()).any(|part| part == name.as_bytes());
        if OTHERS.iter().chain(&OTHER_ALIASES).any(&has) {
            Self::Other
        } else if REPORTED.iter().chain(&REPORTED_ALIASES).any(has) {
            Self::Reported
        } else {
            Self::None
        }
    }
}

impl ClientParameters {
    /// A hash of what it wants of these; 0 if it takes them as the server has them.
    pub(crate) fn reading(&self) -> u64 {
        let decides =
            |name: &str| REPORTED.contains(&name) || OTHERS.contains(&name) || ROLE.contains(&name);
        let mut wanted = self.wanted.iter().filter(|(name, _)| decides(name)).peekable();
        if wanted.peek().is_none() {
            return 0;
        }
        let mut hasher = FixedState::default().build_hasher();
        wanted.for_each(|one| one.hash(&mut hasher));
        hasher.finish()
    }

    /// Whether the transaction that runs has changed what the server reports.
    pub(crate) fn have_changed(&self) -> bool {
        self.before.is_some()
    }
}
