use std::collections::BTreeMap;

use model::{Confidence, Finding, Fix, NotChecked, ScanFacts, Severity};

use super::{FunctionOnColumn, OrAcrossColumns, Planned, planned, unplanned};
use crate::detectors::catalogue::{Needs, Place, list};
use crate::detectors::{BindTypeMismatch, Detector, Inputs, LeadingWildcard, MissingIndex};
use crate::settings::thresholds;
use crate::wording::{bytes, count, duration_ms, percent};

/// # `sequential_scan`: a statement reads a large table whole and keeps little of it
///
/// **What it sees.** Plans, made with the values of a client, that read a table of more than ten
/// thousand rows from end to end and keep a tenth of them or less, where that is most of the plan's
/// cost, for statements that are called again and again. What a detector says that knows why
/// (`missing_index`, `function_on_column`, `or_across_columns`, `leading_wildcard`,
/// `bind_type_mismatch`) is not said twice.
///
/// **Why it hurts.** It takes time in proportion to the table's size, so that it gets slower every
/// day, and pushes what others need out of the cache.
///
/// **How to fix.** The condition is one that no plain index answers: a function of a column, a pattern
/// that begins with a wildcard, OR across columns, a type that does not match. Rewrite it, or create
/// an index on the expression, or a GIN index.
///
/// **How sure.** Medium: it is what the planner would do; it was not measured.
///
/// **Privilege.** What EXPLAIN needs: the statement's own rights, such as SELECT on its tables.
///
/// **Example.** `SELECT … FROM users WHERE lower(mail) = $1` on 900,000 users, 40 times a second.
pub struct SequentialScan;

thresholds! {
    /// When `sequential_scan` speaks.
    SequentialScanThresholds {
        /// Rows of the table. Fewer are read in a moment.
        least_rows: Count = 10_000,
        /// The share of rows kept at most: for more an index is no help.
        most_kept_ratio: Ratio = 0.1,
        /// The least share of all database time that the statement takes.
        least_ratio: Ratio = 0.01,
        /// Calls in the window. A report that runs once may read whatever it wants.
        least_calls: Count = 10,
        /// The least share of the plan's cost that the scan has.
        least_cost_ratio: Ratio = 0.3,
    }
}

impl Detector for SequentialScan {
    fn name(&self) -> &'static str {
        "sequential_scan"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let least = inputs.settings.of.sequential_scan.least_ratio;
        let mut findings: Vec<Finding> = planned(inputs, least)
            .flat_map(|one| {
                let scans = one.answer.scans.iter();
                scans.filter_map(move |scan| self.finding(one, scan, inputs))
            })
            .collect();
        if !findings.is_empty() {
            let mut said = MissingIndex.detect(inputs);
            said.extend(FunctionOnColumn.detect(inputs));
            said.extend(OrAcrossColumns.detect(inputs));
            said.extend(LeadingWildcard.detect(inputs));
            said.extend(BindTypeMismatch.detect(inputs));
            findings.retain(|one| {
                !said.iter().any(|other| {
                    one.tables == other.tables
                        && one.fingerprints.iter().all(|id| other.fingerprints.contains(id))
                })
            });
        }
        findings
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unplanned(self.name(), &[Needs::Tables], inputs)
    }
}

impl SequentialScan {
    fn finding(&self, one: Planned<'_>, scan: &ScanFacts, inputs: &Inputs<'_>) -> Option<Finding> {
        let thresholds = &inputs.settings.of.sequential_scan;
        let place = one.table(scan)?;
        let rows = place.table.rows;
        let cost = one.answer.cost?;
        let calls = one.statement.stats.calls;
        if !scan.node.ends_with("Seq Scan")
            || !scan.filtered
            || calls < thresholds.least_calls
            || rows < thresholds.least_rows as f64
            || scan.rows > rows * thresholds.most_kept_ratio
            || scan.cost < cost * thresholds.least_cost_ratio
        {
            return None;
        }
        let title = format!(
            "{} is read whole by {}",
            place.table_name(),
            inputs.title_text(one.statement.fingerprint)
        );
        let ms = one.statement.database_ms();
        let why = format!(
            "{} calls read {} rows ({}) each to keep about {}; they took {}, {} of all time in the \
             database",
            count(calls as f64),
            count(rows),
            bytes(place.table.bytes as f64),
            count(scan.rows),
            duration_ms(ms),
            percent(one.share)
        );
        Some(Finding {
            evidence: BTreeMap::from([
                ("calls".to_owned(), calls.into()),
                ("table_rows".to_owned(), (rows as u64).into()),
                ("table_bytes".to_owned(), place.table.bytes.into()),
                ("rows_kept_estimated".to_owned(), scan.rows.into()),
                ("share_of_time_ratio".to_owned(), one.share.into()),
            ]),
            fingerprints: vec![one.statement.fingerprint],
            fix: fix(place, scan),
            confidence: Confidence::Medium,
            harm_ms: ms * (scan.cost / cost).min(1.0),
            ..place.finding(self.name(), Severity::Warning, title, why)
        })
    }
}

fn fix(place: Place<'_>, scan: &ScanFacts) -> Fix {
    let on = match scan.filter_columns.as_slice() {
        [] => String::new(),
        columns => format!(" on {}", list(columns, 4)),
    };
    Fix {
        advice: Some(format!(
            "No plain index helps the condition{on} of {}: where it is a function of a column, create \
             an index on that expression; a pattern that begins with a wildcard needs pg_trgm and a \
             GIN index; write OR across columns as UNION ALL; compare with a value of the column's own \
             type.",
            place.table_name()
        )),
        ..Fix::default()
    }
}
