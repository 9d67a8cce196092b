use std::time::Duration;

use model::{Confidence, Finding, Severity};

use super::finding::{about, change, evidence};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms, percent};

/// # `statement_timeouts`: a statement is cancelled because it takes too long
///
/// **What it sees.** Statements that failed with 57014 (`statement_timeout` or `query_timeout` ended
/// them, or someone cancelled them), and after what time. It speaks from five on, if they are a
/// hundredth of the calls or more.
///
/// **Why it hurts.** The server worked up to the time limit, and all of it was in vain; then the
/// application shows an error, or begins again.
///
/// **How to fix.** Make the statement faster: see which other finding names it (`missing_index`,
/// `plan_regression`, `ddl_lock_queue`). A longer time limit only keeps a connection busy for
/// longer.
///
/// **How sure.** High where all of them ended after about the same time: that is a time limit.
/// Medium where the times differ: then it may be users or applications that cancel.
///
/// **Example.** A search with `LIKE '%shoe%'` is cancelled after five seconds, in one of ten calls.
pub struct StatementTimeouts;

thresholds! {
    /// When `statement_timeouts` speaks.
    StatementTimeoutsThresholds {
        /// Cancelled calls in the window: now and then everybody presses Ctrl-C.
        least: Count = 5,
        /// The least share of the statement's calls.
        least_ratio: Ratio = 0.01,
    }
}

/// The shortest of the times is at least this share of the longest where a time limit ended them.
const SAME_TIME: f64 = 0.8;

impl Detector for StatementTimeouts {
    fn name(&self) -> &'static str {
        "statement_timeouts"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.statement_timeouts;
        let mut findings = Vec::new();
        for statement in inputs.statements() {
            let (stats, cancelled) = (&statement.stats, &statement.stats.cancelled);
            let share = cancelled.count as f64 / stats.calls.max(1) as f64;
            if cancelled.count < thresholds.least || share < thresholds.least_ratio {
                continue;
            }
            let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
            let alike = ms(cancelled.shortest) >= ms(cancelled.longest) * SAME_TIME;
            let after = if alike {
                format!("after about {}", duration_ms(ms(cancelled.longest)))
            } else {
                format!(
                    "after {} to {}",
                    duration_ms(ms(cancelled.shortest)),
                    duration_ms(ms(cancelled.longest))
                )
            };
            let text = inputs.title_text(statement.fingerprint);
            findings.push(Finding {
                evidence: evidence([
                    ("cancelled", cancelled.count.into()),
                    ("calls", stats.calls.into()),
                    ("cancelled_ratio", share.into()),
                    ("shortest_ms", ms(cancelled.shortest).into()),
                    ("longest_ms", ms(cancelled.longest).into()),
                ]),
                fix: change(
                    "Make the statement faster: see which other finding names it. A longer time \
                     limit keeps a connection busy for longer, and does not help.",
                ),
                confidence: if alike { Confidence::High } else { Confidence::Medium },
                harm_ms: ms(cancelled.total),
                ..about(
                    statement,
                    self.name(),
                    Severity::Critical,
                    format!("{} of the calls are cancelled {after}: {text}", percent(share)),
                    format!(
                        "{} of {} calls were cancelled; the server had worked {} for them in vain",
                        count(cancelled.count as f64),
                        count(stats.calls as f64),
                        duration_ms(ms(cancelled.total))
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

    fn detect(calls: u64, cancelled: u64, code: &str, spread_ms: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        for call in 0..calls {
            let statement = scene.statement("SELECT * FROM shoes WHERE name LIKE $1");
            if call < cancelled {
                statement.work_ms(5_000 - call * spread_ms).fails(code).run();
            } else {
                statement.run();
            }
        }
        scene.look(|inputs| StatementTimeouts.detect(inputs))
    }

    #[test]
    fn times_alike_are_a_limit_and_others_may_be_people() {
        let findings = detect(100, 5, "57014", 10);
        assert_eq!(findings[0].severity, Severity::Critical);
        assert_eq!(findings[0].confidence, Confidence::High);
        assert!(findings[0].title.contains("after about 5.0 s"), "{}", findings[0].title);
        assert_eq!(detect(100, 5, "57014", 800)[0].confidence, Confidence::Medium);
    }

    #[test]
    fn few_ones_and_other_errors_are_quiet() {
        assert!(detect(100, 4, "57014", 0).is_empty());
        assert!(detect(600, 5, "57014", 0).is_empty(), "less than a hundredth");
        assert!(detect(100, 50, "55P03", 0).is_empty());
    }
}
