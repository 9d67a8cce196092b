use model::{Finding, LabelId, Severity, TransactionStats};

use super::finding::{change, evidence, finding, who};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, percent};

/// # `prepared_churn`: statements are prepared again for each execution
///
/// **What it sees.** For each application, Parse messages against Bind messages. It speaks when there
/// are nine Parses for ten Binds or more, over a thousand Binds.
///
/// **Why it hurts.** Parsing and planning is half of the work of a small statement, and is done each
/// time for nothing.
///
/// **How to fix.** Let the driver keep prepared statements: `prepareThreshold=1` in JDBC,
/// `prepare: true` in postgres.js, named queries in node-postgres, `statement_cache_size` in asyncpg,
/// `prepared_statements: true` in Rails. It works through pgweir in transaction mode; if it was
/// switched off because of another pooler, switch it on again.
///
/// **How sure.** High: the messages were counted. How much there is to gain depends on the statements:
/// most with small ones.
///
/// **Example.** `client.query('SELECT … WHERE id = $1', [7])` in node-postgres parses each time;
/// with `{ name: 'by-id', text, values }` it parses once a connection.
pub struct PreparedChurn;

thresholds! {
    /// When `prepared_churn` speaks.
    PreparedChurnThresholds {
        /// The least of Parses for each Bind.
        least_parse_ratio: Ratio = 0.9,
        /// Binds in the window: below it nobody notices.
        least_binds: Count = 1_000,
    }
}

impl Detector for PreparedChurn {
    fn name(&self) -> &'static str {
        "prepared_churn"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let each = inputs.window.transactions.iter();
        each.filter_map(|(id, stats)| self.finding(*id, stats, inputs)).collect()
    }
}

impl PreparedChurn {
    fn finding(
        &self,
        id: LabelId,
        stats: &TransactionStats,
        inputs: &Inputs<'_>,
    ) -> Option<Finding> {
        let thresholds = &inputs.settings.of.prepared_churn;
        let labels = inputs.snapshot.labels.get(&id)?;
        let ratio = stats.client_parses as f64 / stats.binds.max(1) as f64;
        if stats.binds < thresholds.least_binds || ratio < thresholds.least_parse_ratio {
            return None;
        }
        Some(Finding {
            evidence: evidence([
                ("parses", stats.client_parses.into()),
                ("binds", stats.binds.into()),
                ("parses_per_bind_ratio", ratio.into()),
                ("parses_sent_to_servers", stats.server_parses.into()),
                ("user", (&*labels.user).into()),
            ]),
            database: Some(labels.database.to_string()),
            fix: change(
                "Let the driver keep prepared statements: prepareThreshold=1 in JDBC, prepare: true \
                 in postgres.js, named queries in node-postgres, statement_cache_size in asyncpg. \
                 It works through pgweir in transaction mode.",
            ),
            ..finding(
                self.name(),
                Severity::Info,
                format!("{} prepares its statements again for each execution", who(labels)),
                format!(
                    "There were {} Parses for {} Binds ({}); each is parsed and planned again",
                    count(stats.client_parses as f64),
                    count(stats.binds as f64),
                    percent(ratio)
                ),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    fn detect(binds: u64, parses_of_ten: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        for bind in 0..binds {
            scene.messages = (u32::from(bind % 10 < parses_of_ten), 1);
            scene.statement("SELECT * FROM users WHERE id = $1").values(bind).prepared(0).run();
        }
        scene.look(|inputs| PreparedChurn.detect(inputs))
    }

    #[test]
    fn a_parse_for_each_bind_is_found() {
        assert_eq!(detect(1_000, 9)[0].severity, Severity::Info);
    }

    #[test]
    fn statements_used_again_and_small_numbers_are_quiet() {
        assert!(detect(1_000, 8).is_empty());
        assert!(detect(999, 10).is_empty());
    }
}
