use std::time::Duration;

use model::{Finding, Severity};

use super::finding::{about, change, evidence};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms, percent};

/// # `deep_offset`: pages far from the first one are reached by counting
///
/// **What it sees.** The value of OFFSET in samples of the statement, one every few seconds; only the
/// number is kept. It speaks when the samples skip 1,000 rows or more on average, and the statement
/// takes a hundredth of all database time.
///
/// **Why it hurts.** The server finds, sorts and throws away all the rows before the page: the
/// thousandth page costs a thousand times as much as the first. And while rows are added, pages
/// overlap or miss some.
///
/// **How to fix.** Remember where the last page ended: `WHERE (created, id) < ($1, $2) ORDER BY
/// created DESC, id DESC LIMIT 50`, with an index on these columns. Or do not offer pages that
/// nobody reads: crawlers do.
///
/// **How sure.** High: the numbers are the client's own. They are samples, not all calls.
///
/// **Example.** `SELECT … FROM products ORDER BY name LIMIT 50 OFFSET 120000`, for a crawler.
pub struct DeepOffset;

thresholds! {
    /// When `deep_offset` speaks.
    DeepOffsetThresholds {
        /// Rows skipped on average: up to there an index hides it.
        least_rows: Number = 1_000.0,
        /// Samples in the window, so that a mean means something.
        least_samples: Count = 3,
        /// The least share of all database time.
        least_ratio: Ratio = 0.01,
        /// The least time in the window: on an idle server a single statement is all of it.
        least_time: Duration = Duration::from_secs(1),
    }
}

impl Detector for DeepOffset {
    fn name(&self) -> &'static str {
        "deep_offset"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.deep_offset;
        let mut findings = Vec::new();
        for statement in inputs.costly(thresholds.least_ratio, thresholds.least_time) {
            let sampled = &statement.stats.sampled;
            let mean = sampled.offset_sum as f64 / sampled.offsets.max(1) as f64;
            if sampled.offsets < thresholds.least_samples || mean < thresholds.least_rows {
                continue;
            }
            let share = inputs.workload.share(statement.database_ms());
            let text = inputs.title_text(statement.fingerprint);
            findings.push(Finding {
                evidence: evidence([
                    ("samples", sampled.offsets.into()),
                    ("offset_mean", mean.into()),
                    ("offset_most", sampled.most_offset.into()),
                    ("mean_ms", statement.mean_database_ms().into()),
                    ("share_of_time_ratio", share.into()),
                ]),
                fix: change(
                    "Page by key: remember the last row of the page, and ask for WHERE (created, \
                     id) < ($1, $2) ORDER BY created DESC, id DESC LIMIT 50, with an index on those \
                     columns.",
                ),
                ..about(
                    statement,
                    self.name(),
                    Severity::Warning,
                    format!("{} rows are skipped by OFFSET: {text}", count(mean)),
                    format!(
                        "{} samples skipped {} rows on average and up to {}; all of them are found \
                         and thrown away. It takes {} of the database time, {} a call",
                        sampled.offsets,
                        count(mean),
                        count(sampled.most_offset as f64),
                        percent(share),
                        duration_ms(statement.mean_database_ms())
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

    fn detect(offset: &str, ticks: u64, work_ms: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        let text = "select id from products order by name limit 50 offset $1";
        for _ in 0..ticks {
            scene.statement(text).bound(&[20], &[offset]).work_ms(work_ms).run();
            scene.pause(5_000);
            let _tick = scene.snapshot();
        }
        scene.look(|inputs| DeepOffset.detect(inputs))
    }

    #[test]
    fn deep_pages_are_found() {
        let findings = detect("120000", 12, 200);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Warning);
        assert_eq!(findings[0].evidence["offset_most"], 120_000u64.into());
    }

    #[test]
    fn first_pages_few_samples_and_fast_ones_are_quiet() {
        assert!(detect("950", 12, 200).is_empty());
        assert!(detect("120000", 3, 500).is_empty(), "the first is not sampled");
        assert!(detect("120000", 12, 10).is_empty());
    }
}
