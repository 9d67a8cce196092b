use std::collections::BTreeMap;

use model::{Finding, ForeignKeyFacts, IndexCandidate, IndexFacts, NotChecked, Severity};

use crate::advisor::index_bytes;
use crate::detectors::catalogue::{Needs, Place, tables, unread};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::count;

/// # `unindexed_foreign_key`: deleting a parent reads the whole child table
///
/// **What it sees.** Foreign keys whose columns no valid index of the table begins with, in any
/// order. A partial index that leaves out only NULLs counts.
///
/// **Why it hurts.** For each row deleted from the parent, or whose key changes, the server looks for
/// rows that refer to it: without an index it reads the child table whole, with locks held. It is a
/// warning where the parent is deleted from, and information elsewhere. Joins from the parent to its
/// children read the table whole as well.
///
/// **How to fix.** Create the index, `CONCURRENTLY`.
///
/// **How sure.** High: the catalogue says so.
///
/// **Privilege.** None beyond CONNECT.
///
/// **Example.** `order_lines.order_id REFERENCES orders`, and a nightly job that deletes old orders.
pub struct UnindexedForeignKey;

thresholds! {
    /// When `unindexed_foreign_key` speaks.
    UnindexedForeignKeyThresholds {
        /// Rows of the child table. A smaller one is read whole in no time.
        least_rows: Count = 1_000,
    }
}

impl Detector for UnindexedForeignKey {
    fn name(&self) -> &'static str {
        "unindexed_foreign_key"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let least = inputs.settings.of.unindexed_foreign_key.least_rows as f64;
        tables(inputs)
            .filter(|place| place.table.rows >= least)
            .flat_map(|place| {
                let keys = place.table.foreign_keys.iter();
                keys.filter(move |key| {
                    !place.table.indexes.iter().any(|index| index.valid && serves(index, key))
                })
                .map(move |key| (place, key))
            })
            .map(|(place, key)| self.finding(place, key))
            .collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unread(self.name(), &[Needs::Upkeep], inputs)
    }
}

/// Whether the index finds the rows that refer to a parent.
pub(super) fn serves(index: &IndexFacts, key: &ForeignKeyFacts) -> bool {
    let wanted = &key.columns;
    let whole = index.predicate.as_deref().is_none_or(|predicate| {
        // NULL refers to nothing.
        wanted.iter().any(|column| {
            let plain = predicate.trim_matches(['(', ')']);
            plain == format!("{column} IS NOT NULL") || plain == format!("\"{column}\" IS NOT NULL")
        })
    });
    whole
        && !wanted.is_empty()
        && (index.method == "btree" || (index.method == "hash" && wanted.len() == 1))
        && index.columns.len() >= wanted.len()
        && index.columns[..wanted.len()].iter().all(|column| wanted.contains(column))
}

impl UnindexedForeignKey {
    fn finding(&self, place: Place<'_>, key: &ForeignKeyFacts) -> Finding {
        let table = place.table;
        let parent = format!("{}.{}", key.parent_schema, key.parent_table);
        let columns = key.columns.join(", ");
        let deleted = key.parent_deleted > 0;
        let title = format!("{} has no index on its foreign key ({columns})", place.table_name());
        let why = if deleted {
            format!(
                "{} rows were deleted from {parent}; for each of them the server read {} rows of \
                 {} to see whether one refers to it",
                count(key.parent_deleted as f64),
                count(table.rows),
                place.table_name()
            )
        } else {
            format!(
                "A row deleted from {parent}, or one whose key changes, makes the server read all \
                 {} rows of {}; none was deleted so far",
                count(table.rows),
                place.table_name()
            )
        };
        let candidate = IndexCandidate {
            schema: table.schema.clone(),
            table: table.name.clone(),
            columns: key.columns.clone(),
            ..IndexCandidate::default()
        };
        let severity = if deleted { Severity::Warning } else { Severity::Info };
        Finding {
            evidence: BTreeMap::from([
                ("foreign_key".to_owned(), key.name.as_str().into()),
                ("parent".to_owned(), parent.into()),
                ("parent_rows_deleted".to_owned(), key.parent_deleted.into()),
                ("table_rows".to_owned(), (table.rows.max(0.0) as u64).into()),
            ]),
            estimate: BTreeMap::from([(
                "index_bytes".to_owned(),
                (index_bytes(table, &candidate) as u64).into(),
            )]),
            fix: place.build_index(&candidate),
            ..place.finding(self.name(), severity, title, why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Scene, index, shop, table};

    fn detect(rows: f64, deleted: u64, indexes: &[IndexFacts]) -> Vec<Finding> {
        let mut scene = Scene::new();
        let mut lines = table("lines", rows, &[("id", -1.0), ("order_id", 900.0), ("no", 9.0)]);
        lines.indexes.extend_from_slice(indexes);
        lines.foreign_keys.push(ForeignKeyFacts {
            name: "lines_order".to_owned(),
            columns: vec!["order_id".to_owned()],
            parent_schema: "public".to_owned(),
            parent_table: "orders".to_owned(),
            parent_deleted: deleted,
        });
        scene.catalog.databases.insert("shop".to_owned(), shop(vec![lines]));
        scene.look(|inputs| UnindexedForeignKey.detect(inputs))
    }

    #[test]
    fn it_is_a_warning_where_the_parent_is_deleted_from() {
        let findings = detect(1e6, 7, &[]);
        assert_eq!(findings[0].severity, Severity::Warning);
        let sql = "CREATE INDEX CONCURRENTLY lines_order_id_idx ON public.lines (order_id);";
        assert_eq!(findings[0].fix.sql.as_deref(), Some(sql));
        let undo = "DROP INDEX CONCURRENTLY public.lines_order_id_idx;";
        assert_eq!(findings[0].fix.undo.as_deref(), Some(undo));
        assert_eq!(detect(1e6, 0, &[])[0].severity, Severity::Info);
    }

    #[test]
    fn an_index_that_begins_with_the_key_serves() {
        assert!(detect(1e6, 7, &[index(&["order_id", "no"])]).is_empty());
        let present = Some("(order_id IS NOT NULL)".to_owned());
        assert!(
            detect(1e6, 7, &[IndexFacts { predicate: present, ..index(&["order_id"]) }]).is_empty()
        );
        assert!(detect(900.0, 7, &[]).is_empty(), "a small table");
    }

    #[test]
    fn one_that_does_not_begin_with_it_or_is_invalid_does_not() {
        assert_eq!(detect(1e6, 7, &[index(&["no", "order_id"])]).len(), 1);
        assert_eq!(detect(1e6, 7, &[IndexFacts { valid: false, ..index(&["order_id"]) }]).len(), 1);
        let some = Some("no = 1".to_owned());
        assert_eq!(
            detect(1e6, 7, &[IndexFacts { predicate: some, ..index(&["order_id"]) }]).len(),
            1
        );
    }
}
