use model::{Finding, Severity};

use super::finding::{about, change, evidence};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{bytes, count, percent};

/// # `abandoned_result`: clients give up in the middle of an answer
///
/// **What it sees.** Statements that were cancelled, or whose client went away, after 16 kB or more
/// of the answer had been sent. It speaks from ten on, if they are a twentieth of the calls.
///
/// **Why it hurts.** The server worked for rows that nobody read. Often a user has waited, given up,
/// and asked again; or a process died of the memory that the answer took.
///
/// **How to fix.** Ask for less: a LIMIT, a page, a sum. If an application reads only the first rows
/// of a result, say so with LIMIT; closing the result set early cancels the statement.
///
/// **How sure.** High that answers were not read to their end; why is the application's secret.
///
/// **Example.** An export runs into the web server's time limit of thirty seconds, each time.
pub struct AbandonedResult;

thresholds! {
    /// When `abandoned_result` speaks.
    AbandonedResultThresholds {
        /// Answers given up in the window: now and then everybody presses Ctrl-C.
        least: Count = 10,
        /// The least share of the statement's calls.
        least_ratio: Ratio = 0.05,
    }
}

impl Detector for AbandonedResult {
    fn name(&self) -> &'static str {
        "abandoned_result"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.abandoned_result;
        let mut findings = Vec::new();
        for statement in inputs.statements() {
            let stats = &statement.stats;
            let calls = stats.calls + stats.lost;
            let share = stats.abandoned as f64 / calls.max(1) as f64;
            if stats.abandoned < thresholds.least || share < thresholds.least_ratio {
                continue;
            }
            let text = inputs.title_text(statement.fingerprint);
            findings.push(Finding {
                evidence: evidence([
                    ("abandoned", stats.abandoned.into()),
                    ("calls", calls.into()),
                    ("abandoned_ratio", share.into()),
                    ("sent_in_vain_bytes", stats.abandoned_bytes.into()),
                ]),
                fix: change(
                    "Ask for what is read: a LIMIT, a page, a sum. Look in the application's log \
                     for time-outs and for processes that ran out of memory.",
                ),
                harm_ms: statement.database_ms() * share,
                ..about(
                    statement,
                    self.name(),
                    Severity::Info,
                    format!("{} of the answers are given up half-way: {text}", percent(share)),
                    format!(
                        "{} of {} answers were cancelled or their client went away before the end; \
                         {} were sent in vain",
                        count(stats.abandoned as f64),
                        count(calls as f64),
                        bytes(stats.abandoned_bytes as f64)
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

    fn detect(calls: u64, cut_off: u64, sent: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        for call in 0..calls {
            let statement = scene.statement("SELECT * FROM orders").bytes(sent);
            match call {
                call if call >= cut_off => statement.run(),
                call if call % 2 == 0 => statement.fails("57014").run(),
                _ => statement.lost().run(),
            }
        }
        scene.look(|inputs| AbandonedResult.detect(inputs))
    }

    #[test]
    fn answers_cut_off_after_they_had_begun_are_found() {
        let findings = detect(100, 10, 1_000_000);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].evidence["sent_in_vain_bytes"], 10_000_000u64.into());
    }

    #[test]
    fn few_ones_and_those_that_had_not_begun_are_quiet() {
        assert!(detect(100, 9, 1_000_000).is_empty());
        assert!(detect(300, 10, 1_000_000).is_empty(), "less than a twentieth");
        assert!(detect(100, 50, 500).is_empty(), "an error message is no answer");
    }
}
