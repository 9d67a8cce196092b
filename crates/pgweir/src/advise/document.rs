//! Advice as JSON.

use insight::advisor::Basis;
use serde::{Deserialize, Serialize};

use super::Shown;
use super::earlier::Since;

/// The name of this make of document.
pub(super) const SCHEMA: &str = "pgweir.advice/1";

#[derive(Serialize, Deserialize)]
pub(super) struct Document {
    pub(super) schema: String,
    database: String,
    workload: String,
    judged_by: String,
    /// The workload's estimated cost with the advice, as a share of that without.
    estimated_relative_cost_ratio: f64,
    index_budget_bytes: Option<u64>,
    sizes: String,
    search_s: f64,
    plans: u64,
    candidates: usize,
    finished: bool,
    pub(super) build: Vec<Build>,
    drop: Vec<DropLine>,
    pub(super) statements: Vec<StatementLine>,
    not_judged: Vec<NotJudged>,
    #[serde(skip_serializing_if = "Option::is_none")]
    earlier: Option<Since>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Build {
    pub(super) sql: String,
    undo: String,
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) columns: Vec<String>,
    #[serde(default)]
    pub(super) include: Vec<String>,
    #[serde(default)]
    pub(super) expression: Option<String>,
    #[serde(default)]
    pub(super) operator_class: Option<String>,
    bytes: u64,
    estimated_gain_ratio: f64,
    estimated_upkeep_ratio: f64,
    pub(super) statements: Vec<String>,
    basis: String,
}

#[derive(Serialize, Deserialize)]
struct DropLine {
    sql: String,
    undo: Option<String>,
    bytes: u64,
    why: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct StatementLine {
    pub(super) name: String,
    calls: f64,
    pub(super) mean_ms: Option<f64>,
    cost_before: Option<f64>,
    cost_after: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct NotJudged {
    what: String,
    why: String,
}

/// The document, with a line end.
///
/// # Errors
/// What serde_json says.
pub(super) fn render(shown: &Shown) -> anyhow::Result<String> {
    let advice = &shown.advice;
    let name = |at: &usize| shown.workload[*at].name.clone();
    let document = Document {
        schema: SCHEMA.to_owned(),
        database: shown.place.clone(),
        workload: shown.source.clone(),
        judged_by: if advice.planner { "planner" } else { "statistics" }.to_owned(),
        estimated_relative_cost_ratio: advice.relative_cost,
        index_budget_bytes: shown.budget,
        sizes: if shown.hypopg_sizes { "hypopg" } else { "corrected" }.to_owned(),
        search_s: shown.took.as_secs_f64(),
        plans: advice.plans,
        candidates: advice.candidates,
        finished: advice.finished,
        build: advice
            .picks
            .iter()
            .map(|pick| Build {
                sql: pick.sql.clone(),
                undo: pick.undo.clone(),
                schema: pick.index.schema.clone(),
                table: pick.index.table.clone(),
                columns: pick.index.columns.clone(),
                include: pick.index.include.clone(),
                expression: pick.index.expression.clone(),
                operator_class: pick.index.operator_class.clone(),
                bytes: pick.bytes,
                estimated_gain_ratio: pick.gain,
                estimated_upkeep_ratio: pick.upkeep,
                statements: pick.statements.iter().map(name).collect(),
                basis: basis(pick.basis).to_owned(),
            })
            .collect(),
        drop: advice
            .drops
            .iter()
            .map(|drop| DropLine {
                sql: drop.sql.clone(),
                undo: drop.undo.clone(),
                bytes: drop.bytes,
                why: drop.why.clone(),
            })
            .collect(),
        statements: shown
            .statements
            .iter()
            .zip(&advice.costs)
            .map(|(one, costs)| StatementLine {
                name: one.name.clone(),
                calls: one.calls,
                mean_ms: one.mean_ms,
                cost_before: costs.map(|(before, _)| before),
                cost_after: costs.map(|(_, after)| after),
            })
            .collect(),
        not_judged: advice
            .not_judged
            .iter()
            .chain(&shown.unavailable)
            .map(|(what, why)| NotJudged { what: what.clone(), why: why.clone() })
            .collect(),
        earlier: shown.earlier.clone(),
    };
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}

fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Planner => "planner",
        Basis::Statistics => "statistics",
    }
}
