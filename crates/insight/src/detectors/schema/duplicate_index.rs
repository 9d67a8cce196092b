use std::collections::BTreeMap;

use model::{Finding, IndexFacts, NotChecked, Severity, TableFacts};

use crate::detectors::catalogue::{Needs, Place, tables, unread};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{bytes, count};

/// # `duplicate_index`: another index does all that this one does
///
/// **What it sees.** Two indexes of one table with the same columns in the same order (the same
/// operator classes, collations and directions, the same predicate), or one whose columns are the
/// first columns of the other. A unique index, and one that a constraint, replication or CLUSTER
/// relies on, is never the one to go; nor is a narrow one whose wide twin is several times larger,
/// because that is slower to read.
///
/// **Why it hurts.** Every write pays for both; both take room on disk and in memory.
///
/// **How to fix.** Drop the one that is named, `CONCURRENTLY`. The finding holds the SQL that makes
/// it again. What used it uses the other from then on.
///
/// **How sure.** High: the catalogue says so.
///
/// **Privilege.** None beyond CONNECT.
///
/// **Example.** `orders_customer_idx (customer_id)` beside
/// `orders_customer_at_idx (customer_id, created_at)`.
pub struct DuplicateIndex;

thresholds! {
    /// When `duplicate_index` speaks.
    DuplicateIndexThresholds {
        /// Rows of the table. In a small one nothing costs anything.
        least_rows: Count = 1_000,
    }
}

/// A wide index this many times as large as the narrow one does not replace it.
pub(crate) const MOST_TIMES_LARGER: u64 = 3;

impl Detector for DuplicateIndex {
    fn name(&self) -> &'static str {
        "duplicate_index"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let least = inputs.settings.of.duplicate_index.least_rows as f64;
        tables(inputs)
            .filter(|place| place.table.rows >= least && !place.table.upkeep.partition)
            .flat_map(|place| {
                let indexes = place.table.indexes.iter();
                indexes
                    .filter_map(move |index| Some((place, index, redundant(place.table, index)?)))
            })
            .map(|(place, index, kept)| self.finding(place, index, kept))
            .collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unread(self.name(), &[Needs::Tables], inputs)
    }
}

impl DuplicateIndex {
    fn finding(&self, place: Place<'_>, index: &IndexFacts, kept: &IndexFacts) -> Finding {
        let title = format!(
            "index {} of {} does nothing that {} does not",
            index.name,
            place.table_name(),
            kept.name
        );
        let why = format!(
            "({}) is {} ({}); each of {} writes so far kept both up to date, and the surplus one \
             takes {}",
            index.columns.join(", "),
            if index.columns.len() == kept.columns.len() { "also" } else { "the beginning of" },
            kept.columns.join(", "),
            count(place.table.writes as f64),
            bytes(index.bytes as f64)
        );
        Finding {
            evidence: BTreeMap::from([
                ("index".to_owned(), index.name.as_str().into()),
                ("kept_index".to_owned(), kept.name.as_str().into()),
                ("index_bytes".to_owned(), index.bytes.into()),
                ("scans".to_owned(), index.scans.into()),
                ("table_writes".to_owned(), place.table.writes.into()),
            ]),
            estimate: BTreeMap::from([("freed_bytes".to_owned(), index.bytes.into())]),
            fix: place.drop_index(index),
            ..place.finding(self.name(), Severity::Warning, title, why)
        }
    }
}

/// The index that makes `index` superfluous, if one does. Of two that are alike only one is.
pub(crate) fn redundant<'a>(table: &'a TableFacts, index: &IndexFacts) -> Option<&'a IndexFacts> {
    if index.unique || index.primary || index.relied_on || !index.valid {
        return None;
    }
    table.indexes.iter().filter(|other| other.name != index.name).find(|other| {
        replaces(other, index) && (!replaces(index, other) || is_kept_before(other, index))
    })
}

fn replaces(wide: &IndexFacts, narrow: &IndexFacts) -> bool {
    let same_width = wide.columns.len() == narrow.columns.len();
    wide.valid
        && wide.method == narrow.method
        && wide.predicate == narrow.predicate
        && (same_width || narrow.method == "btree")
        && wide.columns.starts_with(&narrow.columns)
        && wide.key_options.starts_with(&narrow.key_options)
        && narrow.include.iter().all(|column| {
            wide.include.contains(column) || (same_width && wide.columns.contains(column))
        })
        && wide.bytes <= narrow.bytes.saturating_mul(MOST_TIMES_LARGER)
}

/// Which of two that are alike stays: what something relies on, then what is used more.
fn is_kept_before(one: &IndexFacts, other: &IndexFacts) -> bool {
    let rank = |index: &IndexFacts| (index.unique || index.relied_on, index.scans);
    match rank(one).cmp(&rank(other)) {
        std::cmp::Ordering::Equal => one.name < other.name,
        order => order.is_gt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Scene, index, shop, table};

    fn detect(indexes: &[IndexFacts]) -> Vec<Finding> {
        let mut scene = Scene::new();
        let mut orders = table("orders", 1e6, &[("id", -1.0), ("a", 900.0), ("b", 90.0)]);
        orders.indexes.extend_from_slice(indexes);
        scene.catalog.databases.insert("shop".to_owned(), shop(vec![orders]));
        scene.look(|inputs| DuplicateIndex.detect(inputs))
    }

    fn named(name: &str, columns: &[&str]) -> IndexFacts {
        IndexFacts { name: name.to_owned(), bytes: 1 << 20, ..index(columns) }
    }

    fn dropped(indexes: &[IndexFacts]) -> Vec<String> {
        let named = |finding: &Finding| finding.fix.sql.clone().unwrap_or_default();
        detect(indexes).iter().map(named).collect()
    }

    #[test]
    fn of_two_alike_the_less_used_goes_and_a_beginning_goes() {
        let used = IndexFacts { scans: 9, ..named("second", &["a"]) };
        let first = "DROP INDEX CONCURRENTLY public.first;";
        assert_eq!(dropped(&[named("first", &["a"]), used]), [first]);
        assert_eq!(dropped(&[named("first", &["a"]), named("wide", &["a", "b"])]), [first]);
        // The primary key is unique, a plain index on its column is not needed.
        let key = IndexFacts { bytes: 1 << 20, ..named("first", &["id"]) };
        assert_eq!(dropped(&[key]), [first]);
    }

    #[test]
    fn what_only_looks_alike_stays() {
        let plain = || named("first", &["a"]);
        let partial = IndexFacts { predicate: Some("b = 1".to_owned()), ..named("p", &["a"]) };
        let descending = IndexFacts { key_options: vec!["1/0/3".to_owned()], ..named("d", &["a"]) };
        let ascending = IndexFacts { key_options: vec!["1/0/0".to_owned()], ..plain() };
        let unique = IndexFacts { unique: true, ..named("u", &["a"]) };
        let broad = IndexFacts { bytes: 4 << 20, ..named("w", &["a", "b"]) };
        let covering = IndexFacts { include: vec!["b".to_owned()], ..named("i", &["a"]) };
        assert!(dropped(&[plain(), partial]).is_empty());
        assert!(dropped(&[ascending, descending]).is_empty());
        assert!(dropped(&[plain(), named("other", &["b", "a"])]).is_empty());
        assert!(dropped(&[plain(), broad]).is_empty(), "too large to take its place");
        assert_eq!(dropped(&[plain(), unique]).len(), 1, "the unique one stays");
        let only_narrow = "DROP INDEX CONCURRENTLY public.first;";
        assert_eq!(dropped(&[plain(), covering]), [only_narrow], "the covering one stays");
    }
}
