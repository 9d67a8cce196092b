use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Confidence, Finding, Fix, Severity, SqlState};

use super::{Detector, Inputs, runbook};
use crate::StatementTotals;
use crate::settings::thresholds;
use crate::wording::count;

/// # `error_rate`: a statement fails often
///
/// **What it sees.** Errors by SQLSTATE for each statement. It speaks when at least one in twenty
/// calls of a statement failed, of twenty calls or more. Statements of one database that fail with
/// the same code make one finding. Errors 25P02 (the transaction had failed before) are left out:
/// they follow from another; so are 40P01 and 40001 (`deadlocks`) and 57014 (`statement_timeouts`),
/// which have detectors of their own.
///
/// **Why it hurts.** The work of a failed transaction is lost, and applications usually try again.
/// Constraint violations are often meant that way, and are reported as information only; what the
/// server cannot do (out of connections, of memory, of disk; shut down; corrupted) is critical.
///
/// **How to fix.** It depends on the code; the finding says what it usually means.
///
/// **How sure.** High: the errors were counted.
///
/// **Example.** 12 % of `UPDATE stock SET n = n - $1 WHERE id = $2` fail with 55P03: another
/// transaction keeps the row locked for longer than `lock_timeout`.
pub struct ErrorRate;

thresholds! {
    /// When `error_rate` speaks.
    ErrorRateThresholds {
        /// The least share of a statement's calls that failed.
        least_ratio: Ratio = 0.05,
        /// Calls in the window, so that one error in three calls is no rate.
        least_calls: Count = 20,
    }
}

/// Statements named in one finding.
const STATEMENTS_NAMED: usize = 10;

/// The statements of one database that fail with one code.
#[derive(Default)]
struct Failing<'a> {
    statements: Vec<&'a StatementTotals>,
    failed: u64,
    calls: u64,
}

impl Detector for ErrorRate {
    fn name(&self) -> &'static str {
        "error_rate"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.error_rate;
        let mut by_code: BTreeMap<(Arc<str>, SqlState), Failing<'_>> = BTreeMap::new();
        for statement in &inputs.workload.statements {
            let stats = &statement.stats;
            let own = stats.errors.iter().filter(|(code, _)| counts(**code));
            let failed: u64 = own.clone().map(|(_, count)| count).sum();
            let rate = failed as f64 / stats.calls.max(1) as f64;
            if stats.calls < thresholds.least_calls || rate < thresholds.least_ratio {
                continue;
            }
            let Some((code, count)) = own.max_by_key(|(code, count)| (**count, **code)) else {
                continue;
            };
            let failing = by_code.entry((Arc::clone(&statement.database), *code)).or_default();
            failing.statements.push(statement);
            failing.failed += count;
            failing.calls += stats.calls;
        }
        by_code
            .iter()
            .map(|((database, code), failing)| self.finding(database, *code, failing, inputs))
            .collect()
    }
}

impl ErrorRate {
    fn finding(
        &self,
        database: &str,
        code: SqlState,
        failing: &Failing<'_>,
        inputs: &Inputs<'_>,
    ) -> Finding {
        let (meaning, advice, severity) = meaning(code);
        let rate = failing.failed as f64 / failing.calls.max(1) as f64;
        let subject = match failing.statements.as_slice() {
            [one] => inputs.title_text(one.fingerprint),
            many => format!("{} statements", many.len()),
        };
        // Time that failed calls took is not measured apart; they are taken for average ones.
        let harm_ms = failing
            .statements
            .iter()
            .map(|one| {
                one.mean_database_ms() * one.stats.errors.get(&code).copied().unwrap_or(0) as f64
            })
            .sum();
        Finding {
            detector: self.name().to_owned(),
            severity,
            title: format!("{:.0} % fail with {code} ({meaning}): {subject}", rate * 100.0),
            why: format!(
                "{} of {} calls failed; the work of their transactions was lost",
                count(failing.failed as f64),
                count(failing.calls as f64)
            ),
            evidence: BTreeMap::from([
                ("sqlstate".to_owned(), code.as_str().into()),
                ("failed".to_owned(), failing.failed.into()),
                ("calls".to_owned(), failing.calls.into()),
                ("failed_ratio".to_owned(), rate.into()),
                ("statements".to_owned(), (failing.statements.len() as u64).into()),
            ]),
            fingerprints: failing
                .statements
                .iter()
                .take(STATEMENTS_NAMED)
                .map(|one| one.fingerprint)
                .collect(),
            tables: Vec::new(),
            database: Some(database.to_owned()),
            fix: Fix { sql: None, undo: None, advice: Some(advice.to_owned()) },
            estimate: BTreeMap::new(),
            confidence: Confidence::High,
            runbook: runbook(self.name()),
            harm_ms,
        }
    }
}

/// Not a consequence of the error before it (`in_failed_sql_transaction`), and not another
/// detector's.
fn counts(code: SqlState) -> bool {
    !matches!(code.as_str(), "25P02" | "40P01" | "40001" | "57014")
}

/// What a code usually means, what to do, and how bad it is (PostgreSQL manual, appendix A).
fn meaning(code: SqlState) -> (&'static str, &'static str, Severity) {
    let code = code.as_str();
    match code {
        "23505" => (
            "unique violation",
            "If the row may be there already, say so: INSERT … ON CONFLICT. Errors cost a \
             transaction, a conflict clause does not.",
            Severity::Info,
        ),
        "55P03" => (
            "lock not available",
            "Someone holds the lock for longer than the statement may wait. Look for long \
             transactions.",
            Severity::Warning,
        ),
        "26000" => (
            "no such prepared statement",
            "The application runs a statement that its connection has not prepared. Prepare it \
             through the driver, or let pgweir see the PREPARE.",
            Severity::Warning,
        ),
        _ => meaning_of_class(code),
    }
}

fn meaning_of_class(code: &str) -> (&'static str, &'static str, Severity) {
    match code.get(..2).unwrap_or_default() {
        "08" => (
            "connection failure",
            "The connection to the server broke. Look at the server's log and at the network.",
            Severity::Critical,
        ),
        "22" => (
            "bad value",
            "The application sends values that the column or function does not take. Check them \
             before they are sent.",
            Severity::Warning,
        ),
        "23" => (
            "constraint violation",
            "Check whether the application means to try and fail. If it does not, it sends data \
             that the schema forbids.",
            Severity::Info,
        ),
        "25" => (
            "invalid transaction state",
            "The statement may not run in the transaction's state, such as a write in a read-only \
             transaction. Look at how the application begins transactions.",
            Severity::Warning,
        ),
        "28" => (
            "not authorised",
            "The user may not log in or not act so. Check roles and passwords.",
            Severity::Warning,
        ),
        "42" => (
            "wrong name, wrong syntax or no permission",
            "The statement cannot work in this database: a table or column is missing, or the user \
             lacks a right. Compare the application's version with the schema's.",
            Severity::Warning,
        ),
        "53" => (
            "the server lacks resources",
            "The server is out of connections, memory or disk. Look at its log now.",
            Severity::Critical,
        ),
        "57" => (
            "the server was stopped or the session ended",
            "Someone stopped the server or ended the sessions. Look at the server's log.",
            Severity::Critical,
        ),
        "58" | "XX" => (
            "the server failed",
            "An internal or system error: look at the server's log, and check disks and backups.",
            Severity::Critical,
        ),
        "P0" => (
            "raised by a function",
            "A function or trigger raised it. Its message in the application's log says why.",
            Severity::Warning,
        ),
        _ => (
            "see appendix A of the PostgreSQL manual",
            "Look the code up in appendix A of the PostgreSQL manual, and the message in the \
             application's log.",
            Severity::Warning,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    const UPDATE: &str = "UPDATE stock SET n = n - $1 WHERE id = $2";

    fn detect(calls: u64, failed: u64, code: &str) -> Vec<Finding> {
        let mut scene = Scene::new();
        run(&mut scene, UPDATE, calls, failed, code);
        scene.look(|inputs| ErrorRate.detect(inputs))
    }

    fn run(scene: &mut Scene, text: &'static str, calls: u64, failed: u64, code: &str) {
        for call in 0..calls {
            let statement = scene.statement(text).values(call);
            if call < failed { statement.fails(code).run() } else { statement.run() }
        }
    }

    #[test]
    fn one_in_twenty_is_a_finding_and_less_is_not() {
        let findings = detect(100, 5, "55P03");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Warning);
        assert_eq!(findings[0].evidence["failed"], 5u64.into());
        assert!(
            findings[0].title.starts_with("5 % fail with 55P03 (lock not available): UPDATE stock")
        );
        assert!(detect(100, 4, "55P03").is_empty());
        assert!(detect(19, 19, "55P03").is_empty(), "too few calls");
    }

    #[test]
    fn how_bad_depends_on_the_code() {
        assert_eq!(detect(100, 50, "23505")[0].severity, Severity::Info);
        assert_eq!(detect(100, 50, "53300")[0].severity, Severity::Critical);
        assert_eq!(detect(100, 50, "ZZZZZ")[0].severity, Severity::Warning);
    }

    #[test]
    fn what_follows_from_another_error_is_left_out() {
        assert!(detect(100, 90, "25P02").is_empty());
        assert!(detect(100, 90, "57014").is_empty(), "statement_timeouts' business");
    }

    #[test]
    fn statements_that_fail_alike_make_one_finding() {
        let mut scene = Scene::new();
        run(&mut scene, UPDATE, 100, 50, "57P01");
        run(&mut scene, "SELECT n FROM stock WHERE id = $1", 100, 40, "57P01");
        let findings = scene.look(|inputs| ErrorRate.detect(inputs));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].fingerprints.len(), 2);
        assert_eq!(findings[0].evidence["failed"], 90u64.into());
    }
}
