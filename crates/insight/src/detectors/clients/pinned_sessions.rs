use std::collections::BTreeMap;

use model::{Finding, PoolKey, PoolMinute, Severity};

use super::finding::{change, evidence, finding};
use super::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, percent};

/// # `pinned_sessions`: clients keep their server connections to themselves
///
/// **What it sees.** How many clients of a pool in transaction mode are pinned: they have left
/// something in their session that cannot be carried to another server connection. It speaks when
/// they held half of the pool on average over the looks at it.
///
/// **Why it hurts.** A pinned client keeps its server connection between its transactions too. What
/// is left of the pool is shared by all the others; when nothing is left, they wait.
///
/// **How to fix.** The finding names the reasons, as `SHOW CLIENTS` does for each client. LISTEN:
/// give the listener a user of its own, with `pool_mode = "session"`. Temporary tables: drop them
/// when they are no longer needed, or `ON COMMIT DROP`. Session advisory locks: `pg_advisory_xact_lock`.
/// SQL's PREPARE: prepare through the driver. DISCARD ALL unpins.
///
/// **How sure.** High: it was looked at every second.
///
/// **Example.** Twenty workers each hold an advisory lock for as long as they live. The pool has
/// twenty connections.
pub struct PinnedSessions;

thresholds! {
    /// When `pinned_sessions` speaks.
    PinnedSessionsThresholds {
        /// The least share of the pool that pinned clients held on average.
        least_ratio: Ratio = 0.5,
        /// Looks at the pool, one a second, so that a mean means something.
        least_looks: Count = 10,
    }
}

impl Detector for PinnedSessions {
    fn name(&self) -> &'static str {
        "pinned_sessions"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let each = inputs.window.pools.iter();
        each.filter_map(|(key, pool)| self.finding(key, pool, inputs)).collect()
    }
}

impl PinnedSessions {
    fn finding(&self, key: &PoolKey, pool: &PoolMinute, inputs: &Inputs<'_>) -> Option<Finding> {
        let thresholds = &inputs.settings.of.pinned_sessions;
        let pinned = pool.pinned as f64 / pool.samples.max(1) as f64;
        let share = pinned / f64::from(pool.size.max(1));
        if pool.samples < thresholds.least_looks || share < thresholds.least_ratio {
            return None;
        }
        let (mut reasons, mut applications) = (BTreeMap::new(), BTreeMap::new());
        for (id, stats) in &inputs.window.transactions {
            let Some(labels) = inputs.snapshot.labels.get(id) else {
                continue;
            };
            if labels.database != key.database || labels.user != key.user || stats.pinned == 0 {
                continue;
            }
            *applications.entry(&*labels.application).or_insert(0) += stats.pinned;
            for (reason, number) in &stats.pin_reasons {
                *reasons.entry(&**reason).or_insert(0) += number;
            }
        }
        let reasons = by_number(reasons);
        let because = match reasons.as_str() {
            "" => String::new(),
            reasons => format!(", because of: {reasons}"),
        };
        Some(Finding {
            evidence: evidence([
                ("pinned_mean", pinned.into()),
                ("pool_size", u64::from(pool.size).into()),
                ("pinned_ratio", share.min(1.0).into()),
                ("reasons", reasons.into()),
                ("applications", by_number(applications).into()),
                ("longest_queue", u64::from(pool.most_waiting).into()),
            ]),
            database: Some(key.database.to_string()),
            fix: change(
                "SHOW CLIENTS names each pinned client and its reason. Give those that must keep a \
                 session (LISTEN) a user of their own with pool_mode = \"session\"; use \
                 pg_advisory_xact_lock, ON COMMIT DROP, and the driver's own prepared statements.",
            ),
            harm_ms: pool.wait.sum_ms(),
            ..finding(
                self.name(),
                Severity::Warning,
                format!(
                    "pinned clients hold {} of the {} server connections of pool {key}",
                    percent(share.min(1.0)),
                    pool.size
                ),
                format!(
                    "{pinned:.1} clients on average kept a server connection between their \
                     transactions{because}; up to {} others waited for what was left",
                    count(f64::from(pool.most_waiting))
                ),
            )
        })
    }
}

/// Names with the most first: `LISTEN, temporary table`.
fn by_number(names: BTreeMap<&str, u64>) -> String {
    let mut order: Vec<_> = names.into_iter().filter(|(name, _)| !name.is_empty()).collect();
    order.sort_by_key(|(_, number)| std::cmp::Reverse(*number));
    order.into_iter().take(5).map(|(name, _)| name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    fn detect(looks: u64, pinned: u32, size: u32) -> Vec<Finding> {
        let mut scene = Scene::new();
        scene.pinned = Some("LISTEN");
        scene.statement("SELECT 1 FROM a").run();
        for _ in 0..looks {
            scene.pool_pinned(size, pinned);
        }
        scene.look(|inputs| PinnedSessions.detect(inputs))
    }

    #[test]
    fn half_of_the_pool_is_found_and_the_reason_named() {
        let findings = detect(10, 5, 10);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].why.contains("because of: LISTEN"), "{}", findings[0].why);
    }

    #[test]
    fn a_few_pinned_clients_and_a_few_looks_are_quiet() {
        assert!(detect(10, 4, 10).is_empty());
        assert!(detect(9, 10, 10).is_empty());
    }
}
