//! GIN, which HypoPG does not imagine: patterns without a beginning, documents, arrays, text search.

use model::{DatabaseFacts, IndexCandidate, IndexMethod};
use sql::Operator;

use super::statistics_only::affordable;
use super::writes::Writes;
use super::{AdviceSettings, Basis, Case, Pick};
use crate::advisor::definition::is_coming;
use crate::advisor::demand::Demand;
use crate::advisor::statistics::column;
use crate::advisor::{build_and_undo, whole_scans};

/// The scan must be this share of the statement's cost.
const LEAST_SHARE_OF_PLAN: f64 = 0.5;
/// The statement must be this share of the workload.
const LEAST_SHARE_OF_WORKLOAD: f64 = 0.01;
/// The condition must keep no more than this of the table.
const MOST_KEPT: f64 = 0.05;
/// Smaller tables, rows, are read whole.
const LEAST_ROWS: f64 = 10_000.0;
/// A GIN index over text, as a share of its column's bytes; from experience, not from statistics.
const SHARE_OF_COLUMN: f64 = 0.8;
const TRIGRAMS: &str = "CREATE EXTENSION IF NOT EXISTS pg_trgm;\n";

/// Indexes that answer what no B-tree can, as far as `budget`, bytes, goes.
pub(super) fn picks(
    cases: &[Case<'_>],
    database: &DatabaseFacts,
    settings: AdviceSettings,
    budget: u64,
    writes: &Writes,
    total: f64,
) -> Vec<Pick> {
    let mut found: Vec<Pick> = Vec::new();
    for case in cases {
        let worth = case.scale * case.cost / total.max(f64::MIN_POSITIVE);
        if worth < LEAST_SHARE_OF_WORKLOAD {
            continue;
        }
        for demand in &case.demands {
            let Some(share) = scanned(case, demand, database) else { continue };
            for index in wanted(demand) {
                if !demand.table.indexes.iter().any(|existing| is_coming(existing, &index)) {
                    add(&mut found, case, demand, index, worth * share, database);
                }
            }
        }
    }
    found.iter_mut().for_each(|pick| writes.take_off(pick, database, total));
    affordable(found, settings, budget)
}

fn add(
    found: &mut Vec<Pick>,
    case: &Case<'_>,
    demand: &Demand<'_>,
    index: IndexCandidate,
    gain: f64,
    database: &DatabaseFacts,
) {
    if let Some(known) = found.iter_mut().find(|pick| pick.index == index) {
        known.gain += gain;
        if !known.statements.contains(&case.position) {
            known.statements.push(case.position);
        }
        return;
    }
    let (sql, undo) = build_and_undo(&index, database);
    let extension = if index.operator_class.is_some() { TRIGRAMS } else { "" };
    let name = index.columns.first().map(String::as_str).unwrap_or_default();
    let width = column(demand.table, name).and_then(|column| column.width).unwrap_or(32.0);
    found.push(Pick {
        bytes: (demand.table.rows * width * SHARE_OF_COLUMN) as u64,
        gain,
        upkeep: 0.0,
        statements: vec![case.position],
        basis: Basis::Statistics,
        sql: format!("{extension}{sql}"),
        undo,
        index,
    });
}

/// The share of the plan that reads the table whole to find little.
fn scanned(case: &Case<'_>, demand: &Demand<'_>, database: &DatabaseFacts) -> Option<f64> {
    let table = demand.table;
    if table.rows < LEAST_ROWS {
        return None;
    }
    let cost: f64 = whole_scans(&case.plan.scans, table, database)
        .iter()
        .filter(|scan| scan.filtered && scan.keeps_at_most(MOST_KEPT))
        .map(|scan| scan.cost)
        .sum();
    let share = (cost / case.cost).min(1.0);
    (share >= LEAST_SHARE_OF_PLAN).then_some(share)
}

fn wanted(demand: &Demand<'_>) -> Vec<IndexCandidate> {
    let of_type = |name: &str, fits: &dyn Fn(&str) -> bool| {
        column(demand.table, name).is_some_and(|column| fits(&column.type_name))
    };
    let gin = IndexCandidate {
        schema: demand.table.schema.clone(),
        table: demand.table.name.clone(),
        method: IndexMethod::Gin,
        ..IndexCandidate::default()
    };
    let trigrams = Some("gin_trgm_ops".to_owned());
    let is_text = |name: &str| name == "text" || name.starts_with("character varying");
    let is_gin = |name: &str| matches!(name, "jsonb" | "tsvector") || name.ends_with("[]");
    let mut found = Vec::new();
    for name in demand.patterns.iter().filter(|name| of_type(name, &is_text)) {
        let columns = vec![name.clone()];
        found.push(IndexCandidate { columns, operator_class: trigrams.clone(), ..gin.clone() });
    }
    for name in demand.contained.iter().filter(|name| of_type(name, &is_gin)) {
        found.push(IndexCandidate { columns: vec![name.clone()], ..gin.clone() });
    }
    for one in &demand.computed {
        let operator_class = match one.operator {
            Operator::Matches | Operator::Contains => None,
            Operator::Like { leading_wildcard, case_insensitive }
                if case_insensitive || leading_wildcard == Some(true) =>
            {
                trigrams.clone()
            }
            _ => continue,
        };
        let expression = Some(one.expression.clone());
        found.push(IndexCandidate { expression, operator_class, ..gin.clone() });
    }
    found
}
