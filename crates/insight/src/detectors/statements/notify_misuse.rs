use model::{Finding, Severity};

use super::finding::{about, change, evidence};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms};

/// # `notify_misuse`: NOTIFY is sent so often that transactions queue for it
///
/// **What it sees.** How often NOTIFY and `pg_notify()` are run. It speaks from a hundred a second on.
/// What triggers send is not seen.
///
/// **Why it hurts.** A transaction that has notified takes a lock of the whole server when it commits:
/// all of them commit one after the other, in all databases. And each listener is woken for each.
///
/// **How to fix.** Notify once for many changes: once a transaction, or at most ten times a second
/// from a worker. Send no data, only that there is some; the listener reads what is new. Under real
/// load use a table of events, or a message broker.
///
/// **How sure.** High: the statements were counted.
///
/// **Example.** Each `INSERT` into a log of events is followed by `NOTIFY event`, 800 times a second.
pub struct NotifyMisuse;

thresholds! {
    /// When `notify_misuse` speaks.
    NotifyMisuseThresholds {
        /// Notifications a second. Below it the lock is free again before the next one comes.
        least_rate: Number = 100.0,
        /// Notifications in the window, so that a rate means something.
        least_calls: Count = 3_000,
    }
}

impl Detector for NotifyMisuse {
    fn name(&self) -> &'static str {
        "notify_misuse"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.notify_misuse;
        let seconds = (inputs.window_ms() / 1e3).max(1.0);
        let mut findings = Vec::new();
        for statement in inputs.statements() {
            let stats = &statement.stats;
            let rate = stats.calls as f64 / seconds;
            let id = statement.fingerprint;
            if stats.calls < thresholds.least_calls
                || rate < thresholds.least_rate
                || !(inputs.class(id) == "NOTIFY" || inputs.says(id, "pg_notify("))
            {
                continue;
            }
            let text = inputs.title_text(id);
            findings.push(Finding {
                evidence: evidence([
                    ("calls", stats.calls.into()),
                    ("calls_per_second", rate.into()),
                    ("p95_ms", stats.total.quantile_ms(0.95).into()),
                ]),
                fix: change(
                    "Notify once a transaction or less, and send no data: the listener reads what \
                     is new. Under such a load use a table of events, or a message broker.",
                ),
                ..about(
                    statement,
                    self.name(),
                    Severity::Warning,
                    format!("{rate:.0} notifications a second: {text}"),
                    format!(
                        "{} notifications; transactions that notify commit one after the other, in \
                         all databases of the server. One took {} at the 95th percentile",
                        count(stats.calls as f64),
                        duration_ms(stats.total.quantile_ms(0.95))
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

    fn detect(text: &str, calls: u64, pause_ms: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        for _ in 0..calls {
            scene.statement(text).run();
            scene.pause(pause_ms);
        }
        scene.look(|inputs| NotifyMisuse.detect(inputs))
    }

    #[test]
    fn hundreds_a_second_are_found() {
        assert_eq!(detect("notify event", 4_000, 5)[0].severity, Severity::Warning);
        assert_eq!(detect("SELECT pg_notify($1, $2)", 4_000, 5).len(), 1);
    }

    #[test]
    fn some_a_second_and_other_statements_are_quiet() {
        assert!(detect("NOTIFY event", 4_000, 20).is_empty());
        assert!(detect("NOTIFY event", 2_999, 1).is_empty());
        assert!(detect("SELECT notify FROM a", 4_000, 5).is_empty());
    }
}
