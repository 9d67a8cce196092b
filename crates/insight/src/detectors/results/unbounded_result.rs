use model::{Finding, Severity};

use super::finding::{about, change, evidence};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{bytes, count};

/// # `unbounded_result`: a statement returns very many rows, and nothing limits them
///
/// **What it sees.** Rows and bytes of each SELECT, and whether its text has a LIMIT. It speaks from
/// 10,000 rows a call on average, for statements that were called three times or more; a call with
/// ten times as many counts, however small the others are. COPY and cursors are left out: they are
/// made for that.
///
/// **Why it hurts.** The driver keeps all rows in memory before the application sees the first; so
/// the process dies as the table grows. Until they are sent, the server connection is taken.
///
/// **How to fix.** In the application: ask for a page (`WHERE id > $1 ORDER BY id LIMIT 100`), let
/// the server count or add up what is counted or added up in the application now, or read in pieces:
/// a cursor, or the driver's streaming. Exports: `COPY … TO STDOUT`.
///
/// **How sure.** High: the rows were counted.
///
/// **Example.** `SELECT * FROM orders WHERE shop_id = $1`, to show how many there are.
pub struct UnboundedResult;

thresholds! {
    /// When `unbounded_result` speaks.
    UnboundedResultThresholds {
        /// Rows of a call on average. Nobody reads more, and drivers keep that many in memory.
        least_rows: Number = 10_000.0,
        /// Calls in the window: an export by hand is nobody's fault.
        least_calls: Count = 3,
    }
}

/// One call with so many times the rows counts like the mean.
const ONE_CALL: f64 = 10.0;

impl Detector for UnboundedResult {
    fn name(&self) -> &'static str {
        "unbounded_result"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.unbounded_result;
        let mut findings = Vec::new();
        for statement in inputs.statements() {
            let stats = &statement.stats;
            let mean = stats.rows as f64 / stats.calls.max(1) as f64;
            let large = mean >= thresholds.least_rows
                || stats.most_rows as f64 >= thresholds.least_rows * ONE_CALL;
            if !large
                || stats.calls < thresholds.least_calls
                || inputs.class(statement.fingerprint) != "SELECT"
                || has_limit(inputs, statement.fingerprint)
            {
                continue;
            }
            let text = inputs.title_text(statement.fingerprint);
            let mean_bytes = stats.bytes_sent as f64 / stats.calls.max(1) as f64;
            findings.push(Finding {
                evidence: evidence([
                    ("rows_mean", mean.into()),
                    ("rows_most", stats.most_rows.into()),
                    ("bytes_mean_bytes", mean_bytes.into()),
                    ("calls", stats.calls.into()),
                    ("mean_ms", stats.total.mean_ms().into()),
                    ("share_of_time_ratio", inputs.workload.share(statement.database_ms()).into()),
                ]),
                fix: change(
                    "Ask for a page: WHERE id > $1 ORDER BY id LIMIT 100. Let the server count and \
                     add up. What must be read whole, read in pieces: a cursor or the driver's \
                     streaming, COPY for exports.",
                ),
                ..about(
                    statement,
                    self.name(),
                    Severity::Warning,
                    format!("{} rows a call without a LIMIT: {text}", count(mean)),
                    format!(
                        "{} calls returned {} rows each on average, {} at most, {} a call; all of \
                         them are in the application's memory at once, and there will be more as \
                         the data grows",
                        count(stats.calls as f64),
                        count(mean),
                        count(stats.most_rows as f64),
                        bytes(mean_bytes)
                    ),
                )
            });
        }
        findings
    }
}

fn has_limit(inputs: &Inputs<'_>, fingerprint: model::FingerprintId) -> bool {
    match inputs.facts(fingerprint) {
        Some(facts) => facts.limit,
        // The parser could not read it: the word itself must do.
        None => inputs.says(fingerprint, " limit "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    fn detect(text: &str, rows: &[u64]) -> Vec<Finding> {
        let mut scene = Scene::new();
        for rows in rows {
            scene.statement(text).rows(*rows).work_ms(30).run();
        }
        scene.look(|inputs| UnboundedResult.detect(inputs))
    }

    #[test]
    fn ten_thousand_rows_a_call_without_a_limit_are_found() {
        let findings = detect("SELECT * FROM orders WHERE shop_id = $1", &[10_000; 3]);
        assert_eq!(findings[0].severity, Severity::Warning);
        assert!(findings[0].title.starts_with("10,000 rows a call"), "{}", findings[0].title);
        assert_eq!(
            detect("SELECT id FROM orders", &[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 100_000]).len(),
            1
        );
    }

    #[test]
    fn limits_changes_fewer_rows_and_single_exports_are_quiet() {
        assert!(detect("SELECT * FROM orders LIMIT $1", &[10_000; 3]).is_empty());
        assert!(detect("UPDATE orders SET paid = true", &[10_000; 3]).is_empty());
        assert!(detect("SELECT * FROM orders", &[9_000; 9]).is_empty());
        assert!(detect("SELECT * FROM orders", &[500_000; 2]).is_empty());
        assert!(detect("COPY orders TO STDOUT", &[500_000; 5]).is_empty());
    }
}
