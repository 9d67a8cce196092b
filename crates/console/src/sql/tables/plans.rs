//! `plans`: the plans that statements have and had.

use std::collections::BTreeSet;

use model::FingerprintId;
use report::PlanReport;

use super::{Data, SqlTable, text_or_null};
use crate::table::{Column, Row, Value};

pub(super) static PLANS: SqlTable = SqlTable::own(
    "plans",
    "The plans of statements, each that differs once: current, with other clients' values, generic, \
     earlier. `text` has `$` in place of every value.",
    || {
        vec![
            Column::text("fingerprint"),
            Column::text("database"),
            Column::text("which"),
            Column::text("shape"),
            Column::float8("took_ms"),
            Column::timestamptz("since"),
            Column::timestamptz("until"),
            Column::float8("cost"),
            Column::float8("rows"),
            Column::text("text"),
        ]
    },
    |data| Ok(statements(data).into_iter().flat_map(|id| of_statement(id, data)).collect()),
);

fn statements(data: &Data) -> BTreeSet<FingerprintId> {
    let databases = data.published.catalog.databases.values();
    databases
        .flat_map(|facts| facts.plans.keys().chain(facts.plan_history.keys()))
        .copied()
        .collect()
}

fn of_statement(id: FingerprintId, data: &Data) -> Vec<Row> {
    let plans = report::plans(id, &data.published.catalog);
    plans.into_iter().map(|plan| row(id, plan)).collect()
}

fn row(id: FingerprintId, plan: PlanReport) -> Row {
    let time = |at: Option<jiff::Timestamp>| at.map_or(Value::Null, Value::time);
    vec![
        Value::text(id.to_string()),
        Value::Text(plan.database),
        Value::Text(plan.which),
        text_or_null(Some(plan.shape)),
        plan.took_ms.map_or(Value::Null, Value::Float8),
        time(plan.since),
        time(plan.until),
        Value::Float8(plan.cost),
        Value::Float8(plan.rows),
        Value::Text(plan.text),
    ]
}
