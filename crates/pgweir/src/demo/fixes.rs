//! The report's fixes: which there are, applying them, and what they changed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use model::{Finding, FingerprintId};
use report::Report;
use report::render::Comparison;
use tokio_postgres::Client;

use super::schema::PLANTED;

/// How long one index may take: CREATE INDEX CONCURRENTLY waits for every transaction that was open
/// when it began.
const PATIENCE: Duration = Duration::from_secs(120);
/// Calls below which a percentile says nothing.
const CALLS_LEAST: u64 = 10;

/// An index that the report recommends.
pub(super) struct IndexFix {
    /// The statements that it should help.
    pub(super) fingerprints: Vec<FingerprintId>,
    /// Table and columns, such as `orders (customer_id)`.
    pub(super) what: String,
    /// SQL, one statement each.
    statements: Vec<String>,
}

/// The missing indexes that the report names, with SQL.
pub(super) fn index_fixes(report: &Report) -> Vec<IndexFix> {
    let missing = |finding: &&Finding| finding.detector == "missing_index";
    report
        .findings
        .iter()
        .filter(missing)
        .filter_map(|finding| {
            let sql = finding.fix.sql.as_deref()?;
            Some(IndexFix {
                fingerprints: finding.fingerprints.clone(),
                what: target(sql).unwrap_or_else(|| finding.title.clone()),
                statements: statements(sql),
            })
        })
        .collect()
}

/// Planted indexes that no fix makes, as `table (column)`.
pub(super) fn not_found(fixes: &[IndexFix]) -> Vec<String> {
    PLANTED
        .iter()
        .filter(|(table, column)| {
            let made = |fix: &IndexFix| {
                fix.what.split_once(" (").is_some_and(|(on, columns)| {
                    let first = columns.split([',', ')', ' ']).next();
                    on == *table && first == Some(*column)
                })
            };
            !fixes.iter().any(made)
        })
        .map(|(table, column)| format!("{table} ({column})"))
        .collect()
}

/// `table (columns)` of a CREATE INDEX.
fn target(sql: &str) -> Option<String> {
    let (_, rest) = sql.split_once(" ON ")?;
    let (table, columns) = rest.split_once('(')?;
    let (columns, _) = columns.split_once(')')?;
    let table = table.trim().trim_start_matches("public.");
    Some(format!("{table} ({columns})"))
}

/// One statement a line end with a semicolon: CREATE INDEX CONCURRENTLY must not share a query string
/// with another, which would make them one transaction.
fn statements(sql: &str) -> Vec<String> {
    sql.split(";\n")
        .map(|statement| statement.trim().trim_end_matches(';').to_owned())
        .filter(|statement| !statement.is_empty())
        .collect()
}

/// Runs one fix. Not cancel-safe: an index that was not finished stays behind as invalid.
pub(super) async fn apply(fix: &IndexFix, client: &Client) -> anyhow::Result<()> {
    for statement in &fix.statements {
        tokio::time::timeout(PATIENCE, client.simple_query(statement))
            .await
            .with_context(|| format!("took longer than {} s: {statement}", PATIENCE.as_secs()))?
            .with_context(|| format!("failed: {statement}"))?;
    }
    Ok(())
}

/// Whether enough was measured after the fixes to compare each statement that they should help.
pub(super) fn enough_measured(after: &Report, fixes: &[IndexFix]) -> bool {
    fixes.iter().flat_map(|fix| &fix.fingerprints).all(|fingerprint| {
        let found = after.queries.iter().find(|query| query.fingerprint == *fingerprint);
        found.is_some_and(|query| query.calls >= CALLS_LEAST)
    })
}

/// Every statement that ran often enough before, and what became of it.
pub(super) fn compare(before: &Report, after: &Report, fixes: &[IndexFix]) -> Vec<Comparison> {
    let mut titles: BTreeMap<FingerprintId, String> = BTreeMap::new();
    for fix in fixes {
        for fingerprint in &fix.fingerprints {
            let title = titles.entry(*fingerprint).or_default();
            if !title.is_empty() {
                title.push_str(", ");
            }
            title.push_str(&fix.what);
        }
    }
    let measured = |query: &&report::QueryReport| {
        let fixed = titles.contains_key(&query.fingerprint);
        fixed || query.calls >= CALLS_LEAST && !is_transaction_control(&query.text)
    };
    before
        .queries
        .iter()
        .filter(measured)
        .map(|query| {
            let later = after.queries.iter().find(|later| later.fingerprint == query.fingerprint);
            Comparison {
                title: titles.get(&query.fingerprint).unwrap_or(&query.text).clone(),
                fingerprint: query.fingerprint,
                before_calls: query.calls,
                after_calls: later.map_or(0, |later| later.calls),
                before_mean_ms: query.mean_ms,
                after_mean_ms: later.map_or(0.0, |later| later.mean_ms),
                before_p95_ms: query.p95_ms,
                after_p95_ms: later.map_or(0.0, |later| later.p95_ms),
            }
        })
        .collect()
}

/// BEGIN waits for a server connection and COMMIT does next to nothing: neither shows a fix.
fn is_transaction_control(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    matches!(word.trim_end_matches(';'), "BEGIN" | "START" | "COMMIT" | "ROLLBACK" | "END")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_index_is_on() {
        let sql = "CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders (customer_id, \
                   placed_at);";
        assert_eq!(target(sql).as_deref(), Some("orders (customer_id, placed_at)"));
        assert_eq!(target("ANALYZE orders"), None);
    }

    #[test]
    fn statements_are_taken_apart() {
        assert_eq!(
            statements("DROP INDEX a;\nCREATE INDEX b ON c (d);\n"),
            ["DROP INDEX a", "CREATE INDEX b ON c (d)"]
        );
    }

    #[test]
    fn planted_indexes_count_as_found_by_their_first_column() {
        let fix = |what: &str| IndexFix {
            fingerprints: Vec::new(),
            what: what.to_owned(),
            statements: Vec::new(),
        };
        let fixes = [
            fix("orders (customer_id, placed_at)"),
            fix("order_lines (order_id)"),
            fix("reviews (created_at, product_id)"),
        ];
        assert_eq!(not_found(&fixes), ["reviews (product_id)", "carts (session_token)"]);
    }

    #[test]
    fn transaction_control_is_left_out() {
        assert!(is_transaction_control("begin") && is_transaction_control("COMMIT;"));
        assert!(!is_transaction_control("SELECT 1"));
    }
}
