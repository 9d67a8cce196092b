use std::time::Duration;

use model::{Finding, Severity};

use super::finding::{about, change, evidence};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms, percent};

/// # `hot_row`: clients queue for the same row
///
/// **What it sees.** UPDATE, DELETE, SELECT … FOR UPDATE and INSERT … ON CONFLICT DO UPDATE that took
/// 20 ms or longer while another client ran the same statement with the very same values. It speaks
/// when that happened fifty times in the window. Statements that carry another value each time (an
/// amount, a time) cannot be told apart from those on other rows, and are not seen.
///
/// **Why it hurts.** A row can be changed by one transaction at a time; the others wait until it
/// commits. However fast the server is, such a row takes one change after the other.
///
/// **How to fix.** Make the transaction shorter: change the row last, right before COMMIT. Collect
/// counts in the application or in rows of their own (one for each worker, or `INSERT` into a table
/// of changes) and sum them up when they are read. For queues of jobs: `FOR UPDATE SKIP LOCKED`.
///
/// **How sure.** Medium: the statements ran at the same time with the same values; whether a lock
/// was what they waited for is seen by `blocking_chain`, which reads the catalogue.
///
/// **Example.** Every visit does `UPDATE pages SET visits = visits + 1 WHERE id = $1`, and all of
/// them come to the front page.
pub struct HotRow;

thresholds! {
    /// When `hot_row` speaks.
    HotRowThresholds {
        /// Meetings of the same values in the window: fewer are chance.
        least_meetings: Count = 50,
        /// The least share of the statement's time that was spent so.
        least_ratio: Ratio = 0.2,
        /// The least time spent so in the window: below it nobody notices.
        least_time: Duration = Duration::from_secs(1),
    }
}

impl Detector for HotRow {
    fn name(&self) -> &'static str {
        "hot_row"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.hot_row;
        let mut findings = Vec::new();
        for statement in inputs.statements() {
            let stats = &statement.stats;
            let together_ms = stats.contended_time.as_secs_f64() * 1e3;
            let share = (together_ms / statement.database_ms().max(1e-3)).min(1.0);
            if stats.contended < thresholds.least_meetings
                || share < thresholds.least_ratio
                || stats.contended_time < thresholds.least_time
            {
                continue;
            }
            let text = inputs.title_text(statement.fingerprint);
            findings.push(Finding {
                evidence: evidence([
                    ("meetings", stats.contended.into()),
                    ("calls", stats.calls.into()),
                    ("at_the_same_time_ms", together_ms.into()),
                    ("p50_ms", stats.total.quantile_ms(0.5).into()),
                    ("p95_ms", stats.total.quantile_ms(0.95).into()),
                    ("share_of_time_ratio", inputs.workload.share(statement.database_ms()).into()),
                ]),
                fix: change(
                    "Change the row last, right before COMMIT, so that its lock is short. Spread \
                     counters over several rows or collect them in the application. For a queue of \
                     jobs use FOR UPDATE SKIP LOCKED.",
                ),
                confidence: model::Confidence::Medium,
                harm_ms: together_ms,
                ..about(
                    statement,
                    self.name(),
                    Severity::Critical,
                    format!("clients queue for the same row: {text}"),
                    format!(
                        "{} times it was slow while another client ran it with the same values; {} \
                         of its time, {}, went so",
                        count(stats.contended as f64),
                        percent(share),
                        duration_ms(together_ms)
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

    /// Two clients change rows at the same time, `calls` times.
    fn detect(calls: u64, work_ms: u64, same: bool) -> Vec<Finding> {
        let mut scene = Scene::new();
        for call in 0..calls {
            for client in [1, 2] {
                scene.client = client;
                let values = if same { 7 } else { call * 2 + client };
                let text = "update pages set visits = visits + 1 where id = $1";
                scene.statement(text).values(values).work_ms(work_ms).run();
                scene.back(work_ms);
            }
            scene.pause(work_ms);
        }
        scene.look(|inputs| HotRow.detect(inputs))
    }

    #[test]
    fn slow_changes_with_the_same_values_at_the_same_time_are_a_queue() {
        let findings = detect(60, 40, true);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Critical);
    }

    #[test]
    fn other_rows_fast_changes_and_few_meetings_are_quiet() {
        assert!(detect(60, 40, false).is_empty());
        assert!(detect(600, 5, true).is_empty());
        assert!(detect(20, 40, true).is_empty());
    }
}
