use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use model::{
    Confidence, DatabaseFacts, Finding, IndexFacts, NotChecked, ServerFacts, Severity, TableFacts,
};

use super::duplicate_index::redundant;
use super::unindexed_foreign_key::serves;
use crate::detectors::catalogue::{
    Needs, Place, day_and_minute, list as named, since, tables, unread,
};
use crate::detectors::{Detector, Inputs};
use crate::settings::thresholds;
use crate::wording::{bytes, count, duration_ms};

/// # `unused_index`: an index is maintained and never read
///
/// **What it sees.** Indexes that no scan has used since the server began to count
/// (`pg_stat_user_indexes.idx_scan`), on tables that are written. PostgreSQL does not say when an
/// index was made: one counts as unused only when pgweir itself has known it for a day. It leaves out what does a duty
/// without being scanned: primary keys, unique and exclusion constraints, replica identities,
/// indexes that CLUSTER uses, those that a foreign key needs when its parent is deleted from, and the
/// one for whose sake `duplicate_index` calls another superfluous.
///
/// **Why it hurts.** Every INSERT, and most UPDATEs, write the index too; it takes room on disk, in
/// memory, in backups, and makes VACUUM slower.
///
/// **How to fix.** Drop it, `CONCURRENTLY`. The finding holds the SQL that makes it again.
///
/// **How sure.** Medium: the server counted. Low where there are standbys, because what they read is
/// counted there and not here. An index for the end of the year looks unused in November.
///
/// **Privilege.** None beyond CONNECT.
///
/// **Example.** `orders_note_idx`, 240 MB, was written 3,100,000 times since March and never read.
pub struct UnusedIndex;

thresholds! {
    /// When `unused_index` speaks.
    UnusedIndexThresholds {
        /// The server must have counted for so long, and pgweir known the index: a day has all
        /// traffic but the month's end.
        least_age: Duration = Duration::from_secs(24 * 3600),
        /// Size, bytes. What is smaller costs next to nothing.
        least_bytes: Count = 1 << 20,
        /// Rows written to the table meanwhile, because writes are what an index costs.
        least_writes: Count = 1_000,
    }
}

/// Indexes named in a note.
const NAMED: usize = 3;

impl Detector for UnusedIndex {
    fn name(&self) -> &'static str {
        "unused_index"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let (now, least) = (inputs.snapshot.taken_at, &inputs.settings.of.unused_index);
        tables(inputs)
            .flat_map(|place| place.table.indexes.iter().map(move |index| (place, index)))
            .filter(|(place, index)| {
                let counting = Counting { server: place.server(inputs), now, least };
                is_unused(index, place.table, place.database, &counting) && is_known(index, inputs)
            })
            .map(|(place, index)| self.finding(place, index, inputs))
            .collect()
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        let least = inputs.settings.of.unused_index.least_age;
        let mut list = unread(self.name(), &[Needs::Upkeep], inputs);
        for (name, database) in &inputs.catalog.databases {
            let Some(counted) = database.upkeep.counted_since else { continue };
            if since(counted, inputs) < least {
                list.push(NotChecked {
                    check: format!("{} in {name}", self.name()),
                    why: format!(
                        "the server counts scans since {}, which is too short a time to call an \
                         index unused",
                        day_and_minute(counted)
                    ),
                });
            }
        }
        list.extend(new_indexes(inputs).into_iter().map(|(name, indexes)| NotChecked {
            check: format!("{}: new indexes of {name}", self.name()),
            why: format!(
                "no scan has used {}; pgweir has known {} for less than {}, and they may be new",
                named(&indexes, NAMED),
                if indexes.len() == 1 { "it" } else { "them" },
                duration_ms(least.as_secs_f64() * 1e3)
            ),
        }));
        list
    }
}

/// What scans are counted by, and for how long they must have been.
#[derive(Clone, Copy)]
pub(crate) struct Counting<'a> {
    /// The server, where it is known.
    pub(crate) server: Option<&'a ServerFacts>,
    /// When it is asked.
    pub(crate) now: Timestamp,
    /// From when on an index is called unused.
    pub(crate) least: &'a UnusedIndexThresholds,
}

impl Counting<'_> {
    /// Whether the scans of `database` were counted for long enough, and here: on a standby others
    /// are counted than on the primary.
    pub(crate) fn suffices(&self, database: &DatabaseFacts) -> bool {
        let age = |then| Duration::try_from(self.now.duration_since(then)).unwrap_or_default();
        database.upkeep.counted_since.is_some_and(|then| age(then) >= self.least.least_age)
            && self.server.is_none_or(|server| !server.in_recovery)
    }
}

/// Whether nothing reads the index, and nothing but reading wants it.
pub(crate) fn is_unused(
    index: &IndexFacts,
    table: &TableFacts,
    database: &DatabaseFacts,
    counting: &Counting<'_>,
) -> bool {
    let stands_in =
        |other: &IndexFacts| redundant(table, other).is_some_and(|kept| kept.name == index.name);
    index.scans == 0
        && index.valid
        && !index.unique
        && !index.primary
        && !index.relied_on
        && index.bytes >= counting.least.least_bytes
        && table.writes >= counting.least.least_writes
        && !table.upkeep.partition
        && counting.suffices(database)
        && !table.foreign_keys.iter().any(|key| serves(index, key))
        // That finding says more; and it names this one as what is left.
        && redundant(table, index).is_none()
        && !table.indexes.iter().any(stands_in)
}

/// Whether it has been there for long enough.
fn is_known(index: &IndexFacts, inputs: &Inputs<'_>) -> bool {
    let least = inputs.settings.of.unused_index.least_age;
    index.first_seen.is_some_and(|then| since(then, inputs) >= least)
}

/// Of the indexes that no scan has used, those that are too new to be called unused.
fn new_indexes<'a>(inputs: &Inputs<'a>) -> BTreeMap<&'a str, Vec<String>> {
    let (now, least) = (inputs.snapshot.taken_at, &inputs.settings.of.unused_index);
    let mut by_database: BTreeMap<&'a str, Vec<String>> = BTreeMap::new();
    for place in tables(inputs) {
        let counting = Counting { server: place.server(inputs), now, least };
        for index in &place.table.indexes {
            if is_unused(index, place.table, place.database, &counting) && !is_known(index, inputs)
            {
                by_database.entry(place.name).or_default().push(index.name.clone());
            }
        }
    }
    by_database
}

impl UnusedIndex {
    fn finding(&self, place: Place<'_>, index: &IndexFacts, inputs: &Inputs<'_>) -> Finding {
        let counted = place.database.upkeep.counted_since.unwrap_or_default();
        let standbys = place.server(inputs).is_some_and(|server| !server.replicas.is_empty());
        let title = format!(
            "index {} of {} was not used since {}",
            index.name,
            place.table_name(),
            day_and_minute(counted)
        );
        let why = format!(
            "No scan used it, while {} rows of its table were written; it takes {}",
            count(place.table.writes as f64),
            bytes(index.bytes as f64)
        );
        let mut fix = place.drop_index(index);
        if standbys {
            let said = "There are standbys: see that pg_stat_user_indexes.idx_scan is 0 there too, \
                        since they count for themselves.";
            fix.advice = Some(fix.advice.map_or(said.to_owned(), |also| format!("{said} {also}")));
        }
        Finding {
            evidence: BTreeMap::from([
                ("index".to_owned(), index.name.as_str().into()),
                ("index_bytes".to_owned(), index.bytes.into()),
                ("table_writes".to_owned(), place.table.writes.into()),
                ("scans".to_owned(), 0u64.into()),
                ("counted_since".to_owned(), day_and_minute(counted).into()),
            ]),
            estimate: BTreeMap::from([("freed_bytes".to_owned(), index.bytes.into())]),
            fix,
            confidence: if standbys { Confidence::Low } else { Confidence::Medium },
            ..place.finding(self.name(), Severity::Info, title, why)
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{DatabaseUpkeep, ForeignKeyFacts};

    use super::*;
    use crate::scene::{Scene, index, shop, table};

    fn unused() -> TableFacts {
        let note = IndexFacts {
            name: "note".to_owned(),
            bytes: 50 << 20,
            definition: Some("CREATE INDEX note ON public.orders USING btree (note)".to_owned()),
            ..index(&["note"])
        };
        let mut orders = table("orders", 1e6, &[("id", -1.0), ("note", 900.0)]);
        orders.writes = 30_000;
        orders.indexes.push(note);
        orders
    }

    fn detect(counted_s: i64, table: TableFacts) -> Vec<Finding> {
        look(counted_s, 90_000, table).0
    }

    /// What is found, and what is said not to be checked, where the server has counted and pgweir
    /// known the indexes for so long.
    fn look(
        counted_s: i64,
        known_s: i64,
        mut table: TableFacts,
    ) -> (Vec<Finding>, Vec<NotChecked>) {
        let mut scene = Scene::new();
        let seen = scene.now() - jiff::SignedDuration::from_secs(known_s);
        for index in &mut table.indexes {
            index.first_seen = Some(seen);
        }
        let counted = scene.now() - jiff::SignedDuration::from_secs(counted_s);
        let upkeep = DatabaseUpkeep { counted_since: Some(counted), ..DatabaseUpkeep::default() };
        let database = model::DatabaseFacts { upkeep, ..shop(vec![table]) };
        scene.catalog.databases.insert("shop".to_owned(), database);
        scene.look(|inputs| (UnusedIndex.detect(inputs), UnusedIndex.not_checked(inputs)))
    }

    #[test]
    fn one_that_is_only_written_is_found_and_can_be_made_again() {
        let findings = detect(90_000, unused());
        assert_eq!(findings.len(), 1);
        let fix = &findings[0].fix;
        assert_eq!(fix.sql.as_deref(), Some("DROP INDEX CONCURRENTLY public.note;"));
        let undo = "CREATE INDEX CONCURRENTLY note ON public.orders USING btree (note);";
        assert_eq!(fix.undo.as_deref(), Some(undo));
        assert_eq!(findings[0].severity, Severity::Info);
    }

    #[test]
    fn too_short_a_time_a_small_index_and_a_quiet_table_are_no_finding() {
        assert!(detect(80_000, unused()).is_empty());
        let mut small = unused();
        small.indexes[1].bytes = 8192;
        assert!(detect(90_000, small).is_empty());
        assert!(detect(90_000, TableFacts { writes: 10, ..unused() }).is_empty());
    }

    #[test]
    fn one_that_was_made_a_minute_ago_is_not_accused() {
        let (findings, not_checked) = look(90_000, 60, unused());
        assert_eq!(findings, []);
        assert_eq!(not_checked[0].check, "unused_index: new indexes of shop");
        assert!(not_checked[0].why.starts_with("no scan has used note; pgweir has known it for"));
        let mut used = unused();
        used.indexes[1].scans = 1;
        assert_eq!(look(90_000, 60, used).1, []);
        assert_eq!(look(90_000, 90_000, unused()).1, []);
    }

    #[test]
    fn one_that_does_a_duty_is_never_named() {
        let duties: [fn(&mut IndexFacts); 4] = [
            |index| index.unique = true,
            |index| index.relied_on = true,
            |index| index.scans = 1,
            |index| index.valid = false,
        ];
        for duty in duties {
            let mut orders = unused();
            duty(&mut orders.indexes[1]);
            assert!(detect(90_000, orders).is_empty());
        }
        let mut orders = unused();
        orders.foreign_keys.push(ForeignKeyFacts {
            columns: vec!["note".to_owned()],
            ..ForeignKeyFacts::default()
        });
        assert!(detect(90_000, orders).is_empty(), "a foreign key needs it");
    }

    #[test]
    fn what_takes_the_place_of_a_duplicate_stays() {
        let mut orders = unused();
        orders.indexes[1] = IndexFacts { scans: 9, ..orders.indexes[1].clone() };
        let wide = IndexFacts { bytes: 60 << 20, ..index(&["note", "id"]) };
        orders.indexes.push(wide);
        assert!(detect(90_000, orders).is_empty(), "duplicate_index has the narrow one dropped");
    }
}
