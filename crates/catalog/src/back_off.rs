//! Which statements are not planned any more because they failed before.

use std::collections::HashMap;

use model::FingerprintId;

/// Failures after which a statement is left alone for good.
const ATTEMPTS: u32 = 2;

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
    problem: String,
}

impl BackOff {
    /// The last problem of a statement that failed too often.
    pub(crate) fn given_up(&self, database: &str, fingerprint: FingerprintId) -> Option<&str> {
        self.failures
            .get(&(database.to_owned(), fingerprint))
            .filter(|failures| failures.count >= ATTEMPTS)
            .map(|failures| failures.problem.as_str())
    }

    /// Counts a failure.
    pub(crate) fn failed(&mut self, database: &str, fingerprint: FingerprintId, problem: &str) {
        if self.failures.len() >= REMEMBERED {
            self.failures.clear();
        }
        let failures = self
            .failures
            .entry((database.to_owned(), fingerprint))
            .or_insert_with(|| Failures { count: 0, problem: String::new() });
        failures.count += 1;
        problem.clone_into(&mut failures.problem);
    }

    /// Forgets the failures of a statement that was planned.
    pub(crate) fn succeeded(&mut self, database: &str, fingerprint: FingerprintId) {
        self.failures.remove(&(database.to_owned(), fingerprint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATEMENT: FingerprintId = FingerprintId(7);

    #[test]
    fn two_failures_are_enough() {
        let mut back_off = BackOff::default();
        back_off.failed("shop", STATEMENT, "first");
        assert_eq!(back_off.given_up("shop", STATEMENT), None);
        back_off.failed("shop", STATEMENT, "second");
        assert_eq!(back_off.given_up("shop", STATEMENT), Some("second"));
        assert_eq!(back_off.given_up("other", STATEMENT), None);
    }

    #[test]
    fn a_success_wipes_the_slate() {
        let mut back_off = BackOff::default();
        back_off.failed("shop", STATEMENT, "first");
        back_off.succeeded("shop", STATEMENT);
        back_off.failed("shop", STATEMENT, "second");
        assert_eq!(back_off.given_up("shop", STATEMENT), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut back_off = BackOff::default();
        for id in 0..25_000 {
            back_off.failed("shop", FingerprintId(id), "no");
        }
        assert!(back_off.failures.len() <= REMEMBERED);
    }
}
