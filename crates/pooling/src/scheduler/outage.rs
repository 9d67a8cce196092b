//! An upstream that cannot be reached.

use std::time::Instant;

use crate::hosts::Backoff;

/// An upstream that cannot be reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    pub(super) since: Instant,
    backoff: Backoff,
}

impl Outage {
    /// An attempt has failed; `known` is what was known before it.
    pub(super) fn after_failure(known: Option<Self>, now: Instant, random: f64) -> Self {
        match known {
            None => Self { since: now, backoff: Backoff::first(now, random) },
            Some(outage) => Self { backoff: outage.backoff.again(now, random), ..outage },
        }
    }

    /// Whether it is too early for another attempt.
    pub(super) fn is_pausing(&self, now: Instant) -> bool {
        !self.backoff.is_over(now)
    }

    /// There is reason to hope: the next attempt may be made at once.
    pub(super) fn end_pause(&mut self, now: Instant) {
        self.backoff = self.backoff.cut_short(now);
    }
}
