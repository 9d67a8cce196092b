use std::collections::BTreeMap;
use std::time::Duration;

use model::{Confidence, DatabaseFacts, Finding, Fix, NotChecked, Severity};

use crate::detectors::catalogue::{Needs, finding, unread};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{bytes, count, percent};

/// # `cache_hit_ratio`: what is read is not in memory
///
/// **What it sees.** Of the blocks that a database asked for in the window, how many were not in shared
/// buffers (`pg_stat_database`), and the tables that most of them belong to. A start with an empty cache
/// is short enough to go unnoticed.
///
/// **Why it hurts.** Each of them is read from the operating system's cache, or from disk, which is up to
/// a thousand times slower.
///
/// **How to fix.** First look for statements that read tables whole (`missing_index`,
/// `sequential_scan`) and for `bloat`: they push everything else out. If nothing is left, give the server
/// more memory; a quarter of the machine's for `shared_buffers` is usual.
///
/// **How sure.** Medium: what the operating system caches cannot be told from what the disk gives.
///
/// **Privilege.** None beyond CONNECT.
///
/// **Example.** 71 % of the blocks asked for were in shared buffers of 128 MB, 40,000 a second were not.
pub struct CacheHitRatio;

thresholds! {
    /// When `cache_hit_ratio` speaks.
    CacheHitRatioThresholds {
        /// The share of blocks found in shared buffers: databases that serve users have 99 %.
        least_ratio: Ratio = 0.9,
        /// Blocks a second that were not found: 8 MB/s is what any disk gives without effort.
        least_reads_per_s: Number = 1_000.0,
        /// Looked at for so long, so that a cold start is over.
        least_span: Duration = Duration::from_secs(120),
    }
}

/// Tables named.
const TABLES: usize = 3;

impl Detector for CacheHitRatio {
    fn name(&self) -> &'static str {
        "cache_hit_ratio"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let databases = inputs.catalog.databases.iter();
        databases.filter_map(|(name, database)| self.finding(name, database, inputs)).collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unread(self.name(), &[Needs::Upkeep], inputs)
    }
}

impl CacheHitRatio {
    fn finding(
        &self,
        name: &str,
        database: &DatabaseFacts,
        inputs: &Inputs<'_>,
    ) -> Option<Finding> {
        let thresholds = &inputs.settings.of.cache_hit_ratio;
        let (first, last) = (database.upkeep.counters.first()?, database.upkeep.counters.last()?);
        let span_s = last.at.duration_since(first.at).as_secs_f64();
        // None where the counters were reset meanwhile.
        let read = last.blocks_read.checked_sub(first.blocks_read)? as f64;
        let hit = last.blocks_hit.checked_sub(first.blocks_hit)? as f64;
        let ratio = hit / (hit + read).max(1.0);
        let rate = read / span_s.max(1.0);
        if span_s < thresholds.least_span.as_secs_f64()
            || ratio >= thresholds.least_ratio
            || rate < thresholds.least_reads_per_s
        {
            return None;
        }
        let buffers = inputs
            .catalog
            .servers
            .get(&database.server)
            .map_or(0, |server| server.settings.shared_buffers_bytes);
        let mut tables: Vec<_> =
            database.tables.iter().filter(|table| table.upkeep.blocks_read > 0).collect();
        tables.sort_by_key(|table| std::cmp::Reverse(table.upkeep.blocks_read));
        let tables: Vec<String> = tables
            .iter()
            .take(TABLES)
            .map(|table| format!("{}.{}", table.schema, table.name))
            .collect();
        let title = format!("only {} of the blocks read in {name} are cached", percent(ratio));
        let why = format!(
            "{} blocks a second are not in shared buffers ({}), and come from the operating system \
             or from disk",
            count(rate),
            bytes(buffers as f64)
        );
        Some(Finding {
            evidence: BTreeMap::from([
                ("hit_ratio".to_owned(), ratio.into()),
                ("blocks_read_per_s".to_owned(), rate.into()),
                ("shared_buffers_bytes".to_owned(), buffers.into()),
                ("window_ms".to_owned(), (span_s * 1e3).into()),
            ]),
            tables,
            database: Some(name.to_owned()),
            fix: Fix {
                advice: Some(
                    "Look first at statements that read whole tables, and at bloat, in the tables \
                     named here. If nothing is left to win, raise shared_buffers to a quarter of the \
                     machine's memory (ALTER SYSTEM SET shared_buffers = …, and restart)."
                        .to_owned(),
                ),
                ..Fix::default()
            },
            confidence: Confidence::Medium,
            ..finding(self.name(), Severity::Warning, title, why)
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use model::{DatabaseCounters, DatabaseUpkeep};

    use super::*;
    use crate::scene::{Scene, shop};

    fn detect(span_s: i64, read: u64, hit: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        let at = scene.now();
        let first = DatabaseCounters {
            at: at - SignedDuration::from_secs(span_s),
            blocks_read: 5_000_000,
            blocks_hit: 0,
            temp_files: 0,
            temp_bytes: 0,
        };
        let last = DatabaseCounters { at, blocks_read: 5_000_000 + read, blocks_hit: hit, ..first };
        let upkeep = DatabaseUpkeep { counters: vec![first, last], ..DatabaseUpkeep::default() };
        let database = DatabaseFacts { upkeep, ..shop(Vec::new()) };
        scene.catalog.databases.insert("shop".to_owned(), database);
        scene.look(|inputs| CacheHitRatio.detect(inputs))
    }

    #[test]
    fn many_reads_and_few_hits_are_found() {
        let findings = detect(200, 400_000, 1_000_000);
        assert_eq!(findings[0].title, "only 71 % of the blocks read in shop are cached");
    }

    #[test]
    fn few_reads_many_hits_and_a_cold_start_are_fine() {
        assert!(detect(200, 400_000, 9_000_000).is_empty());
        assert!(detect(200, 40_000, 10_000).is_empty());
        assert!(detect(100, 400_000, 10_000).is_empty());
    }
}
