use model::{Finding, Severity};

use super::finding::{about, change, evidence};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms, percent};

/// # `retry_storm`: what fails is sent again at once
///
/// **What it sees.** The same statement with the very same values within a second after it failed,
/// whichever connection it comes on. It speaks when that happened fifty times in the window, and
/// after half of the failures or more.
///
/// **Why it hurts.** Whatever made the statement fail is asked for again before it can get better:
/// a server that is overloaded gets the load twice, and a lock that is held is queued for again.
///
/// **How to fix.** In the application: wait before trying again, longer each time and at random (100
/// ms, 200 ms, 400 ms …), and give up after some tries. Do not retry what cannot succeed: a bad
/// value stays bad.
///
/// **How sure.** High: the calls were counted. Whether a person or a program repeated them is not
/// seen, but no person is that fast.
///
/// **Example.** A worker takes a job, runs into a lock time-out, and takes the same job again, a
/// thousand times a minute.
pub struct RetryStorm;

thresholds! {
    /// When `retry_storm` speaks.
    RetryStormThresholds {
        /// Retries in the window. Some are good manners after a deadlock.
        least_retries: Count = 50,
        /// The least share of the failures that were retried at once.
        least_ratio: Ratio = 0.5,
    }
}

impl Detector for RetryStorm {
    fn name(&self) -> &'static str {
        "retry_storm"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.retry_storm;
        let mut findings = Vec::new();
        for statement in inputs.statements() {
            let stats = &statement.stats;
            let failed = stats.failed();
            let share = stats.retries as f64 / failed.max(1) as f64;
            if stats.retries < thresholds.least_retries || share < thresholds.least_ratio {
                continue;
            }
            let commonest = stats.errors.iter().max_by_key(|(code, count)| (**count, **code));
            let code = commonest.map_or("", |(code, _)| code.as_str());
            let text = inputs.title_text(statement.fingerprint);
            let wasted_ms = statement.mean_database_ms() * stats.retries as f64;
            findings.push(Finding {
                evidence: evidence([
                    ("retries", stats.retries.into()),
                    ("failed", failed.into()),
                    ("calls", stats.calls.into()),
                    ("sqlstate", code.into()),
                ]),
                fix: change(format!(
                    "Wait before trying again, longer each time and at random, and give up after \
                     some tries. The error is mostly {code}: repeat only what can succeed then."
                )),
                harm_ms: wasted_ms,
                ..about(
                    statement,
                    self.name(),
                    Severity::Critical,
                    format!("what fails with {code} is sent again at once: {text}"),
                    format!(
                        "{} of {} failures were followed within a second by the same call with the \
                         same values; they took {} of work",
                        percent(share.min(1.0)),
                        count(failed as f64),
                        duration_ms(wasted_ms)
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

    fn detect(failures: u64, pause_ms: u64, same: bool) -> Vec<Finding> {
        let mut scene = Scene::new();
        for turn in 0..failures {
            let values = if same { turn / 10 } else { turn };
            scene
                .statement("UPDATE jobs SET taken = true WHERE id = $1")
                .values(values)
                .fails("55P03")
                .run();
            scene.pause(pause_ms);
        }
        scene.look(|inputs| RetryStorm.detect(inputs))
    }

    #[test]
    fn the_same_again_right_after_an_error_is_a_storm() {
        let findings = detect(100, 5, true);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].evidence["retries"], 90u64.into());
    }

    #[test]
    fn patience_other_values_and_few_retries_are_quiet() {
        assert!(detect(100, 1_500, true).is_empty(), "it waits");
        assert!(detect(100, 5, false).is_empty(), "other values");
        assert!(detect(50, 5, true).is_empty(), "45 retries");
    }
}
