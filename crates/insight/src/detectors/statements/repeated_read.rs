use std::time::Duration;

use model::{Distinct, Finding, Severity};

use super::count_polling::is_count;
use super::finding::{about, change, evidence};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms, percent};

/// # `repeated_read`: the same rows are read again and again
///
/// **What it sees.** SELECTs that are sent with the same few values over and over: twenty times for
/// each set of values on average, six hundred times or more in the window, taking a twentieth of all
/// database time. Statements that lock rows are left out, and those without a table.
///
/// **Why it hurts.** Each of them is a round trip and some work, for an answer that the application
/// had a moment ago.
///
/// **How to fix.** Keep the answer in the application or its cache for as long as it may be old: for
/// settings, permissions and price lists some seconds are enough. Where it must be fresh: NOTIFY from
/// a trigger, and forget it then.
///
/// **How sure.** High that the same is asked; whether the answer was the same is not looked at.
///
/// **Example.** Each request reads `SELECT * FROM settings WHERE shop_id = $1` three times.
pub struct RepeatedRead;

thresholds! {
    /// When `repeated_read` speaks.
    RepeatedReadThresholds {
        /// Calls in the window.
        least_calls: Count = 600,
        /// Calls for each different set of values.
        least_repeats: Number = 20.0,
        /// The least share of all database time: a cache is work too.
        least_ratio: Ratio = 0.05,
        /// The least time in the window: on an idle server a single statement is all of it.
        least_time: Duration = Duration::from_secs(1),
    }
}

/// How a SELECT says that it locks the rows it reads.
const LOCKING: [&str; 4] = [" for update", " for no key update", " for share", " for key share"];

impl Detector for RepeatedRead {
    fn name(&self) -> &'static str {
        "repeated_read"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.repeated_read;
        let mut findings = Vec::new();
        for statement in inputs.costly(thresholds.least_ratio, thresholds.least_time) {
            let stats = &statement.stats;
            let different = stats.values.estimate().max(1);
            let repeats = stats.calls as f64 / different as f64;
            let id = statement.fingerprint;
            let reads =
                inputs.facts(id).is_some_and(|facts| !facts.writes && !facts.tables.is_empty());
            if stats.calls < thresholds.least_calls
                || different >= Distinct::MOST
                || repeats < thresholds.least_repeats
                || inputs.class(id) != "SELECT"
                || !reads
                || is_count(inputs, id)
                || LOCKING.iter().any(|words| inputs.says(id, words))
            {
                continue;
            }
            let share = inputs.workload.share(statement.database_ms());
            let saved_ms = statement.database_ms() * (1.0 - 1.0 / repeats);
            let text = inputs.title_text(id);
            findings.push(Finding {
                evidence: evidence([
                    ("calls", stats.calls.into()),
                    ("different_values", different.into()),
                    ("mean_ms", statement.mean_database_ms().into()),
                    ("share_of_time_ratio", share.into()),
                ]),
                estimate: evidence([("saved_ms", saved_ms.into())]),
                fix: change(
                    "Keep the answer in the application or its cache for as long as it may be old; \
                     some seconds are enough.",
                ),
                ..about(
                    statement,
                    self.name(),
                    Severity::Info,
                    format!("the same is read {repeats:.0} times for each set of values: {text}"),
                    format!(
                        "{} calls with about {} different sets of values took {}, {} of the \
                         database time",
                        count(stats.calls as f64),
                        count(different as f64),
                        duration_ms(statement.database_ms()),
                        percent(share)
                    ),
                )
            });
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    fn detect(text: &str, calls: u64, different: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        for call in 0..calls {
            scene.statement(text).values(call % different).work_ms(2).run();
        }
        scene.look(|inputs| RepeatedRead.detect(inputs))
    }

    const SETTINGS: &str = "SELECT * FROM settings WHERE shop_id = $1";

    #[test]
    fn few_values_read_many_times_are_found() {
        assert_eq!(detect(SETTINGS, 1_000, 10)[0].severity, Severity::Info);
        assert_eq!(detect("SELECT country FROM m WHERE id = $1", 1_000, 10).len(), 1);
    }

    #[test]
    fn many_values_locks_changes_and_few_calls_are_quiet() {
        assert!(detect(SETTINGS, 1_000, 100).is_empty());
        assert!(detect(SETTINGS, 10_000, 10_000).is_empty());
        for lock in ["UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE"] {
            let locking = format!("SELECT * FROM jobs WHERE id = $1 FOR {lock}");
            assert!(detect(&locking, 1_000, 10).is_empty(), "{locking}");
        }
        assert!(detect("UPDATE settings SET a = $1", 1_000, 10).is_empty());
        assert!(detect("SELECT $1", 1_000, 1).is_empty());
        assert!(detect(SETTINGS, 599, 10).is_empty());
    }
}
