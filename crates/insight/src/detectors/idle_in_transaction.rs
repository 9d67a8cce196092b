use std::collections::BTreeMap;
use std::time::Duration;

use model::{
    Confidence, Finding, FingerprintId, Fix, LabelId, Labels, PoolKey, Severity, TransactionStats,
};

use super::{Detector, Inputs, runbook};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms};

/// # `idle_in_transaction`: a transaction is open and its client does something else
///
/// **What it sees.** For each application, the time between a statement's end and the next one's
/// arrival while a transaction was open, and the statement it was silent after. It speaks when one
/// such stretch lasted ten seconds (warning) or five minutes (critical), or when they add up to a
/// tenth of what the pool could have done. A transaction is seen when it ends.
///
/// **Why it hurts.** The transaction keeps its locks, its server connection, and its snapshot: others
/// wait for the rows it changed, and VACUUM cannot remove what died since it began.
///
/// **How to fix.** In the application: do everything else (calls to other services, rendering,
/// waiting for a user) before BEGIN or after COMMIT. As a safety net, let the server end such
/// transactions: `idle_in_transaction_session_timeout`.
///
/// **How sure.** High: the silence was measured.
///
/// **Example.** `BEGIN; UPDATE stock …;` then a payment service is asked, which takes eight seconds,
/// then `COMMIT`. Every other buyer of the same article waits for eight seconds.
pub struct IdleInTransaction;

thresholds! {
    /// When `idle_in_transaction` speaks.
    IdleInTransactionThresholds {
        /// One stretch of silence this long is a warning: locks were held and dead rows could not be
        /// vacuumed for so long.
        warning: Duration = Duration::from_secs(10),
        /// One stretch of silence this long is critical.
        critical: Duration = Duration::from_secs(300),
        /// The share of a pool's capacity that is lost to silent transactions and makes a warning.
        pool_ratio: Ratio = 0.1,
        /// Silence of a transaction, on average, below which that share does not count: it is the way
        /// between two statements, on a busy machine or a long line, and nothing else that is done.
        least_mean: Duration = Duration::from_millis(20),
    }
}

impl Detector for IdleInTransaction {
    fn name(&self) -> &'static str {
        "idle_in_transaction"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        inputs
            .window
            .transactions
            .iter()
            .filter_map(|(id, stats)| self.finding(*id, stats, inputs))
            .collect()
    }
}

impl IdleInTransaction {
    fn finding(
        &self,
        id: LabelId,
        stats: &TransactionStats,
        inputs: &Inputs<'_>,
    ) -> Option<Finding> {
        let thresholds = &inputs.settings.of.idle_in_transaction;
        let labels = inputs.snapshot.labels.get(&id)?;
        let pool_share = pool_share(labels, stats.idle, inputs);
        let mean_s = stats.idle.as_secs_f64() / stats.blocks.max(1) as f64;
        let fills_the_pool =
            pool_share >= thresholds.pool_ratio && mean_s >= thresholds.least_mean.as_secs_f64();
        let severity = if stats.longest_idle >= thresholds.critical {
            Severity::Critical
        } else if stats.longest_idle >= thresholds.warning || fills_the_pool {
            Severity::Warning
        } else {
            return None;
        };
        let who = if labels.application.is_empty() {
            format!("user {}", labels.user)
        } else {
            format!("application {}", labels.application)
        };
        let before = inputs.snapshot.shapes.iter().find_map(|(fingerprint, shape)| {
            shape.shapes.contains(&stats.idle_after).then_some(*fingerprint)
        });
        let idle_ms = stats.idle.as_secs_f64() * 1e3;
        let blocks_ms = stats.block_duration.sum_ms();
        let longest_s = stats.longest_idle.as_secs_f64();
        Some(Finding {
            detector: self.name().to_owned(),
            severity,
            title: format!(
                "{who} leaves transactions open while it does something else, for up to {}",
                duration_ms(longest_s * 1e3)
            ),
            why: format!(
                "In {} {} the server waited {} for the next statement, {:.0} % of the \
                 time they were open; meanwhile they kept their locks, held back VACUUM, and took \
                 {:.0} % of the pool's capacity",
                count(stats.blocks as f64),
                if stats.blocks == 1 { "transaction" } else { "transactions" },
                duration_ms(idle_ms),
                if blocks_ms > 0.0 { (idle_ms / blocks_ms * 100.0).min(100.0) } else { 0.0 },
                pool_share * 100.0,
            ),
            evidence: evidence(stats, labels, pool_share),
            fingerprints: before.into_iter().collect(),
            tables: Vec::new(),
            database: Some(labels.database.to_string()),
            fix: fix(inputs, before, longest_s, labels),
            estimate: BTreeMap::new(),
            confidence: Confidence::High,
            runbook: runbook(self.name()),
            // Locks aside, what it costs is that others wait for the server connections it keeps.
            harm_ms: pool_wait_ms(labels, inputs) * pool_share,
        })
    }
}

/// How long clients of the same pool waited in the window, ms.
fn pool_wait_ms(labels: &Labels, inputs: &Inputs<'_>) -> f64 {
    let of_pool = |key: &&PoolKey| key.database == labels.database && key.user == labels.user;
    let pool = inputs.window.pools.iter().find(|(key, _)| of_pool(key));
    pool.map_or(0.0, |(_, pool)| pool.wait.sum_ms())
}

/// The share of the pool's capacity in the window that `idle` is, 0 to 1.
fn pool_share(labels: &Labels, idle: Duration, inputs: &Inputs<'_>) -> f64 {
    let pool = inputs
        .window
        .pools
        .iter()
        .find(|(key, _)| key.database == labels.database && key.user == labels.user);
    let size = pool.map_or(0, |(_, pool)| pool.size);
    let capacity_ms = f64::from(size) * inputs.window_ms();
    if capacity_ms <= 0.0 { 0.0 } else { (idle.as_secs_f64() * 1e3 / capacity_ms).min(1.0) }
}

fn evidence(
    stats: &TransactionStats,
    labels: &Labels,
    pool_share: f64,
) -> BTreeMap<String, model::Evidence> {
    BTreeMap::from([
        ("transactions".to_owned(), stats.blocks.into()),
        ("idle_ms".to_owned(), (stats.idle.as_secs_f64() * 1e3).into()),
        ("longest_idle_ms".to_owned(), (stats.longest_idle.as_secs_f64() * 1e3).into()),
        ("transaction_p95_ms".to_owned(), stats.block_duration.quantile_ms(0.95).into()),
        ("share_of_pool_ratio".to_owned(), pool_share.into()),
        ("user".to_owned(), (&*labels.user).into()),
    ])
}

fn fix(inputs: &Inputs<'_>, before: Option<FingerprintId>, longest_s: f64, labels: &Labels) -> Fix {
    let place = before.map_or_else(String::new, |id| {
        format!(" The longest silence was after: {}.", inputs.title_text(id))
    });
    let user = crate::advisor::quoted(&labels.user);
    // A net with holes too wide for the fish just seen would catch nothing.
    let timeout_s = if longest_s > 120.0 { 60 } else { 30 };
    Fix {
        sql: Some(format!(
            "ALTER ROLE {user} SET idle_in_transaction_session_timeout = '{timeout_s}s';"
        )),
        undo: Some(format!("ALTER ROLE {user} RESET idle_in_transaction_session_timeout;")),
        advice: Some(format!(
            "Do everything else before BEGIN or after COMMIT.{place} The timeout above is only a \
             net: it ends the connection of a client that is silent for longer, in sessions that \
             begin after it was set."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    fn detect(idle_ms: u64, transactions: u64, pool_size: u32) -> Vec<Finding> {
        let mut scene = Scene::new();
        for value in 0..transactions {
            scene.begin();
            scene.statement("UPDATE stock SET n = n - 1 WHERE id = $1").values(value).run();
            scene.idle(idle_ms);
            scene.commit();
        }
        scene.pool_look(pool_size, 0);
        scene.look(|inputs| IdleInTransaction.detect(inputs))
    }

    #[test]
    fn ten_seconds_are_a_warning_and_five_minutes_critical() {
        let findings = detect(10_000, 1, 100);
        assert_eq!(findings[0].severity, Severity::Warning);
        assert_eq!(findings[0].fingerprints.len(), 1);
        let advice = findings[0].fix.advice.as_deref().unwrap_or_default();
        assert!(advice.contains("after: UPDATE stock"), "{advice}");
        assert_eq!(detect(300_000, 1, 1_000)[0].severity, Severity::Critical);
    }

    #[test]
    fn many_short_ones_are_found_where_they_fill_the_pool() {
        assert_eq!(detect(500, 100, 1)[0].severity, Severity::Warning);
        assert!(detect(500, 100, 100).is_empty(), "they are lost in a large pool");
    }

    #[test]
    fn thinking_for_a_moment_is_no_finding() {
        assert!(detect(9_000, 1, 100).is_empty());
        assert!(detect(0, 1_000, 1).is_empty());
        assert!(detect(15, 2_000, 1).is_empty(), "that is the way between two statements");
        assert_eq!(detect(25, 2_000, 1).len(), 1);
    }
}
