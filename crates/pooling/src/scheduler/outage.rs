//! An upstream that cannot be reached.

use std::time::{Duration, Instant};

/// The first pause between attempts to reach an upstream that is down; doubled up to a second.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// An upstream that cannot be reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    pub(super) since: Instant,
    pub(super) next_attempt: Instant,
    pause: Duration,
}

impl Outage {
    /// An attempt has failed; `known` is what was known before it.
    pub(super) fn after_failure(known: Option<Self>, now: Instant) -> Self {
        match known {
            None => Self { since: now, next_attempt: now + FIRST_PAUSE, pause: FIRST_PAUSE },
            // One of several that were under way when the first failed: it says nothing new.
            Some(outage) if now < outage.next_attempt => outage,
            Some(outage) => {
                let pause = (outage.pause * 2).min(LONGEST_PAUSE);
                Self { since: outage.since, next_attempt: now + pause, pause }
            }
        }
    }

    /// Whether it is too early for another attempt.
    pub(super) fn is_pausing(&self, now: Instant) -> bool {
        now < self.next_attempt
    }
}
