use std::collections::BTreeMap;
use std::time::Duration;

use model::{Finding, Fix, NotChecked, Severity, TableFacts, TableKind};

use crate::detectors::catalogue::{Needs, Place, day_and_minute, longer_ago, tables, unread};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{count, percent};

/// # `stale_statistics`: the planner does not know what is in a table
///
/// **What it sees.** Tables that were never analysed, and tables of which half the rows changed since
/// they last were, ten minutes ago or longer: autovacuum would have analysed them at a tenth.
/// Partitioned tables as a whole are not looked at.
///
/// **Why it hurts.** The planner guesses how many rows a condition leaves, and chooses nested loops
/// where it should hash, reads whole tables where it should use an index, or the other way round.
///
/// **How to fix.** ANALYZE the table; it takes seconds and blocks nobody. Then see why autovacuum did
/// not: it is switched off for the table or the server, or it does not keep up. After a bulk load or a
/// restore, ANALYZE at once.
///
/// **How sure.** High that the statistics are stale; whether a plan suffers, `row_misestimate` says.
///
/// **Privilege.** None beyond CONNECT.
///
/// **Example.** `orders` was restored from a dump this morning and never analysed.
pub struct StaleStatistics;

thresholds! {
    /// When `stale_statistics` speaks.
    StaleStatisticsThresholds {
        /// Rows of the table. For a small one every plan is good enough.
        least_rows: Count = 10_000,
        /// The share of rows that changed since: five times what makes autovacuum analyse.
        changed_ratio: Ratio = 0.5,
        /// The last ANALYZE was so long ago, which gives autovacuum its time.
        least_age: Duration = Duration::from_secs(600),
    }
}

impl Detector for StaleStatistics {
    fn name(&self) -> &'static str {
        "stale_statistics"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        tables(inputs)
            .filter(|place| place.table.upkeep.kind != TableKind::Partitioned)
            .filter_map(|place| self.finding(place, inputs))
            .collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unread(self.name(), &[Needs::Upkeep], inputs)
    }
}

impl StaleStatistics {
    fn finding(&self, place: Place<'_>, inputs: &Inputs<'_>) -> Option<Finding> {
        let thresholds = &inputs.settings.of.stale_statistics;
        let upkeep = &place.table.upkeep;
        let never = place.table.rows < 0.0 && upkeep.last_analyze.is_none();
        let rows = if never { upkeep.live_rows as f64 } else { place.table.rows };
        let changed = upkeep.modified_since_analyze as f64 / rows.max(1.0);
        let outdated = changed >= thresholds.changed_ratio
            && longer_ago(upkeep.last_analyze, thresholds.least_age, inputs);
        let large = rows.max(upkeep.modified_since_analyze as f64) >= thresholds.least_rows as f64;
        if !large || !is_read(place.table) || !(never || outdated) {
            return None;
        }
        let (title, seen) = if never {
            (
                format!("{} was never analysed", place.table_name()),
                format!("It has about {} rows", count(rows)),
            )
        } else {
            let when = upkeep.last_analyze.map_or_else(
                || "the statistics were reset".to_owned(),
                |then| format!("it was last analysed, {}", day_and_minute(then)),
            );
            (
                format!("the statistics of {} are out of date", place.table_name()),
                format!(
                    "{} rows changed since {when}, {} of the table",
                    count(upkeep.modified_since_analyze as f64),
                    percent(changed.min(1.0))
                ),
            )
        };
        let why = format!(
            "{seen}; the planner guesses what is in them, for every statement that reads the table"
        );
        let mut evidence = BTreeMap::from([
            ("table_rows".to_owned(), (rows.max(0.0) as u64).into()),
            ("changed_rows".to_owned(), upkeep.modified_since_analyze.into()),
            ("changed_ratio".to_owned(), changed.into()),
        ]);
        if let Some(then) = upkeep.last_analyze {
            evidence.insert("last_analyze".to_owned(), day_and_minute(then).into());
        }
        let advice = (!upkeep.autovacuum).then(|| {
            format!(
                "Autovacuum is switched off for this table, so it will be stale again: ALTER TABLE \
                 {} RESET (autovacuum_enabled).",
                place.table_sql()
            )
        });
        let sql = Some(format!("ANALYZE {};", place.table_sql()));
        Some(Finding {
            evidence,
            fix: Fix { sql, undo: None, advice },
            ..place.finding(self.name(), Severity::Warning, title, why)
        })
    }
}

/// Of a table that nobody reads nobody plans a statement.
fn is_read(table: &TableFacts) -> bool {
    table.sequential_scans + table.index_scans > 0
}

#[cfg(test)]
mod tests {
    use model::TableUpkeep;

    use super::*;
    use crate::scene::{Scene, shop, table};

    fn detect(rows: f64, changed: u64, analysed_s_ago: Option<i64>) -> Vec<Finding> {
        let mut scene = Scene::new();
        let now = scene.now();
        let ago = |seconds| now - jiff::SignedDuration::from_secs(seconds);
        let mut orders = table("orders", rows, &[("id", -1.0)]);
        orders.sequential_scans = 3;
        orders.upkeep = TableUpkeep {
            live_rows: 90_000,
            modified_since_analyze: changed,
            last_analyze: analysed_s_ago.map(ago),
            autovacuum: true,
            ..TableUpkeep::default()
        };
        scene.catalog.databases.insert("shop".to_owned(), shop(vec![orders]));
        scene.look(|inputs| StaleStatistics.detect(inputs))
    }

    #[test]
    fn never_analysed_and_half_changed_are_found() {
        let never = detect(-1.0, 90_000, None);
        assert_eq!(never[0].title, "public.orders was never analysed");
        assert_eq!(never[0].fix.sql.as_deref(), Some("ANALYZE public.orders;"));
        let outdated = detect(80_000.0, 41_000, Some(700));
        assert_eq!(outdated[0].severity, Severity::Warning);
        assert!(outdated[0].why.contains("51 % of the table"), "{}", outdated[0].why);
    }

    #[test]
    fn what_autovacuum_will_do_in_a_moment_and_small_tables_are_fine() {
        assert!(detect(80_000.0, 41_000, Some(500)).is_empty());
        assert!(detect(80_000.0, 30_000, Some(9_000)).is_empty());
        assert!(detect(9_000.0, 9_000, Some(9_000)).is_empty());
    }
}
