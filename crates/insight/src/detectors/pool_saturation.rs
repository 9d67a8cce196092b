use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use model::{Confidence, Finding, FingerprintId, Fix, LabelId, PoolKey, PoolMinute, Severity};

use super::{Detector, Inputs, runbook};
use crate::settings::thresholds;
use crate::wording::{count, duration_ms};
use crate::workload::database_ms;

/// # `pool_saturation`: clients queue for a server connection
///
/// **What it sees.** For each pool, the time transactions waited for a server connection against
/// the time they held one, and how often clients were found in the queue. It speaks when the 95th
/// percentile of the wait is at least 10 ms and half of that of the holding, and a queue was there
/// at every tenth look or more. It is critical when transactions waited longer than they worked,
/// taken together.
///
/// **Why it hurts.** The wait is added to every transaction, those that need a millisecond too.
///
/// **How to fix.** First make those statements faster that hold the connections most; the finding
/// names them. Then end transactions sooner: time in which a transaction is open and its client
/// does something else holds a connection for nothing. Only then raise `default_pool_size`: once
/// all of the server's cores and disks are busy, more connections make every one of them slower.
///
/// **How sure.** High: the wait was measured.
///
/// **Example.** 200 clients, 10 server connections, statements of 180 ms for lack of an index:
/// nobody can do more than one statement in four seconds.
pub struct PoolSaturation;

thresholds! {
    /// When `pool_saturation` speaks.
    PoolSaturationThresholds {
        /// The least 95th percentile of the wait. Below it nobody feels the queue.
        least_wait: Duration = Duration::from_millis(10),
        /// The least wait p95, as a share of the p95 of the time a connection is held.
        least_wait_ratio: Ratio = 0.5,
        /// The least share of looks at the pool that found a queue. A burst that is over in a second
        /// is what a pool is for.
        least_queue_ratio: Ratio = 0.1,
        /// Transactions in the window, so that percentiles mean something.
        least_transactions: Count = 20,
    }
}

/// Statements named as holding the pool.
const HOLDERS_NAMED: usize = 3;
/// Share of the held time from which idle transactions are worth naming.
const IDLE_WORTH_NAMING: f64 = 0.2;

impl Detector for PoolSaturation {
    fn name(&self) -> &'static str {
        "pool_saturation"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        inputs
            .window
            .pools
            .iter()
            .filter_map(|(key, pool)| self.finding(key, pool, inputs))
            .collect()
    }
}

/// What holds a pool's connections.
struct Holders {
    /// Statements with their share of the statements' time, the largest first.
    statements: Vec<(FingerprintId, f64)>,
    /// Time in which transactions were open and idle.
    idle: Duration,
}

impl PoolSaturation {
    fn finding(&self, key: &PoolKey, pool: &PoolMinute, inputs: &Inputs<'_>) -> Option<Finding> {
        let thresholds = &inputs.settings.of.pool_saturation;
        let (wait_p95, held_p95) = (pool.wait.quantile_ms(0.95), pool.held.quantile_ms(0.95));
        let waiting = pool.samples_waiting as f64 / pool.samples.max(1) as f64;
        let saturated = pool.wait.count() >= thresholds.least_transactions
            && wait_p95 >= thresholds.least_wait.as_secs_f64() * 1e3
            && wait_p95 >= held_p95 * thresholds.least_wait_ratio
            && waiting >= thresholds.least_queue_ratio;
        if !saturated {
            return None;
        }
        let (wait_ms, held_ms) = (pool.wait.sum_ms(), pool.held.sum_ms());
        let dominated = wait_ms > held_ms;
        let holders = holders(key, inputs);
        let busy = held_ms / (f64::from(pool.size.max(1)) * inputs.window_ms().max(1.0));
        let mut evidence = BTreeMap::from([
            ("transactions".to_owned(), pool.wait.count().into()),
            ("wait_p50_ms".to_owned(), pool.wait.quantile_ms(0.5).into()),
            ("wait_p95_ms".to_owned(), wait_p95.into()),
            ("held_p95_ms".to_owned(), held_p95.into()),
            ("queue_found_ratio".to_owned(), waiting.into()),
            ("longest_queue".to_owned(), u64::from(pool.most_waiting).into()),
            ("pool_size".to_owned(), u64::from(pool.size).into()),
            ("busy_ratio".to_owned(), busy.min(1.0).into()),
        ]);
        let idle_share = holders.idle.as_secs_f64() * 1e3 / held_ms.max(1e-3);
        if idle_share >= IDLE_WORTH_NAMING {
            evidence.insert("idle_in_transaction_ratio".to_owned(), idle_share.min(1.0).into());
        }
        Some(Finding {
            detector: self.name().to_owned(),
            severity: if dominated { Severity::Critical } else { Severity::Warning },
            title: format!("clients queue for the {} server connections of pool {key}", pool.size),
            why: format!(
                "Of {} transactions every twentieth waited {} or longer before its first \
                 statement began; together they waited {} and held a connection for {}",
                count(pool.wait.count() as f64),
                duration_ms(wait_p95),
                duration_ms(wait_ms),
                duration_ms(held_ms),
            ),
            evidence,
            fingerprints: holders.statements.iter().map(|(id, _)| *id).collect(),
            tables: Vec::new(),
            database: Some(key.database.to_string()),
            fix: Fix {
                sql: None,
                undo: None,
                advice: Some(advice(&holders, idle_share, pool, inputs)),
            },
            estimate: BTreeMap::new(),
            confidence: Confidence::High,
            runbook: runbook(self.name()),
            harm_ms: wait_ms,
        })
    }
}

fn holders(key: &PoolKey, inputs: &Inputs<'_>) -> Holders {
    let ours = |id: &LabelId| {
        inputs
            .snapshot
            .labels
            .get(id)
            .is_some_and(|labels| labels.database == key.database && labels.user == key.user)
    };
    let mut times: HashMap<FingerprintId, f64> = HashMap::new();
    for (row, stats) in inputs.window.queries.iter().filter(|(row, _)| ours(&row.labels)) {
        *times.entry(row.fingerprint).or_default() += database_ms(stats);
    }
    let all: f64 = times.values().sum();
    let mut statements: Vec<_> =
        times.into_iter().map(|(id, ms)| (id, if all > 0.0 { ms / all } else { 0.0 })).collect();
    statements.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    statements.truncate(HOLDERS_NAMED);
    // The long tail holds nothing worth naming.
    statements.retain(|(_, share)| *share >= 0.05);
    let idle = inputs
        .window
        .transactions
        .iter()
        .filter(|(id, _)| ours(id))
        .map(|(_, stats)| stats.idle)
        .sum();
    Holders { statements, idle }
}

fn advice(holders: &Holders, idle_share: f64, pool: &PoolMinute, inputs: &Inputs<'_>) -> String {
    let mut text = String::new();
    if idle_share >= IDLE_WORTH_NAMING {
        text.push_str(&format!(
            "End transactions sooner: {:.0} % of the time their connections were held, clients \
             were silent inside open transactions. ",
            (idle_share * 100.0).min(100.0),
        ));
    }
    if !holders.statements.is_empty() {
        let named: Vec<_> = holders
            .statements
            .iter()
            .map(|(id, share)| format!("{:.0} % {id} {}", share * 100.0, inputs.title_text(*id)))
            .collect();
        text.push_str(&format!(
            "Make the statements faster that hold the connections most: {}. ",
            named.join("; "),
        ));
    }
    text.push_str(&format!(
        "Then, if the server's processors and disks are not busy, raise default_pool_size above {}.",
        pool.size,
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    /// A pool of ten, looked at ten times, of which `queued` with clients in the queue.
    fn scene(transactions: u64, wait_ms: u64, work_ms: u64, queued: u64) -> Scene {
        let mut scene = Scene::new();
        for value in 0..transactions {
            scene
                .statement("SELECT * FROM orders WHERE customer_id = $1")
                .values(value)
                .wait_ms(wait_ms)
                .work_ms(work_ms)
                .run();
        }
        for look in 0..10 {
            scene.pool_look(10, if look < queued { 40 } else { 0 });
        }
        scene
    }

    fn detect(scene: Scene) -> Vec<Finding> {
        scene.look(|inputs| PoolSaturation.detect(inputs))
    }

    #[test]
    fn waiting_that_exceeds_work_is_critical_and_names_the_holder() {
        let findings = detect(scene(50, 400, 100, 9));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Critical);
        assert_eq!(findings[0].fingerprints.len(), 1);
        assert!((findings[0].harm_ms - 20_000.0).abs() < 1.0, "{}", findings[0].harm_ms);
        let advice = findings[0].fix.advice.as_deref().unwrap_or_default();
        assert!(advice.contains("SELECT * FROM orders"), "{advice}");
    }

    #[test]
    fn waiting_for_more_than_half_of_the_work_is_a_warning() {
        let findings = detect(scene(50, 60, 100, 9));
        assert_eq!(findings[0].severity, Severity::Warning);
    }

    #[test]
    fn a_short_wait_a_rare_queue_and_few_transactions_are_quiet() {
        assert!(detect(scene(50, 9, 9, 9)).is_empty(), "nobody feels 9 ms");
        assert!(detect(scene(50, 40, 100, 9)).is_empty(), "less than half of the work");
        assert!(detect(scene(50, 400, 100, 0)).is_empty(), "a burst between two looks");
        assert!(detect(scene(5, 400, 100, 9)).is_empty(), "five transactions are no percentile");
    }

    #[test]
    fn silent_transactions_are_named_before_statements() {
        let mut scene = Scene::new();
        for value in 0..30 {
            scene.begin();
            scene.statement("UPDATE carts SET n = $1").values(value).wait_ms(500).work_ms(5).run();
            scene.idle(200);
            scene.commit();
        }
        (0..10).for_each(|_| scene.pool_look(10, 40));
        let findings = detect(scene);
        let advice = findings[0].fix.advice.as_deref().unwrap_or_default();
        assert!(advice.starts_with("End transactions sooner: 9"), "{advice}");
    }
}
