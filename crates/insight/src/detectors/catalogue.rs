//! What detectors that read the catalogue have in common.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use model::{
    CatalogPart, Confidence, DatabaseFacts, Finding, Fix, IndexCandidate, IndexFacts, NotChecked,
    ServerFacts, Severity, TableFacts, TableKind,
};

use super::{Inputs, runbook};
use crate::advisor::{build_and_undo, drop_and_undo, is_partitioned, quoted};

/// What dropping an index of a partitioned table does to others, and building it again.
const PARTITIONED_DROP: &str = "The table is partitioned, so that neither knows CONCURRENTLY: dropping \
    waits for all who use the table and lets nobody else begin (SET lock_timeout before it); building it \
    again stops writes to all partitions until it is done.";

/// A table, and where it is.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The database, as clients call it.
    pub(super) name: &'a str,
    pub(super) database: &'a DatabaseFacts,
    pub(super) table: &'a TableFacts,
}

impl<'a> Place<'a> {
    /// `schema.table`, to be read.
    pub(super) fn table_name(&self) -> String {
        format!("{}.{}", self.table.schema, self.table.name)
    }

    /// `schema.table`, as SQL.
    pub(super) fn table_sql(&self) -> String {
        format!("{}.{}", quoted(&self.table.schema), quoted(&self.table.name))
    }

    /// The index's name, as SQL. An index is in its table's schema.
    pub(super) fn index_sql(&self, index: &IndexFacts) -> String {
        format!("{}.{}", quoted(&self.table.schema), quoted(&index.name))
    }

    /// Statements on indexes of partitioned tables know no CONCURRENTLY.
    pub(super) fn concurrently(&self) -> &'static str {
        if self.table.upkeep.kind == TableKind::Partitioned { "" } else { "CONCURRENTLY " }
    }

    /// Drops `index`, and makes it again.
    pub(super) fn drop_index(&self, index: &IndexFacts) -> Fix {
        let (sql, undo) = drop_and_undo(self.table, index);
        let advice = is_partitioned(self.table).then(|| PARTITIONED_DROP.to_owned());
        Fix { sql: Some(sql), undo, advice }
    }

    /// Builds the index.
    pub(super) fn build_index(&self, candidate: &IndexCandidate) -> Fix {
        let (sql, undo) = build_and_undo(candidate, self.database);
        Fix { sql: Some(sql), undo: Some(undo), advice: None }
    }

    pub(super) fn server(&self, inputs: &Inputs<'a>) -> Option<&'a ServerFacts> {
        inputs.catalog.servers.get(&self.database.server)
    }

    /// A finding about the table, without evidence and fix.
    pub(super) fn finding(
        &self,
        detector: &str,
        severity: Severity,
        title: String,
        why: String,
    ) -> Finding {
        Finding {
            tables: vec![self.table_name()],
            database: Some(self.name.to_owned()),
            ..finding(detector, severity, title, why)
        }
    }
}

/// A finding without evidence and fix.
pub(super) fn finding(detector: &str, severity: Severity, title: String, why: String) -> Finding {
    Finding {
        detector: detector.to_owned(),
        severity,
        title,
        why,
        evidence: BTreeMap::new(),
        fingerprints: Vec::new(),
        tables: Vec::new(),
        database: None,
        fix: Fix::default(),
        estimate: BTreeMap::new(),
        confidence: Confidence::High,
        runbook: runbook(detector),
        harm_ms: 0.0,
    }
}

/// All tables of all databases.
pub(super) fn tables<'a>(inputs: &Inputs<'a>) -> impl Iterator<Item = Place<'a>> {
    let catalog = inputs.catalog;
    catalog.databases.iter().flat_map(|(name, database)| {
        database.tables.iter().map(move |table| Place { name, database, table })
    })
}

/// What a check reads, without which it sees nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Tables, their columns and indexes.
    Tables,
    /// The upkeep of tables and of databases, and foreign keys.
    Upkeep,
    /// Sequences.
    Sequences,
    /// The server's settings, checkpoints, replicas, and who holds VACUUM back.
    Server,
    /// Who waits for a lock.
    Locks,
}

/// What is older says nothing of now. Readings follow each other within seconds, or minutes where
/// the server is slow.
const STALE: Duration = Duration::from_secs(15 * 60);

impl Needs {
    /// Whether it was not read.
    fn lacks(self, database: &DatabaseFacts, inputs: &Inputs<'_>) -> bool {
        let server = inputs.catalog.servers.get(&database.server);
        let stale = |then: Option<Timestamp>| then.is_none_or(|then| since(then, inputs) > STALE);
        match self {
            Self::Tables => false,
            Self::Upkeep => database.unread.contains(&CatalogPart::Upkeep),
            Self::Sequences => database.unread.contains(&CatalogPart::Sequences),
            Self::Server => stale(server.and_then(|server| server.read_at)),
            Self::Locks => stale(server.and_then(|server| server.locks_read_at)),
        }
    }

    fn named(self) -> &'static str {
        match self {
            Self::Tables => "its tables",
            Self::Upkeep => "the upkeep of its tables",
            Self::Sequences => "its sequences",
            Self::Server => "the state of its server",
            Self::Locks => "who waits for locks on its server",
        }
    }
}

/// That nothing was looked at, where what the check needs was not read: of no database, or of some.
pub(super) fn unread(detector: &str, needs: &[Needs], inputs: &Inputs<'_>) -> Vec<NotChecked> {
    let databases = &inputs.catalog.databases;
    if inputs.catalog.read_at.is_none() || databases.is_empty() {
        return vec![NotChecked {
            check: detector.to_owned(),
            why: "the catalogue was not read (yet); it is read within seconds of the first \
                  traffic, and the report says why if not"
                .to_owned(),
        }];
    }
    let lacking: Vec<(&String, Needs)> = databases
        .iter()
        .filter_map(|(name, database)| {
            let lacks = needs.iter().find(|needs| needs.lacks(database, inputs))?;
            Some((name, *lacks))
        })
        .collect();
    let all = lacking.len() == databases.len();
    lacking
        .iter()
        .take(if all { 1 } else { lacking.len() })
        .map(|(name, needs)| NotChecked {
            check: if all { detector.to_owned() } else { format!("{detector} in {name}") },
            why: format!("{} could not be read (yet)", needs.named()),
        })
        .collect()
}

/// That a part of a check needs to see other roles' sessions, for each server where the role of
/// pgweir does not.
pub(super) fn blind(
    detector: &str,
    part: &str,
    buys: &str,
    inputs: &Inputs<'_>,
) -> Vec<NotChecked> {
    let servers = inputs.catalog.servers.iter();
    servers
        .filter(|(_, server)| server.read_at.is_some() && !server.sees_sessions)
        .map(|(name, server)| NotChecked {
            check: format!("{detector}: {part} on {name}"),
            why: format!(
                "role {} does not see the sessions of others; GRANT pg_monitor TO {}; would {buys}",
                server.role,
                quoted(&server.role)
            ),
        })
        .collect()
}

/// How long ago it was, zero where it lies in the future.
pub(super) fn since(then: Timestamp, inputs: &Inputs<'_>) -> Duration {
    Duration::try_from(inputs.snapshot.taken_at.duration_since(then)).unwrap_or_default()
}

/// Whether it was longer ago than `least`, or never.
pub(super) fn longer_ago(then: Option<Timestamp>, least: Duration, inputs: &Inputs<'_>) -> bool {
    then.is_none_or(|then| since(then, inputs) >= least)
}

/// `2026-11-23 20:15`, UTC.
pub(super) fn day_and_minute(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The indexes that queries may use for all rows of the table.
pub(super) fn is_whole(index: &IndexFacts) -> bool {
    index.valid && index.predicate.is_none()
}

/// Names in a sentence: `a`, `a and b`, `a, b and 3 more`.
pub(super) fn list(names: &[String], most: usize) -> String {
    let mut shown: Vec<String> = names.iter().take(most).cloned().collect();
    let rest = names.len().saturating_sub(most);
    if rest > 0 {
        shown.push(format!("{rest} more"));
    }
    match shown.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::{all, run};
    use crate::scene::{Scene, shop};

    /// What is said to be checked, and not, in a catalogue.
    fn verdicts(fill: impl FnOnce(&mut model::CatalogFacts)) -> (Vec<String>, Vec<NotChecked>) {
        let mut scene = Scene::new();
        let server = ServerFacts {
            read_at: Some(scene.now()),
            locks_read_at: Some(scene.now()),
            sees_sessions: true,
            ..ServerFacts::default()
        };
        scene.catalog.databases.insert("shop".to_owned(), shop(Vec::new()));
        scene.catalog.servers.insert(String::new(), server);
        fill(&mut scene.catalog);
        scene.look(|inputs| {
            let verdicts = run(&all(), inputs);
            (verdicts.checked, verdicts.not_checked)
        })
    }

    #[test]
    fn what_was_not_read_is_not_said_to_be_checked() {
        let (whole, _) = verdicts(|_| {});
        let lost = |fill: fn(&mut model::CatalogFacts)| {
            let (checked, not_checked) = verdicts(fill);
            let lost: Vec<String> =
                whole.iter().filter(|name| !checked.contains(name)).cloned().collect();
            for name in &lost {
                assert!(not_checked.iter().any(|one| one.check == *name), "{name}");
            }
            lost.join(" ")
        };
        assert_eq!(
            lost(|catalog| catalog.servers.clear()),
            "blocking_chain replication_lag requested_checkpoints vacuum_lag"
        );
        let without = |part| {
            move |catalog: &mut model::CatalogFacts| {
                let shop = catalog.databases.get_mut("shop");
                shop.expect("it is there").unread.insert(part);
            }
        };
        let (checked, _) = verdicts(without(CatalogPart::Upkeep));
        for name in [
            "wraparound",
            "stale_statistics",
            "unindexed_foreign_key",
            "missing_primary_key",
            "unused_index",
            "cache_hit_ratio",
            "bloat",
            "vacuum_lag",
        ] {
            assert!(whole.contains(&name.to_owned()) && !checked.contains(&name.to_owned()));
        }
        let (checked, _) = verdicts(without(CatalogPart::Sequences));
        assert!(!checked.contains(&"sequence_exhaustion".to_owned()));
        let unread = lost(|catalog| catalog.databases.clear());
        for name in [
            "function_on_column",
            "or_across_columns",
            "bind_type_mismatch",
            "not_in_nullable",
            "missing_index",
            "duplicate_index",
            "sequential_scan",
        ] {
            assert!(unread.split(' ').any(|lost| lost == name), "{name} not in {unread}");
        }
    }

    #[test]
    fn one_database_of_two_is_named() {
        let (checked, not_checked) = verdicts(|catalog| {
            let unread = [CatalogPart::Upkeep].into();
            let other = DatabaseFacts { unread, ..shop(Vec::new()) };
            catalog.databases.insert("other".to_owned(), other);
        });
        assert!(checked.contains(&"wraparound".to_owned()));
        assert!(not_checked.iter().any(|one| one.check == "wraparound in other"));
    }

    #[test]
    fn names_in_a_sentence() {
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        assert_eq!(list(&names[..1], 2), "a");
        assert_eq!(list(&names[..2], 2), "a and b");
        assert_eq!(list(&names, 2), "a, b and 2 more");
    }
}
