use model::{Finding, NotChecked, Severity, TableFacts};

use super::finding::{about, change, evidence};
use super::{Detector, Inputs};
use crate::detectors::catalogue::{Needs, unread};
use crate::settings::thresholds;
use crate::wording::{bytes, count};

/// # `select_star`: all columns of a wide table are read
///
/// **What it sees.** SELECT with `*` in its outermost list, on a table of twenty columns or more or
/// with rows of a kilobyte or more, where the answers make a hundredth of all bytes sent.
///
/// **Why it hurts.** Every column is read, sent and unpacked, large ones from TOAST too; an index
/// alone can never answer the statement; and a column that is added tomorrow comes along.
///
/// **How to fix.** Name the columns that are used. Object mappers: `only` or `defer` (Django),
/// `select` (Rails), `load_only` (SQLAlchemy).
///
/// **How sure.** High that all columns are sent; whether they are used, only the application knows.
///
/// **Privilege.** None beyond CONNECT, to count columns.
///
/// **Example.** `SELECT * FROM articles ORDER BY id DESC LIMIT 20` for a list of titles; each row has
/// the whole text.
pub struct SelectStar;

thresholds! {
    /// When `select_star` speaks.
    SelectStarThresholds {
        /// A table with so many columns is wide: nobody needs all of them.
        least_columns: Count = 20,
        /// Rows of so many bytes are wide: it takes as long to send them as to find them.
        least_row_bytes: Number = 1_024.0,
        /// The least share of all bytes that were sent to clients.
        least_ratio: Ratio = 0.01,
        /// The least bytes in the window: below it nobody notices.
        least_bytes: Count = 10_000_000,
    }
}

impl Detector for SelectStar {
    fn name(&self) -> &'static str {
        "select_star"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.select_star;
        let all: u64 = inputs.workload.statements.iter().map(|one| one.stats.bytes_sent).sum();
        let mut findings = Vec::new();
        for statement in inputs.statements() {
            let stats = &statement.stats;
            let share = stats.bytes_sent as f64 / all.max(1) as f64;
            if stats.bytes_sent < thresholds.least_bytes || share < thresholds.least_ratio {
                continue;
            }
            let Some(facts) = inputs.facts(statement.fingerprint) else {
                continue;
            };
            if !facts.selects_star || facts.writes {
                continue;
            }
            let row_bytes = stats.bytes_sent as f64 / stats.rows.max(1) as f64;
            let columns = facts
                .tables
                .iter()
                .filter_map(|table| inputs.table(&statement.database, table))
                .map(|table: &TableFacts| table.columns.len() as u64)
                .max()
                .unwrap_or(0);
            if columns < thresholds.least_columns && row_bytes < thresholds.least_row_bytes {
                continue;
            }
            let text = inputs.title_text(statement.fingerprint);
            findings.push(Finding {
                evidence: evidence([
                    ("columns", columns.into()),
                    ("row_bytes", row_bytes.into()),
                    ("sent_bytes", stats.bytes_sent.into()),
                    ("share_of_bytes_ratio", share.into()),
                    ("calls", stats.calls.into()),
                ]),
                fix: change(
                    "Name the columns that are used. Object mappers: only or defer (Django), \
                     select (Rails), load_only (SQLAlchemy).",
                ),
                ..about(
                    statement,
                    self.name(),
                    Severity::Info,
                    format!("all columns are read, {} a row: {text}", bytes(row_bytes)),
                    format!(
                        "{} calls sent {}; what the application does not use of it was read, sent \
                         and unpacked for nothing",
                        count(stats.calls as f64),
                        bytes(stats.bytes_sent as f64)
                    ),
                )
            });
        }
        findings
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        // Wide rows speak for themselves.
        unread("select_star: columns of tables", &[Needs::Tables], inputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    fn detect(text: &str, rows: u64, sent: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        for _ in 0..100 {
            scene.statement(text).rows(rows).bytes(sent).run();
        }
        scene.look(|inputs| SelectStar.detect(inputs))
    }

    #[test]
    fn wide_rows_with_all_columns_are_found() {
        let findings = detect("SELECT * FROM articles LIMIT 20", 20, 200_000);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Info);
    }

    #[test]
    fn named_columns_narrow_rows_and_few_bytes_are_quiet() {
        assert!(detect("SELECT id, text FROM articles LIMIT 20", 20, 200_000).is_empty());
        assert!(detect("SELECT * FROM articles LIMIT 2000", 2_000, 200_000).is_empty());
        assert!(detect("SELECT * FROM articles LIMIT 20", 20, 90_000).is_empty());
    }
}
