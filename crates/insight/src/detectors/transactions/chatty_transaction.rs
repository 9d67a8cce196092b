use std::time::Duration;

use model::{Finding, LabelId, Severity, TransactionStats};

use super::finding::{change, evidence, finding, who};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms, percent};

/// # `chatty_transaction`: most of a transaction's time is spent between its statements
///
/// **What it sees.** For each application, how many statements its transactions have, and how much
/// of the time they are open the server waits for the next statement. It speaks when transactions
/// of eight statements or more (BEGIN and COMMIT counted) spend more than half of their time so,
/// 20 ms each or more. A few long silences are not meant: those are `idle_in_transaction`.
///
/// **Why it hurts.** Every statement costs a round trip and what the application computes in
/// between, while locks and the server connection are held. With a network of 2 ms, thirty
/// statements hold their rows for 60 ms longer than one statement would.
///
/// **How to fix.** In the application: read and compute before BEGIN; send what belongs together in
/// one statement (`INSERT … VALUES (…), (…)`, `UPDATE … FROM (VALUES …)`, `WHERE id = ANY ($1)`), or
/// in one pipeline, where the driver has it. Run the application near the database.
///
/// **How sure.** High: the time between an answer and the next statement was measured. It is the
/// network's, the driver's and the application's together.
///
/// **Example.** An order with forty lines is written by forty `INSERT`s, with an ORM's work before
/// each: 120 ms, of which the server worked for 15.
pub struct ChattyTransaction;

thresholds! {
    /// When `chatty_transaction` speaks.
    ChattyTransactionThresholds {
        /// The least share of the time of open transactions that is spent between statements.
        least_ratio: Ratio = 0.5,
        /// The least mean of statements in a transaction, BEGIN and COMMIT counted: fewer cannot be
        /// put together.
        least_statements: Number = 8.0,
        /// The least mean time between statements, summed up for each transaction. Below it nobody
        /// feels it, on a fast network a benchmark's client does no better.
        least_thinking: Duration = Duration::from_millis(20),
        /// Transactions in the window, so that a mean means something.
        least_transactions: Count = 20,
    }
}

/// A longer mean silence between two statements is no round trip, but something else going on.
const LONG_SILENCE: Duration = Duration::from_secs(1);

impl Detector for ChattyTransaction {
    fn name(&self) -> &'static str {
        "chatty_transaction"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let each = inputs.window.transactions.iter();
        each.filter_map(|(id, stats)| self.finding(*id, stats, inputs)).collect()
    }
}

impl ChattyTransaction {
    fn finding(
        &self,
        id: LabelId,
        stats: &TransactionStats,
        inputs: &Inputs<'_>,
    ) -> Option<Finding> {
        let thresholds = &inputs.settings.of.chatty_transaction;
        let labels = inputs.snapshot.labels.get(&id)?;
        let blocks = stats.blocks as f64;
        let statements = stats.block_statements as f64 / blocks.max(1.0);
        let idle_ms = stats.idle.as_secs_f64() * 1e3;
        let open_ms = stats.block_duration.sum_ms().max(f64::MIN_POSITIVE);
        let thinking_ms = idle_ms / blocks.max(1.0);
        let gap_ms = idle_ms / (stats.block_statements as f64 - blocks).max(1.0);
        let chatty = stats.blocks >= thresholds.least_transactions
            && statements >= thresholds.least_statements
            && idle_ms >= open_ms * thresholds.least_ratio
            && thinking_ms >= thresholds.least_thinking.as_secs_f64() * 1e3
            && gap_ms < LONG_SILENCE.as_secs_f64() * 1e3;
        if !chatty {
            return None;
        }
        let share = (idle_ms / open_ms).min(1.0);
        Some(Finding {
            evidence: evidence([
                ("transactions", stats.blocks.into()),
                ("statements_mean", statements.into()),
                ("between_statements_ratio", share.into()),
                ("between_statements_ms", thinking_ms.into()),
                ("transaction_mean_ms", (open_ms / blocks).into()),
                ("transaction_p95_ms", stats.block_duration.quantile_ms(0.95).into()),
            ]),
            database: Some(labels.database.to_string()),
            fix: change(format!(
                "Send fewer statements: many rows in one INSERT, many keys in one WHERE id = ANY \
                 ($1), or a pipeline where the driver has it; and compute before BEGIN. Each \
                 statement now costs {} beside its own time.",
                duration_ms(gap_ms)
            )),
            harm_ms: idle_ms,
            ..finding(
                self.name(),
                Severity::Warning,
                format!(
                    "transactions of {} have {statements:.0} statements and spend {} of their time \
                     between them",
                    who(labels),
                    percent(share)
                ),
                format!(
                    "In {} transactions the server waited {} for the next statement, {} in each; \
                     meanwhile they kept their locks and a server connection",
                    count(blocks),
                    duration_ms(idle_ms),
                    duration_ms(thinking_ms),
                ),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    fn detect(transactions: u64, statements: u64, pause_ms: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        for turn in 0..transactions {
            scene.begin();
            for line in 0..statements {
                scene.statement("INSERT INTO lines VALUES ($1, $2)").values(turn + line).run();
                scene.idle(pause_ms);
            }
            scene.commit();
        }
        scene.look(|inputs| ChattyTransaction.detect(inputs))
    }

    #[test]
    fn many_statements_with_pauses_between_them_are_found() {
        let findings = detect(20, 10, 3);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Warning);
        assert!(findings[0].title.contains("have 12 statements"), "{}", findings[0].title);
    }

    #[test]
    fn few_statements_short_pauses_few_transactions_and_long_silences_are_quiet() {
        assert!(detect(20, 3, 30).is_empty(), "few statements");
        assert!(detect(20, 10, 1).is_empty(), "10 ms in each");
        assert!(detect(19, 10, 3).is_empty());
        assert!(detect(20, 10, 2_000).is_empty(), "idle_in_transaction's business");
    }
}
