use std::collections::BTreeMap;

use model::{
    Confidence, Finding, Fix, IndexCandidate, IndexFacts, NotChecked, Severity, TableFacts,
};

use crate::advisor::index_bytes;
use crate::detectors::catalogue::{Needs, Place, is_whole, tables, unread};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{bytes, percent};

/// # `bloat`: a table or an index is much larger than its rows
///
/// **What it sees.** What the rows need, estimated from their number and the columns' average widths
/// (`pg_stats`), against the pages there are, as VACUUM or ANALYZE last counted them together. Of
/// indexes only B-trees on plain columns. Nothing is read to find out (no `pgstattuple`).
///
/// **Why it hurts.** Half-empty pages are read and cached as full ones are; backups and sequential scans
/// take their time. Room inside the table is used again by new rows, but never given back.
///
/// **How to fix.** An index: REINDEX, `CONCURRENTLY`. A table: pg_repack or pg_squeeze while it is in use,
/// or VACUUM FULL, which locks everybody out. Before, see why it came to that (`vacuum_lag`, a mass
/// delete), or it will come again.
///
/// **How sure.** Low for tables, medium for indexes: it is an estimate. `pgstattuple_approx` measures.
///
/// **Privilege.** SELECT on the table (or `pg_read_all_data`), because the statistics of columns are
/// shown to nobody else.
///
/// **Example.** `events` takes 40 GB for 9 GB of rows, since last year's rows were deleted.
pub struct Bloat;

thresholds! {
    /// When `bloat` speaks.
    BloatThresholds {
        /// Estimated waste, bytes. What fits in memory with ease hurts nobody.
        least_wasted_bytes: Count = 100 << 20,
        /// Estimated waste as a share of the whole: free room of a half is normal after a busy day.
        least_ratio: Ratio = 0.6,
    }
}

/// A page of 8 kB, and its header (PostgreSQL manual, 73.6).
const PAGE: f64 = 8192.0;
const PAGE_HEADER: f64 = 24.0;
/// A row's header, aligned, and its line pointer.
const ROW_HEADER: f64 = 24.0;
const LINE_POINTER: f64 = 4.0;

impl Detector for Bloat {
    fn name(&self) -> &'static str {
        "bloat"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        tables(inputs)
            .flat_map(|place| {
                let indexes = place.table.indexes.iter();
                let indexes = indexes.filter_map(move |index| self.of_index(place, index, inputs));
                self.of_table(place, inputs).into_iter().chain(indexes)
            })
            .collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        // Tables whose statistics the role may not see are named by the catalogue's own note.
        unread(self.name(), &[Needs::Upkeep], inputs)
    }
}

impl Bloat {
    fn of_table(&self, place: Place<'_>, inputs: &Inputs<'_>) -> Option<Finding> {
        let has = place.table.upkeep.heap_bytes as f64;
        let needs = heap_needed(place.table)?;
        if !is_much(has, needs, inputs) {
            return None;
        }
        let table = place.table_sql();
        let fix = Fix {
            advice: Some(format!(
                "pg_repack -t {table} while it is in use; or VACUUM (FULL, ANALYZE) {table}, which \
                 locks everybody out for as long as it takes and needs room for a copy. New rows use \
                 the free room up as well, if the table grows again."
            )),
            ..Fix::default()
        };
        let what = format!("{} takes", place.table_name());
        Some(self.finding(place, &what, (has, needs), Confidence::Low, fix))
    }

    fn of_index(
        &self,
        place: Place<'_>,
        index: &IndexFacts,
        inputs: &Inputs<'_>,
    ) -> Option<Finding> {
        let table = place.table;
        let plain = |name: &String| {
            table.columns.iter().any(|column| column.name == *name && column.width.is_some())
        };
        let columns: Vec<String> = index.columns.iter().chain(&index.include).cloned().collect();
        if index.method != "btree"
            || !is_whole(index)
            || table.rows < 1.0
            || !columns.iter().all(plain)
        {
            return None;
        }
        let candidate = IndexCandidate {
            schema: table.schema.clone(),
            table: table.name.clone(),
            columns,
            ..IndexCandidate::default()
        };
        let (has, needs) = (index.bytes as f64, index_bytes(table, &candidate));
        if !is_much(has, needs, inputs) {
            return None;
        }
        let fix = Fix {
            sql: Some(format!("REINDEX INDEX {}{};", place.concurrently(), place.index_sql(index))),
            undo: None,
            advice: Some(
                "There is nothing to take back: the index is the same, only smaller.".to_owned(),
            ),
        };
        let what = format!("index {} of {} takes", index.name, place.table_name());
        let mut finding = self.finding(place, &what, (has, needs), Confidence::Medium, fix);
        finding.evidence.insert("index".to_owned(), index.name.as_str().into());
        Some(finding)
    }

    fn finding(
        &self,
        place: Place<'_>,
        what: &str,
        (has, needs): (f64, f64),
        confidence: Confidence,
        fix: Fix,
    ) -> Finding {
        let wasted = has - needs;
        let share = wasted / has;
        let title = format!("{what} {}, {} of it empty (estimated)", bytes(has), percent(share));
        let why = format!(
            "Its rows need about {}; the rest is read, cached and backed up with them",
            bytes(needs)
        );
        Finding {
            evidence: BTreeMap::from([
                ("bytes".to_owned(), (has as u64).into()),
                ("estimated_needed_bytes".to_owned(), (needs as u64).into()),
                ("estimated_wasted_ratio".to_owned(), share.into()),
                ("table_rows".to_owned(), (place.table.rows.max(0.0) as u64).into()),
            ]),
            estimate: BTreeMap::from([("freed_bytes".to_owned(), (wasted as u64).into())]),
            fix,
            confidence,
            ..place.finding(self.name(), Severity::Warning, title, why)
        }
    }
}

fn is_much(has: f64, needs: f64, inputs: &Inputs<'_>) -> bool {
    let thresholds = &inputs.settings.of.bloat;
    let wasted = has - needs;
    wasted >= thresholds.least_wasted_bytes as f64 && wasted >= has * thresholds.least_ratio
}

/// What the rows need, bytes; none where the statistics lack.
fn heap_needed(table: &TableFacts) -> Option<f64> {
    // A table that has lost all its rows has no statistics worth using.
    if table.rows < 1.0 || table.columns.is_empty() {
        return None;
    }
    let mut width = 0.0;
    let mut nulls = false;
    for column in &table.columns {
        let null_share = column.null_share.unwrap_or(0.0);
        nulls |= null_share > 0.0;
        width += column.width? * (1.0 - null_share);
    }
    // The bitmap of NULLs fits the aligned header for eight columns.
    let columns = table.columns.len();
    let bitmap = if nulls && columns > 8 { columns as f64 / 8.0 } else { 0.0 };
    // Values are aligned each by itself: the estimate allows a tenth for that.
    let row = ((ROW_HEADER + bitmap + width * 1.1) / 8.0).ceil() * 8.0 + LINE_POINTER;
    let fill = match table.upkeep.fill_factor {
        0 => 1.0,
        percent => f64::from(percent) / 100.0,
    };
    let rows_a_page = (((PAGE - PAGE_HEADER) * fill) / row).floor().max(1.0);
    Some((table.rows / rows_a_page).ceil() * PAGE)
}

#[cfg(test)]
mod tests {
    use model::TableUpkeep;

    use super::*;
    use crate::scene::{Scene, index, shop, table};

    fn detect(heap_bytes: u64, index_bytes: u64) -> Vec<Finding> {
        let mut scene = Scene::new();
        let mut events = table("events", 1e6, &[("id", -1.0), ("at", -1.0), ("kind", 9.0)]);
        events.upkeep = TableUpkeep { heap_bytes, fill_factor: 100, ..TableUpkeep::default() };
        events.indexes.push(IndexFacts { bytes: index_bytes, ..index(&["at"]) });
        scene.catalog.databases.insert("shop".to_owned(), shop(vec![events]));
        scene.look(|inputs| Bloat.detect(inputs))
    }

    #[test]
    fn the_estimate_is_close_to_what_a_fresh_table_takes() {
        // CREATE TABLE … AS SELECT of three bigints, 1,000,000 rows: 6,370 pages on PostgreSQL 15.
        let fresh = 6_370.0 * PAGE;
        let needed = heap_needed(&table("t", 1e6, &[("a", 1.0), ("b", 1.0), ("c", 1.0)])).unwrap();
        assert!((needed / fresh - 1.0).abs() < 0.2, "{needed} against {fresh}");
    }

    #[test]
    fn a_table_and_an_index_with_much_room_are_found() {
        let of_table = detect(400 << 20, 0);
        assert_eq!(of_table.len(), 1);
        let title = &of_table[0].title;
        assert!(title.starts_with("public.events takes 400 MB, 8"), "{title}");
        let sql = of_table[0].fix.sql.as_ref();
        assert_eq!((of_table[0].confidence, sql), (Confidence::Low, None));
        let of_index = detect(60 << 20, 300 << 20);
        let sql = "REINDEX INDEX CONCURRENTLY public.on_at;";
        assert_eq!(of_index[0].fix.sql.as_deref(), Some(sql));
    }

    #[test]
    fn usual_free_room_is_fine() {
        assert!(detect(110 << 20, 60 << 20).is_empty());
    }
}
