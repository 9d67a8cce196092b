use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Finding, Severity, SqlState};

use super::finding::{change, evidence, finding};
use super::{Detector, Inputs};
use crate::StatementTotals;
use crate::settings::thresholds;
use crate::wording::{count, percent};

/// # `deadlocks`: transactions are ended because they get into each other's way
///
/// **What it sees.** Statements that failed with 40P01 (deadlock) or 40001 (serialization failure),
/// by database. Three deadlocks in the window are critical; serialization failures are a warning
/// from twenty on, if they are a hundredth of the statement's calls or more.
///
/// **Why it hurts.** Two transactions each wait for a row that the other has. Both wait, and all who
/// wait for them, until `deadlock_timeout` (1 s) is over; then one of them is undone, and the
/// application has to begin again, or shows its user an error.
///
/// **How to fix.** Deadlocks: change rows in the same order everywhere, for instance by key, and
/// take the locks at once: `SELECT … WHERE id = ANY ($1) ORDER BY id FOR UPDATE`. Keep transactions
/// short. Serialization failures: repeat the whole transaction after a short random pause, and use
/// SERIALIZABLE and REPEATABLE READ only where they are needed. The finding names the statements that
/// were chosen as the victims; their partners run at the same time.
///
/// **How sure.** High: the errors were counted.
///
/// **Example.** One transaction moves money from account 1 to 2, another from 2 to 1. Each has
/// changed its first row when it asks for the second.
pub struct Deadlocks;

thresholds! {
    /// When `deadlocks` speaks.
    DeadlocksThresholds {
        /// Deadlocks in the window. One may be an accident of an unusual day.
        least: Count = 3,
        /// Serialization failures in the window: whoever asks for SERIALIZABLE expects some.
        least_serialization: Count = 20,
        /// The least share of the statement's calls for serialization failures.
        least_serialization_ratio: Ratio = 0.01,
    }
}

/// A statement, and how often it failed.
type Victim<'a> = (&'a StatementTotals, u64);

/// Statements named in one finding.
const STATEMENTS_NAMED: usize = 10;

impl Detector for Deadlocks {
    fn name(&self) -> &'static str {
        "deadlocks"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let thresholds = &inputs.settings.of.deadlocks;
        let mut by_code: BTreeMap<(Arc<str>, SqlState), Vec<Victim<'_>>> = BTreeMap::new();
        for statement in &inputs.workload.statements {
            for (code, failed) in &statement.stats.errors {
                if matches!(code.as_str(), "40P01" | "40001") {
                    let key = (Arc::clone(&statement.database), *code);
                    by_code.entry(key).or_default().push((statement, *failed));
                }
            }
        }
        let mut findings = Vec::new();
        for ((database, code), mut statements) in by_code {
            statements.sort_by_key(|(_, failed)| std::cmp::Reverse(*failed));
            let failed: u64 = statements.iter().map(|(_, failed)| failed).sum();
            let calls: u64 = statements.iter().map(|(one, _)| one.stats.calls).sum();
            let speaks = match code.as_str() {
                "40P01" => failed >= thresholds.least,
                _ => {
                    failed >= thresholds.least_serialization
                        && failed as f64 >= calls as f64 * thresholds.least_serialization_ratio
                }
            };
            if speaks {
                findings.push(self.finding(&database, code, (failed, calls), &statements, inputs));
            }
        }
        findings
    }
}

impl Deadlocks {
    fn finding(
        &self,
        database: &str,
        code: SqlState,
        (failed, calls): (u64, u64),
        statements: &[Victim<'_>],
        inputs: &Inputs<'_>,
    ) -> Finding {
        let deadlock = code.as_str() == "40P01";
        let victim = statements
            .first()
            .map_or_else(String::new, |(one, _)| inputs.title_text(one.fingerprint));
        let (severity, title, why, advice) = if deadlock {
            (
                Severity::Critical,
                format!("{} deadlocks in {database}, mostly of: {victim}", count(failed as f64)),
                format!(
                    "{} transactions were undone, each after all parties had waited for \
                     deadlock_timeout (1 s unless changed)",
                    count(failed as f64)
                ),
                "Change rows in the same order in all transactions, for instance by key: SELECT … \
                 WHERE id = ANY ($1) ORDER BY id FOR UPDATE before the changes. Until then, repeat \
                 the transaction when it is undone.",
            )
        } else {
            (
                Severity::Warning,
                format!(
                    "{} serialization failures in {database}, mostly of: {victim}",
                    count(failed as f64)
                ),
                format!(
                    "{} of {} calls failed, and the work of their transactions was lost",
                    percent(failed as f64 / calls.max(1) as f64),
                    count(calls as f64)
                ),
                "Repeat the whole transaction after a short random pause. Make transactions \
                 shorter, and use READ COMMITTED where it is enough.",
            )
        };
        Finding {
            evidence: evidence([
                ("sqlstate", code.as_str().into()),
                ("failed", failed.into()),
                ("calls", calls.into()),
                ("statements", (statements.len() as u64).into()),
            ]),
            fingerprints: statements
                .iter()
                .take(STATEMENTS_NAMED)
                .map(|(one, _)| one.fingerprint)
                .collect(),
            database: Some(database.to_owned()),
            fix: change(advice),
            harm_ms: statements
                .iter()
                .map(|(one, failed)| one.mean_database_ms() * *failed as f64)
                .sum(),
            ..finding(self.name(), severity, title, why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    fn detect(calls: u64, failed: u64, code: &str) -> Vec<Finding> {
        let mut scene = Scene::new();
        for call in 0..calls {
            let statement = scene.statement("UPDATE accounts SET b = b - $1 WHERE id = $2");
            if call < failed { statement.fails(code).run() } else { statement.run() }
        }
        scene.look(|inputs| Deadlocks.detect(inputs))
    }

    #[test]
    fn three_deadlocks_are_critical_however_many_calls_went_well() {
        let findings = detect(1_000, 3, "40P01");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Critical);
        assert!(findings[0].title.starts_with("3 deadlocks in shop, mostly of: UPDATE accounts"));
        assert!(detect(1_000, 2, "40P01").is_empty());
    }

    #[test]
    fn serialization_failures_are_expected_in_small_numbers() {
        assert_eq!(detect(1_000, 20, "40001")[0].severity, Severity::Warning);
        assert!(detect(1_000, 19, "40001").is_empty());
        assert!(detect(3_000, 20, "40001").is_empty(), "less than a hundredth");
        assert!(detect(1_000, 500, "23505").is_empty(), "another error");
    }
}
