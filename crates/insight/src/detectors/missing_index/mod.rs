mod judge;
mod merge;
mod thresholds;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Confidence, DatabaseFacts, Finding, Fix, NotChecked, Severity};

use super::catalogue::{Needs, Place, unread};
use super::finding::change;
use super::schema::repair;
use super::{Detector, Inputs, runbook};
use crate::advisor::{index_bytes, proposals};
use crate::wording::{count, duration_ms, percent};
use judge::{Wish, judge};
use merge::{Group, merge};
use upkeep::upkeep_ms;

pub use thresholds::MissingIndexThresholds;

/// # `missing_index`: a statement reads a table whole to find a few rows
///
/// **What it sees.** The columns that a statement compares with values or joins by, and the order
/// that a `LIMIT` asks for; the table's size and statistics; and what the server's planner says
/// of the statement with the very values that a client sent. With HypoPG the planner is asked once
/// more with each index imagined, and the index must make the plan at least twice as cheap. An
/// index is named only if its statements take a hundredth of all database time or more, and only
/// if no index at hand, valid and not partial, does the work already; what the rows written in the
/// same time would cost more (0.02 ms each) is taken off. What several statements want is one index.
///
/// **Why it hurts.** Reading a table whole takes time in proportion to its size: it gets slower
/// every day, and keeps a connection, a processor and the buffer cache from everyone else.
///
/// **How to fix.** Create the index, `CONCURRENTLY`, so that nobody has to wait meanwhile; of a
/// partitioned table on each partition, then attached to one that was made `ON ONLY` the table. It takes
/// room, and each write to the table maintains it. The finding goes when the index is there; the
/// profile then shows what it did.
///
/// **How sure.** High: the planner would use it and halves its cost (HypoPG). Medium: the planner
/// now reads the table whole, which is most of the cost, and expects few rows of it. Low: there is
/// no plan; the statistics alone say so.
///
/// **Privilege.** None beyond CONNECT for the statistics of tables; SELECT on them (or
/// `pg_read_all_data`) for those of columns, and for the plan.
///
/// **Example.** `SELECT * FROM orders WHERE customer_id = $1` on 1.5 million rows, without an index
/// on `customer_id`.
pub struct MissingIndex;

/// Entries of one kind in the list of what could not be checked.
const NOT_CHECKED_MOST: usize = 5;

/// The database of statements whose clients are no longer told apart.
const OTHERS: &str = "(others)";

impl Detector for MissingIndex {
    fn name(&self) -> &'static str {
        "missing_index"
    }

    fn detect(&self, inputs: &Inputs<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, database) in &inputs.catalog.databases {
            let statements: Vec<_> = inputs
                .workload
                .statements
                .iter()
                .filter(|statement| *statement.database == **name)
                .filter_map(|statement| {
                    let facts = inputs.facts(statement.fingerprint)?;
                    Some((statement, facts))
                })
                .collect();
            let wishes = statements
                .iter()
                .flat_map(|(statement, facts)| {
                    let proposals = proposals(facts, database, inputs.settings);
                    judge(statement, proposals, database, inputs)
                })
                .collect();
            findings.extend(
                merge(wishes)
                    .iter()
                    .filter_map(|group| self.finding(name, database, group, inputs)),
            );
        }
        findings
    }

    fn not_checked(&self, inputs: &Inputs<'_>) -> Vec<NotChecked> {
        let unread = unread(self.name(), &[Needs::Tables], inputs);
        if !unread.is_empty() {
            return unread;
        }
        let mut list = databases_not_checked(inputs);
        list.extend(plans_not_checked(inputs));
        list.extend(statements_not_checked(inputs));
        list
    }
}

impl MissingIndex {
    fn finding(
        &self,
        name: &str,
        database: &DatabaseFacts,
        group: &Group<'_>,
        inputs: &Inputs<'_>,
    ) -> Option<Finding> {
        let lead = group.lead();
        let proposal = &lead.proposal;
        let taken_ms = group.database_ms();
        let place = Place { name, database, table: proposal.table };
        let upkeep_ms = upkeep_ms(place, inputs);
        let saved_ms = group.saved_ms() - upkeep_ms;
        let share = inputs.workload.share(taken_ms);
        let thresholds = &inputs.settings.of.missing_index;
        if share < thresholds.least_ratio || saved_ms < thresholds.least_saving.as_secs_f64() * 1e3
        {
            return None;
        }
        let table = proposal.table;
        let columns = group.candidate.columns.join(", ");
        let title = match proposal.invalid {
            Some(index) => format!(
                "{}.{} has no valid index on ({columns}): {} is {}",
                table.schema,
                table.name,
                index.name,
                if index.building { "being built" } else { "not valid" }
            ),
            None => format!("{}.{} has no index on ({columns})", table.schema, table.name),
        };
        let is_coming = proposal.invalid.is_some_and(|index| index.building);
        let calls = group.calls();
        let why = format!(
            "{} calls of {} each looked through {} rows {}; they took {}, {} of all time in the \
             database",
            count(calls as f64),
            match group.members.len() {
                1 => "this statement".to_owned(),
                n => format!("{n} statements"),
            },
            count(table.rows),
            found(proposal.rows_left, proposal.ordered),
            duration_ms(taken_ms),
            percent(share),
        );
        Some(Finding {
            detector: self.name().to_owned(),
            severity: if is_coming { Severity::Info } else { Severity::Warning },
            title,
            why,
            evidence: evidence(group, share, upkeep_ms),
            fingerprints: group.fingerprints(),
            tables: vec![format!("{}.{}", table.schema, table.name)],
            database: Some(name.to_owned()),
            fix: fix(group, place),
            estimate: estimate(group, saved_ms),
            confidence: lead.confidence,
            runbook: runbook(self.name()),
            harm_ms: saved_ms,
        })
    }
}

fn found(rows_left: Option<f64>, ordered: bool) -> String {
    match rows_left {
        Some(rows) if rows < 1.5 => "to find one".to_owned(),
        Some(rows) => format!("to find about {}", count(rows)),
        None if ordered => "to find the first few in order".to_owned(),
        None => "to find a part of them".to_owned(),
    }
}

fn evidence(group: &Group<'_>, share: f64, upkeep_ms: f64) -> BTreeMap<String, model::Evidence> {
    let lead = group.lead();
    let stats = &lead.statement.stats;
    let table = lead.proposal.table;
    let mut evidence = BTreeMap::from([
        ("calls".to_owned(), group.calls().into()),
        ("total_ms".to_owned(), group.database_ms().into()),
        ("mean_ms".to_owned(), stats.total.mean_ms().into()),
        ("p95_ms".to_owned(), stats.total.quantile_ms(0.95).into()),
        ("share_of_time_ratio".to_owned(), share.into()),
        ("table_rows".to_owned(), (table.rows.max(0.0) as u64).into()),
        ("table_bytes".to_owned(), table.bytes.into()),
        ("table_writes".to_owned(), table.writes.into()),
    ]);
    if upkeep_ms > 0.0 {
        evidence.insert("estimated_upkeep_ms".to_owned(), upkeep_ms.into());
    }
    if let Some(rows) = lead.proposal.rows_left {
        evidence.insert("rows_found".to_owned(), rows.into());
    }
    if let Some(cost) = lead.cost_before {
        evidence.insert("estimated_cost_before".to_owned(), cost.into());
    }
    if let Some(cost) = lead.cost_after {
        evidence.insert("estimated_cost_after".to_owned(), cost.into());
    }
    evidence
}

fn fix(group: &Group<'_>, place: Place<'_>) -> Fix {
    let Some(index) = group.lead().proposal.invalid else {
        return place.build_index(&group.candidate);
    };
    if index.building {
        return change(
            "It may be being built right now (pg_stat_progress_create_index): wait until that is done. \
             If it is not and stays invalid, building it failed.",
        );
    }
    repair(place, index)
}

fn estimate(group: &Group<'_>, saved_ms: f64) -> BTreeMap<String, model::Evidence> {
    let lead = group.lead();
    let table = lead.proposal.table;
    let bytes = match lead.index_bytes {
        Some(bytes) => bytes as f64,
        None => index_bytes(table, &group.candidate),
    };
    let mut estimate = BTreeMap::from([
        ("saved_ms".to_owned(), saved_ms.into()),
        ("index_bytes".to_owned(), (bytes as u64).into()),
    ]);
    if let (Some(before), Some(after)) = (lead.cost_before, lead.cost_after)
        && before > 0.0
    {
        estimate.insert("cost_ratio".to_owned(), (after / before).into());
    }
    estimate
}

fn databases_not_checked(inputs: &Inputs<'_>) -> Vec<NotChecked> {
    let used: BTreeSet<&Arc<str>> =
        inputs.workload.statements.iter().map(|statement| &statement.database).collect();
    used.into_iter()
        .filter(|name| &***name != OTHERS)
        .filter_map(|name| match inputs.catalog.databases.get(&**name) {
            Some(database) if database.hypopg => None,
            Some(_) => Some(NotChecked {
                check: format!("missing_index: what-if planning in {name}"),
                why: "HypoPG is not there; with CREATE EXTENSION hypopg each advice would be \
                      tried by the planner first. Until then it rests on plans and statistics"
                    .to_owned(),
            }),
            None => Some(NotChecked {
                check: format!("missing_index in {name}"),
                why: "its catalogue was not read".to_owned(),
            }),
        })
        .take(NOT_CHECKED_MOST)
        .collect()
}

fn plans_not_checked(inputs: &Inputs<'_>) -> Vec<NotChecked> {
    inputs
        .workload
        .statements
        .iter()
        .filter_map(|statement| {
            let database = inputs.catalog.databases.get(&*statement.database)?;
            let problem = database.plans.get(&statement.fingerprint)?.problem.as_ref()?;
            Some(NotChecked {
                check: format!("missing_index: the plan of {}", statement.fingerprint),
                why: format!("EXPLAIN failed: {problem}"),
            })
        })
        .take(NOT_CHECKED_MOST)
        .collect()
}

/// Statements that matter and that the parser could not read.
fn statements_not_checked(inputs: &Inputs<'_>) -> Vec<NotChecked> {
    inputs
        .workload
        .statements
        .iter()
        .filter(|statement| {
            let share = inputs.workload.share(statement.database_ms());
            let info = inputs.snapshot.shapes.get(&statement.fingerprint);
            share >= inputs.settings.of.missing_index.least_ratio
                && info.is_some_and(|info| {
                    info.parsed == Some(false)
                        && matches!(&*info.class, "SELECT" | "UPDATE" | "DELETE" | "INSERT")
                })
        })
        .take(NOT_CHECKED_MOST)
        .map(|statement| NotChecked {
            check: format!("missing_index: statement {}", statement.fingerprint),
            why: "the SQL parser cannot read it; look at its EXPLAIN by hand".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
