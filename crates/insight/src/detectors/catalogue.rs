//! What detectors that read the catalogue have in common.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use model::{
    Confidence, DatabaseFacts, Finding, Fix, IndexCandidate, IndexFacts, NotChecked, ServerFacts,
    Severity, TableFacts, TableKind,
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

/// That nothing was looked at, where the catalogue was not read at all.
pub(super) fn unread(detector: &str, inputs: &Inputs<'_>) -> Vec<NotChecked> {
    if inputs.catalog.read_at.is_some() {
        return Vec::new();
    }
    vec![NotChecked {
        check: detector.to_owned(),
        why: "the catalogue was not read (yet); it is read within seconds of the first traffic, \
              and the report says why if not"
            .to_owned(),
    }]
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
    use super::list;

    #[test]
    fn names_in_a_sentence() {
        let names = ["a", "b", "c", "d"].map(str::to_owned);
        assert_eq!(list(&names[..1], 2), "a");
        assert_eq!(list(&names[..2], 2), "a and b");
        assert_eq!(list(&names, 2), "a, b and 2 more");
    }
}
