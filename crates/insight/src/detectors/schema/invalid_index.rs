use std::collections::BTreeMap;

use model::{Finding, Fix, IndexFacts, NotChecked, Severity, TableKind};

use crate::detectors::catalogue::{Needs, Place, tables, unread};
use crate::detectors::{Detector, Inputs};
use crate::wording::{bytes, count};

/// # `invalid_index`: an index is written and cannot be read
///
/// **What it sees.** Indexes that the server has marked invalid (`pg_index.indisvalid`) while
/// nobody is building them: what a CREATE INDEX CONCURRENTLY or a REINDEX CONCURRENTLY leaves behind
/// that was cancelled, or failed on a duplicate or on a deadlock.
///
/// **Why it hurts.** No query uses it, so that whoever made it waits for what it should speed up; yet
/// every write maintains it. A unique one guards nothing.
///
/// **How to fix.** Build it again, `CONCURRENTLY`; of a unique one remove the duplicates first. What
/// a REINDEX left (its name ends with `_ccnew` or `_ccold`) is dropped.
///
/// **How sure.** High: the catalogue says so.
///
/// **Privilege.** None beyond CONNECT.
///
/// **Example.** `CREATE UNIQUE INDEX CONCURRENTLY users_email ON users (email)` failed with 23505
/// last month, and nobody looked.
pub struct InvalidIndex;

impl Detector for InvalidIndex {
    fn name(&self) -> &'static str {
        "invalid_index"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        tables(inputs)
            .flat_map(|place| {
                let indexes = place.table.indexes.iter();
                indexes.filter(|index| !index.valid && !index.building).map(move |i| (place, i))
            })
            .map(|(place, index)| self.finding(place, index))
            .collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        unread(self.name(), &[Needs::Tables], inputs)
    }
}

impl InvalidIndex {
    fn finding(&self, place: Place<'_>, index: &IndexFacts) -> Finding {
        let title = format!(
            "{}index {} of {} is not valid",
            if index.unique { "unique " } else { "" },
            index.name,
            place.table_name()
        );
        let why = format!(
            "No query can use it{}, while each of {} writes so far maintained it; it takes {}",
            if index.unique { " and duplicates are not refused for sure" } else { "" },
            count(place.table.writes as f64),
            bytes(index.bytes as f64)
        );
        Finding {
            evidence: BTreeMap::from([
                ("index".to_owned(), index.name.as_str().into()),
                ("index_bytes".to_owned(), index.bytes.into()),
                ("table_writes".to_owned(), place.table.writes.into()),
            ]),
            fix: repair(place, index),
            ..place.finding(self.name(), Severity::Warning, title, why)
        }
    }
}

/// Builds an invalid index again, or drops what a REINDEX left behind.
pub(in crate::detectors) fn repair(place: Place<'_>, index: &IndexFacts) -> Fix {
    let name = place.index_sql(index);
    if place.table.upkeep.kind == TableKind::Partitioned {
        let advice = "It becomes valid when every partition has a valid index attached to it \
                      (ALTER INDEX … ATTACH PARTITION); look which partition lacks one.";
        return Fix { advice: Some(advice.to_owned()), ..Fix::default() };
    }
    let left_over = ["_ccnew", "_ccold"]
        .iter()
        .any(|ending| index.name.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with(ending));
    if left_over {
        let advice = "A REINDEX CONCURRENTLY left it behind; the index that it was to replace is \
                      there. There is nothing to take back.";
        return Fix {
            sql: Some(format!("DROP INDEX CONCURRENTLY {name};")),
            undo: None,
            advice: Some(advice.to_owned()),
        };
    }
    let advice = index.unique.then(|| {
        format!(
            "If building it failed on duplicates it will fail again: find them first (SELECT {0} \
             FROM {1} GROUP BY {0} HAVING count(*) > 1).",
            index.columns.join(", "),
            place.table_sql()
        )
    });
    Fix {
        sql: Some(format!("REINDEX INDEX CONCURRENTLY {name};")),
        undo: Some(format!("DROP INDEX CONCURRENTLY {name};")),
        advice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{Scene, index, shop, table};

    fn detect(index: IndexFacts) -> Vec<Finding> {
        let mut scene = Scene::new();
        let mut users = table("users", 1e6, &[("id", -1.0), ("email", -1.0)]);
        users.indexes.push(index);
        scene.catalog.databases.insert("shop".to_owned(), shop(vec![users]));
        scene.look(|inputs| InvalidIndex.detect(inputs))
    }

    fn invalid(name: &str) -> IndexFacts {
        IndexFacts { name: name.to_owned(), valid: false, ..index(&["email"]) }
    }

    #[test]
    fn it_is_built_again_or_dropped_where_a_reindex_left_it() {
        let sql = |index| detect(index)[0].fix.sql.clone().unwrap_or_default();
        assert_eq!(sql(invalid("Email")), "REINDEX INDEX CONCURRENTLY public.\"Email\";");
        assert_eq!(sql(invalid("e_ccnew1")), "DROP INDEX CONCURRENTLY public.e_ccnew1;");
        let unique = detect(IndexFacts { unique: true, ..invalid("e") });
        assert!(unique[0].fix.advice.as_ref().is_some_and(|said| said.contains("duplicates")));
    }

    #[test]
    fn one_that_is_being_built_is_no_finding() {
        assert!(detect(IndexFacts { building: true, ..invalid("e") }).is_empty());
        assert!(detect(index(&["email"])).is_empty());
    }
}
