use std::time::Duration;

use model::{Finding, Severity};

use super::finding::{about, change, evidence};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms, percent};

/// # `count_polling`: the same rows are counted again and again
///
/// **What it sees.** `SELECT count(…)` without GROUP BY that is sent with the same few values, thirty
/// times in the window or more, and takes a hundredth of all database time.
///
/// **Why it hurts.** PostgreSQL counts by looking at every row, each time: it has no counter. Most
/// counts are for a badge or a page number that nobody looks at.
///
/// **How to fix.** Remember the number for some seconds (in the application or its cache). Ask
/// whether there are any, or more than a hundred, instead: `EXISTS`, or `count(*)` over a subquery with
/// `LIMIT 101`. For whole tables `pg_class.reltuples` is an estimate for free. Where it must be
/// exact: a table of counters, kept by a trigger.
///
/// **How sure.** High that it is counted again; whether an older number would do, only you know.
///
/// **Example.** Each open browser tab asks for the number of unread messages every five seconds.
pub struct CountPolling;

thresholds! {
    /// When `count_polling` speaks.
    CountPollingThresholds {
        /// Calls in the window.
        least_calls: Count = 30,
        /// Calls for each different set of values: below it, it is not the same that is counted.
        least_repeats: Number = 10.0,
        /// The least share of all database time.
        least_ratio: Ratio = 0.01,
        /// The least time in the window: on an idle server a single statement is all of it.
        least_time: Duration = Duration::from_secs(1),
    }
}

impl Detector for CountPolling {
    fn name(&self) -> &'static str {
        "count_polling"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.count_polling;
        let mut findings = Vec::new();
        for statement in inputs.costly(thresholds.least_ratio, thresholds.least_time) {
            let stats = &statement.stats;
            let different = stats.values.estimate().max(1);
            let repeats = stats.calls as f64 / different as f64;
            if stats.calls < thresholds.least_calls
                || repeats < thresholds.least_repeats
                || inputs.class(statement.fingerprint) != "SELECT"
                || !is_count(inputs, statement.fingerprint)
            {
                continue;
            }
            let share = inputs.workload.share(statement.database_ms());
            let text = inputs.title_text(statement.fingerprint);
            findings.push(Finding {
                evidence: evidence([
                    ("calls", stats.calls.into()),
                    ("different_values", different.into()),
                    ("mean_ms", statement.mean_database_ms().into()),
                    ("share_of_time_ratio", share.into()),
                ]),
                fix: change(
                    "Remember the number for some seconds. If it is only to be shown whether there \
                     are any, or many: EXISTS, or count(*) over a subquery with LIMIT 101. For a \
                     whole table, pg_class.reltuples is an estimate for free.",
                ),
                ..about(
                    statement,
                    self.name(),
                    Severity::Info,
                    format!("the same is counted {} times: {text}", count(stats.calls as f64)),
                    format!(
                        "{} counts with {} different values took {}, {} of the database time",
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

/// Whether a statement only counts.
pub(super) fn is_count(inputs: &Inputs<'_>, fingerprint: model::FingerprintId) -> bool {
    let text = inputs.text(fingerprint).trim_start_matches('(').trim_start();
    let list = text.get(..6).map_or("", |_| text.get(6..).unwrap_or_default());
    let list = list.trim_start();
    let counts = list.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("count"))
        // `country` and a column called `count` are none.
        && list.get(5..).is_some_and(|behind| behind.trim_start().starts_with('('));
    counts && inputs.facts(fingerprint).is_none_or(|facts| facts.group_by.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    fn detect(text: &str, calls: u64, different: u64, work_ms: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        for call in 0..calls {
            scene.statement(text).values(call % different).work_ms(work_ms).run();
        }
        scene.look(|inputs| CountPolling.detect(inputs))
    }

    const COUNT: &str = "select count(*) from messages where reader = $1";

    #[test]
    fn the_same_count_again_and_again_is_found() {
        let findings = detect(COUNT, 60, 2, 50);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Info);
    }

    #[test]
    fn other_values_groups_cheap_and_few_counts_are_quiet() {
        assert!(detect(COUNT, 60, 60, 50).is_empty());
        assert!(detect("SELECT count(*) FROM m GROUP BY day", 60, 2, 50).is_empty());
        assert!(detect("SELECT name FROM m WHERE id = $1", 60, 2, 50).is_empty());
        assert!(detect("SELECT country FROM m WHERE id = $1", 60, 2, 50).is_empty());
        assert!(detect("SELECT count FROM m WHERE id = $1", 60, 2, 50).is_empty());
        assert_eq!(detect("SELECT COUNT (*) FROM m WHERE id = $1", 60, 2, 50).len(), 1);
        assert!(detect(COUNT, 29, 2, 50).is_empty());
        assert!(detect(COUNT, 60, 2, 1).is_empty());
    }
}
