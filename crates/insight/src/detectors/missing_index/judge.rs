//! Which of a statement's candidates are worth building, by the best evidence at hand.

use std::collections::BTreeMap;

use model::{Confidence, DatabaseFacts, PlanAnswer, TableFacts, WhatIf};

use super::Inputs;
use crate::StatementTotals;
use crate::advisor::{Proposal, WholeScan, scanned_table, whole_scans};

/// A statement's wish for an index.
#[derive(Clone, Debug)]
pub(super) struct Wish<'a> {
    pub(super) proposal: Proposal<'a>,
    pub(super) statement: &'a StatementTotals,
    pub(super) confidence: super::Confidence,
    pub(super) cost_before: Option<f64>,
    pub(super) cost_after: Option<f64>,
    /// Of the statement's database time, what the index is expected to save, ms.
    pub(super) saved_ms: f64,
    pub(super) index_bytes: Option<u64>,
}

/// A wider index must be this much cheaper than a narrower one.
const WIDER_MUST_SAVE: f64 = 1.1;
/// An index that takes away this share of what a table's scans cost has done what it can, even
/// where another table's scans keep the whole plan from becoming half as cheap.
const MOST_OF_A_SCAN: f64 = 0.8;
/// Without a plan: a statement faster than this, ms, does not read a large table whole.
const LEAST_MEAN_UNPLANNED_MS: f64 = 1.0;
/// Without a plan: the share of the table that equality may leave.
const MOST_KEPT_UNPLANNED: f64 = 0.01;
/// A new statement is given this long, s, to be planned before statistics alone speak.
const PLAN_EXPECTED_WITHIN_S: i64 = 60;
/// How much of the time is expected to be saved where nothing was tried.
const GUESSED_SAVING: f64 = 0.5;

/// At most one wish for each table of the statement.
pub(super) fn judge<'a>(
    statement: &'a StatementTotals,
    proposals: Vec<Proposal<'a>>,
    database: &'a DatabaseFacts,
    inputs: &Inputs<'_>,
) -> Vec<Wish<'a>> {
    let mut by_table: BTreeMap<(&str, &str), Vec<Proposal<'a>>> = BTreeMap::new();
    for proposal in proposals {
        let table = (proposal.table.schema.as_str(), proposal.table.name.as_str());
        by_table.entry(table).or_default().push(proposal);
    }
    let answer = database.plans.get(&statement.fingerprint);
    let case = Case { statement, answer, database, inputs };
    by_table.into_values().filter_map(|proposals| case.judge(proposals)).collect()
}

struct Case<'a, 'i> {
    statement: &'a StatementTotals,
    answer: Option<&'a PlanAnswer>,
    database: &'a DatabaseFacts,
    inputs: &'i Inputs<'i>,
}

impl<'a> Case<'a, '_> {
    fn judge(&self, proposals: Vec<Proposal<'a>>) -> Option<Wish<'a>> {
        let Some((answer, cost)) = self.answer.and_then(|answer| Some((answer, answer.cost?)))
        else {
            return self.by_statistics(proposals);
        };
        let tried: Vec<_> = proposals
            .iter()
            .filter_map(|proposal| {
                let tried = answer.what_if.iter().find(|w| w.candidate == proposal.candidate)?;
                Some((proposal.clone(), tried))
            })
            .collect();
        if tried.is_empty() {
            self.by_plan(proposals, answer, cost)
        } else {
            self.by_what_if(tried, answer, cost)
        }
    }

    /// The planner was asked with the index imagined.
    fn by_what_if(
        &self,
        tried: Vec<(Proposal<'a>, &WhatIf)>,
        answer: &PlanAnswer,
        cost: f64,
    ) -> Option<Wish<'a>> {
        let thresholds = &self.inputs.settings.of.missing_index;
        let table = tried.first().map(|(proposal, _)| proposal.table)?;
        let scan_cost: f64 = self.scans_of(answer, table).iter().map(|scan| scan.cost).sum();
        let pays = |what_if: &WhatIf| {
            let saved = cost - what_if.cost;
            let halves = what_if.cost < cost * thresholds.most_cost_ratio;
            let removes_the_scan = scan_cost >= cost * thresholds.least_scan_ratio
                && saved >= scan_cost * MOST_OF_A_SCAN;
            what_if.used && (halves || removes_the_scan)
        };
        let paying: Vec<_> = tried.into_iter().filter(|(_, what_if)| pays(what_if)).collect();
        let cheapest = paying.iter().map(|(_, w)| w.cost).min_by(f64::total_cmp)?;
        let (proposal, what_if) = paying
            .into_iter()
            .filter(|(_, what_if)| what_if.cost <= cheapest * WIDER_MUST_SAVE)
            .min_by_key(|(proposal, _)| proposal.candidate.columns.len())?;
        Some(Wish {
            saved_ms: self.statement.database_ms() * (1.0 - what_if.cost / cost).clamp(0.0, 1.0),
            proposal,
            statement: self.statement,
            confidence: Confidence::High,
            cost_before: Some(cost),
            cost_after: Some(what_if.cost),
            index_bytes: Some(what_if.bytes),
        })
    }

    /// There is a plan, but no HypoPG.
    fn by_plan(
        &self,
        proposals: Vec<Proposal<'a>>,
        answer: &PlanAnswer,
        cost: f64,
    ) -> Option<Wish<'a>> {
        let thresholds = &self.inputs.settings.of.missing_index;
        let proposal = proposals.into_iter().find(|proposal| {
            let scans = self.scans_of(answer, proposal.table);
            if proposal.joins {
                return !scans.is_empty() && joins_few(answer, proposal, self.database);
            }
            scans.iter().any(|scan| {
                let few = scan.keeps_at_most(thresholds.most_kept_ratio);
                proposal.ordered || (scan.filtered && few)
            })
        })?;
        let scans = self.scans_of(answer, proposal.table);
        let scan_cost: f64 = scans.iter().map(|scan| scan.cost).sum();
        let share = (scan_cost / cost.max(f64::MIN_POSITIVE)).min(1.0);
        if share < thresholds.least_scan_ratio {
            return None;
        }
        let confidence = if proposal.joins { Confidence::Low } else { Confidence::Medium };
        Some(Wish {
            saved_ms: self.statement.database_ms() * share * 0.9,
            proposal,
            statement: self.statement,
            confidence,
            cost_before: Some(cost),
            cost_after: None,
            index_bytes: None,
        })
    }

    /// There is no plan: only what the statistics leave no doubt of.
    fn by_statistics(&self, proposals: Vec<Proposal<'a>>) -> Option<Wish<'a>> {
        if self.statement.mean_database_ms() < LEAST_MEAN_UNPLANNED_MS || self.plan_is_coming() {
            return None;
        }
        let least = self.inputs.settings.of.missing_index.least_rows_unplanned;
        let proposal = proposals.into_iter().find(|proposal| {
            let rows = proposal.table.rows;
            let few = proposal.rows_left.is_some_and(|left| left <= rows * MOST_KEPT_UNPLANNED);
            !proposal.joins && rows >= least && few
        })?;
        Some(Wish {
            saved_ms: self.statement.database_ms() * GUESSED_SAVING,
            proposal,
            statement: self.statement,
            confidence: Confidence::Low,
            cost_before: None,
            cost_after: None,
            index_bytes: None,
        })
    }

    fn scans_of(&self, answer: &PlanAnswer, table: &TableFacts) -> Vec<WholeScan> {
        whole_scans(&answer.scans, table, self.database)
    }

    /// A finding that the planner is about to take back would be noise.
    fn plan_is_coming(&self) -> bool {
        let snapshot = self.inputs.snapshot;
        let Some(info) = snapshot.shapes.get(&self.statement.fingerprint) else {
            return false;
        };
        let age = snapshot.taken_at.as_second() - info.first_seen.as_second();
        self.answer.is_none() && info.sample.is_some() && age < PLAN_EXPECTED_WITHIN_S
    }
}

/// Whether another scan of the plan gives so few rows that looking each up in this table would
/// touch only a small part of it.
fn joins_few(answer: &PlanAnswer, proposal: &Proposal<'_>, database: &DatabaseFacts) -> bool {
    let table = proposal.table;
    let outer = answer
        .scans
        .iter()
        .filter(|scan| scanned_table(scan, table, database).is_none())
        .map(|scan| scan.rows)
        .min_by(f64::total_cmp);
    let touched = outer.zip(proposal.rows_left).map(|(outer, each)| outer * each);
    touched.is_some_and(|rows| rows <= table.rows * MOST_KEPT_UNPLANNED)
}
