use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Distinct, Finding, Severity};

use super::finding::{about, change, evidence, finding};
use super::{Detector, Inputs};
use crate::StatementTotals;
use crate::settings::thresholds;
use crate::wording::count;

/// # `unparameterised_literals`: values are written into the text of prepared statements
///
/// **What it sees.** How many different texts one statement has, those that differ in nothing but
/// their literals. It speaks from a thousand on: as a warning where each of these texts is prepared
/// (Parse), as information where they are sent as they are (simple protocol), as many drivers do by
/// themselves.
///
/// **Why it hurts.** Each text is parsed and planned anew; prepared, it takes a place among the
/// prepared statements of pgweir and the server, and puts out another one that would have been used
/// again. And a value that is put into a text by hand is how SQL injection happens.
///
/// **How to fix.** Write `$1` (or `?`, `%s`: whatever the driver has) and pass the value beside the
/// text. Drivers that write values into the text themselves have a switch: `prepare_threshold` in
/// psycopg 3, `ATTR_EMULATE_PREPARES` in PDO, `preferQueryMode` in JDBC.
///
/// **How sure.** High: the texts were counted, up to a thousand.
///
/// **Example.** `"SELECT * FROM users WHERE email = '" + email + "'"`.
pub struct UnparameterisedLiterals;

thresholds! {
    /// When `unparameterised_literals` speaks.
    UnparameterisedLiteralsThresholds {
        /// Different texts of one statement in the window, at most 1000, since no more are told
        /// apart. Fewer fit into every cache.
        least_texts: Count = 1_000,
    }
}

/// Statements named in one finding.
const STATEMENTS_NAMED: usize = 10;

impl Detector for UnparameterisedLiterals {
    fn name(&self) -> &'static str {
        "unparameterised_literals"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let least = inputs.settings.of.unparameterised_literals.least_texts.min(Distinct::MOST);
        let mut findings = Vec::new();
        let mut sent: BTreeMap<Arc<str>, Vec<&StatementTotals>> = BTreeMap::new();
        for statement in inputs.statements() {
            let stats = &statement.stats;
            let moves_data = matches!(
                inputs.class(statement.fingerprint),
                "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "MERGE"
            );
            if !moves_data || stats.calls < least {
                continue;
            }
            if stats.prepared_calls >= least && stats.prepared_texts.estimate() >= least {
                findings.push(self.prepared(statement, inputs));
            } else if stats.prepared_calls == 0 && stats.values.estimate() >= least {
                // Without a bound value, what differs are the literals.
                sent.entry(Arc::clone(&statement.database)).or_default().push(statement);
            }
        }
        // What a driver does, it does to all statements: that is one finding.
        findings.extend(sent.iter().map(|(database, of_it)| self.sent(database, of_it, inputs)));
        findings
    }
}

impl UnparameterisedLiterals {
    fn prepared(&self, statement: &StatementTotals, inputs: &Inputs<'_>) -> Finding {
        let stats = &statement.stats;
        let texts = stats.prepared_texts.estimate();
        let text = inputs.title_text(statement.fingerprint);
        Finding {
            evidence: evidence([
                ("texts", texts.into()),
                ("calls", stats.prepared_calls.into()),
                ("prepared", "yes".into()),
            ]),
            fix: change(
                "Write $1 (or what the driver has for it) where the value stands, and pass the \
                 value beside the text.",
            ),
            ..about(
                statement,
                self.name(),
                Severity::Warning,
                format!(
                    "{} prepared texts or more differ only in values: {text}",
                    count(texts as f64)
                ),
                format!(
                    "{} calls; each text is parsed, planned and prepared, and puts out a prepared \
                     statement that would have been used again",
                    count(stats.prepared_calls as f64)
                ),
            )
        }
    }

    fn sent(
        &self,
        database: &str,
        statements: &[&StatementTotals],
        inputs: &Inputs<'_>,
    ) -> Finding {
        let calls: u64 = statements.iter().map(|one| one.stats.calls).sum();
        let named = statements.iter().take(STATEMENTS_NAMED).map(|one| one.fingerprint);
        let subject = match statements {
            [one] => inputs.title_text(one.fingerprint),
            many => format!("{} statements", many.len()),
        };
        Finding {
            evidence: evidence([
                ("calls", calls.into()),
                ("statements", (statements.len() as u64).into()),
                ("prepared", "no".into()),
            ]),
            fingerprints: named.collect(),
            database: Some(database.to_owned()),
            fix: change(
                "Let the driver bind values beside the text. Many write them into the text unless \
                 told otherwise: prepare_threshold in psycopg 3, ATTR_EMULATE_PREPARES in PDO, \
                 preferQueryMode in JDBC, --protocol in pgbench.",
            ),
            harm_ms: statements.iter().map(|one| one.database_ms()).sum(),
            ..finding(
                self.name(),
                Severity::Info,
                format!("values are written into the text, a thousand times or more: {subject}"),
                format!(
                    "{} calls in {database} came as texts that differ only in their values; each \
                     is parsed and planned anew",
                    count(calls as f64)
                ),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    fn detect(calls: u64, different: u64, prepared: bool) -> Vec<Finding> {
        let mut scene = Scene::new();
        for call in 0..calls {
            // As the server's hashes are: anywhere.
            let literals = (call % different).wrapping_mul(0xD6E8_FEB8_6659_FD93);
            let statement =
                scene.statement("SELECT * FROM users WHERE email = $1").values(literals);
            if prepared { statement.prepared(literals).run() } else { statement.run() }
        }
        scene.look(|inputs| UnparameterisedLiterals.detect(inputs))
    }

    #[test]
    fn a_thousand_prepared_texts_are_a_warning_and_sent_ones_information() {
        assert_eq!(detect(5_000, 5_000, true)[0].severity, Severity::Warning);
        assert_eq!(detect(5_000, 5_000, false)[0].severity, Severity::Info);
    }

    #[test]
    fn few_texts_and_bound_values_are_quiet() {
        assert!(detect(5_000, 400, true).is_empty());
        assert!(detect(900, 900, true).is_empty());
        let mut scene = Scene::new();
        for call in 0..5_000 {
            scene.statement("SELECT * FROM users WHERE id = $1").values(call).prepared(7).run();
        }
        assert!(scene.look(|inputs| UnparameterisedLiterals.detect(inputs)).is_empty());
    }
}
