//! Which statements are not planned for now because they failed before.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use model::FingerprintId;

/// Failures after which a statement is left alone.
const ATTEMPTS: u32 = 2;
/// How long at first. It is twice as long after each further failure, up to [`LONGEST`]: what a GRANT
/// or a new table mends is planned again without a restart, and a server that is asked in vain is asked
/// four times a day.
const FIRST: Duration = Duration::from_secs(15 * 60);
/// How long at most.
const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// Statements remembered; beyond them all is forgotten, which costs one more attempt each.
const REMEMBERED: usize = 10_000;

/// The statements that failed, and why.
#[derive(Debug, Default)]
pub(crate) struct BackOff {
    failures: HashMap<(String, FingerprintId), Failures>,
}

#[derive(Debug)]
struct Failures {
    count: u32,
    last: Instant,
    problem: String,
}

impl Failures {
    /// How long the statement is left alone since it failed last.
    fn rest(&self) -> Duration {
        match self.count.checked_sub(ATTEMPTS) {
            None => Duration::ZERO,
            Some(more) => {
                FIRST.saturating_mul(1u32.checked_shl(more).unwrap_or(u32::MAX)).min(LONGEST)
            }
        }
    }
}

impl BackOff {
    /// The last problem of a statement that failed too often to be asked again at `now`.
    pub(crate) fn resting(
        &self,
        database: &str,
        fingerprint: FingerprintId,
        now: Instant,
    ) -> Option<&str> {
        self.failures
            .get(&(database.to_owned(), fingerprint))
            .filter(|failures| now.saturating_duration_since(failures.last) < failures.rest())
            .map(|failures| failures.problem.as_str())
    }

    /// Counts a failure.
    pub(crate) fn failed(
        &mut self,
        database: &str,
        fingerprint: FingerprintId,
        problem: &str,
        now: Instant,
    ) {
        if self.failures.len() >= REMEMBERED {
            self.failures.clear();
        }
        let failures = self
            .failures
            .entry((database.to_owned(), fingerprint))
            .or_insert_with(|| Failures { count: 0, last: now, problem: String::new() });
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        problem.clone_into(&mut failures.problem);
    }

    /// Forgets the failures of a statement that was planned.
    pub(crate) fn succeeded(&mut self, database: &str, fingerprint: FingerprintId) {
        self.failures.remove(&(database.to_owned(), fingerprint));
    }

    /// Forgets all failures in a database whose tables, or the role's rights on them, have changed.
    pub(crate) fn forget(&mut self, database: &str) {
        self.failures.retain(|(name, _), _| name != database);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATEMENT: FingerprintId = FingerprintId(7);

    #[test]
    fn after_two_failures_it_rests_longer_and_longer_but_not_for_good() {
        let mut back_off = BackOff::default();
        let start = Instant::now();
        back_off.failed("shop", STATEMENT, "first", start);
        assert_eq!(back_off.resting("shop", STATEMENT, start), None);
        back_off.failed("shop", STATEMENT, "second", start);
        assert_eq!(back_off.resting("shop", STATEMENT, start), Some("second"));
        assert_eq!(back_off.resting("other", STATEMENT, start), None);
        assert_eq!(back_off.resting("shop", STATEMENT, start + FIRST), None);
        back_off.failed("shop", STATEMENT, "third", start + FIRST);
        assert!(back_off.resting("shop", STATEMENT, start + FIRST * 2).is_some());
        assert!(back_off.resting("shop", STATEMENT, start + FIRST * 3).is_none());
        for _ in 0..100 {
            back_off.failed("shop", STATEMENT, "again", start);
        }
        assert!(back_off.resting("shop", STATEMENT, start + LONGEST).is_none());
    }

    #[test]
    fn a_success_wipes_the_slate_and_so_does_a_change_of_the_database() {
        let mut back_off = BackOff::default();
        let now = Instant::now();
        back_off.failed("shop", STATEMENT, "first", now);
        back_off.succeeded("shop", STATEMENT);
        back_off.failed("shop", STATEMENT, "second", now);
        assert_eq!(back_off.resting("shop", STATEMENT, now), None);
        back_off.failed("shop", STATEMENT, "third", now);
        back_off.forget("other");
        assert!(back_off.resting("shop", STATEMENT, now).is_some());
        back_off.forget("shop");
        assert_eq!(back_off.resting("shop", STATEMENT, now), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut back_off = BackOff::default();
        for id in 0..25_000 {
            back_off.failed("shop", FingerprintId(id), "no", Instant::now());
        }
        assert!(back_off.failures.len() <= REMEMBERED);
    }
}
