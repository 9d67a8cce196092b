use std::time::Duration;

use model::{Finding, Severity};

use super::finding::{about, change, evidence};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{bytes, count, duration_ms, percent};

/// # `slow_client`: the server waits until the client takes its answer
///
/// **What it sees.** How long the server could not go on because the client did not read what it had
/// been sent. It speaks when that is a fifth of a statement's time, and five seconds in the window.
///
/// **Why it hurts.** The statement looks slow, but the server has nothing to do. Until the client has
/// taken all of it, its server connection is taken, and its snapshot keeps VACUUM from cleaning up.
///
/// **How to fix.** In the application: read the whole result before doing anything with it, or in
/// pieces (a cursor that is closed in between). Ask for fewer rows and columns. If the network is
/// slow, that is what makes it slow; compression in the application helps more than an index.
///
/// **How sure.** High: the time was measured where the bytes pass.
///
/// **Example.** A report writes each of its million rows into a file on a network drive, while the
/// statement that returns them is still running.
pub struct SlowClient;

thresholds! {
    /// When `slow_client` speaks.
    SlowClientThresholds {
        /// The least share of the statement's time.
        least_ratio: Ratio = 0.2,
        /// The least time in the window: below it nobody misses the server connection.
        least_time: Duration = Duration::from_secs(5),
    }
}

impl Detector for SlowClient {
    fn name(&self) -> &'static str {
        "slow_client"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.slow_client;
        let mut findings = Vec::new();
        for statement in inputs.statements() {
            let stats = &statement.stats;
            let stalled_ms = stats.stalled.as_secs_f64() * 1e3;
            let share = (stalled_ms / statement.database_ms().max(1e-3)).min(1.0);
            if stats.stalled < thresholds.least_time || share < thresholds.least_ratio {
                continue;
            }
            let text = inputs.title_text(statement.fingerprint);
            let mean_bytes = stats.bytes_sent as f64 / stats.calls.max(1) as f64;
            findings.push(Finding {
                evidence: evidence([
                    ("stalled_ms", stalled_ms.into()),
                    ("stalled_ratio", share.into()),
                    ("longest_stall_ms", (stats.longest_stall.as_secs_f64() * 1e3).into()),
                    ("bytes_mean_bytes", mean_bytes.into()),
                    ("calls", stats.calls.into()),
                ]),
                fix: change(
                    "Read the result to its end before working on it, or in pieces with a cursor; \
                     ask for fewer rows and columns. An index does not help here: the server is \
                     not what is slow.",
                ),
                harm_ms: stalled_ms,
                ..about(
                    statement,
                    self.name(),
                    Severity::Info,
                    format!("the client is slow to take its answers: {text}"),
                    format!(
                        "For {}, {} of the time of {} calls, the server waited until the client \
                         had taken what it was sent ({} a call); the server connection was taken \
                         meanwhile",
                        duration_ms(stalled_ms),
                        percent(share),
                        count(stats.calls as f64),
                        bytes(mean_bytes)
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

    fn detect(work_ms: u64, stalled_ms: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        for _ in 0..10 {
            let statement = scene.statement("SELECT * FROM orders").work_ms(work_ms);
            statement.stalled_ms(stalled_ms).run();
        }
        scene.look(|inputs| SlowClient.detect(inputs))
    }

    #[test]
    fn waiting_for_the_client_is_found() {
        let findings = detect(1_000, 600);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Info);
    }

    #[test]
    fn short_waits_and_small_shares_are_quiet() {
        assert!(detect(1_000, 400).is_empty(), "four seconds");
        assert!(detect(10_000, 1_000).is_empty(), "a tenth");
    }
}
