//! `EXPLAIN FINGERPRINT`: what is known of one statement, as lines of text.

use std::borrow::Cow;
use std::collections::BTreeSet;

use model::{FingerprintId, Published, Severity};
use report::{FingerprintPrefix, PlanReport};

use crate::refusal::Refusal;
use crate::table::{Column, Kind, Table, Value};

/// As PostgreSQL's EXPLAIN calls it.
pub(crate) const COLUMN: Column = Column { name: Cow::Borrowed("QUERY PLAN"), kind: Kind::Text };

/// Text, figures, plans and findings of the statement whose id begins with `prefix`.
pub(crate) fn table(prefix: &FingerprintPrefix, published: &Published) -> Result<Table, Refusal> {
    let id = find(prefix, published)?;
    let mut lines = vec![format!("fingerprint {id}")];
    if let Some(shape) = published.snapshot.shapes.get(&id) {
        lines.extend(shape.text.lines().map(str::to_owned));
    }
    lines.push(String::new());
    let plans = report::plans(id, &published.catalog);
    if plans.is_empty() {
        lines.push("No plan is known: none was asked for yet, or it could not be.".to_owned());
    }
    for plan in &plans {
        lines.push(heading(plan));
        lines.extend(plan.text.lines().map(str::to_owned));
        lines.push(String::new());
    }
    findings(id, published, &mut lines);
    let rows = lines.into_iter().map(|line| vec![Value::Text(line)]).collect();
    Ok(Table { columns: vec![COLUMN], rows })
}

/// The one statement whose id begins so.
fn find(prefix: &FingerprintPrefix, published: &Published) -> Result<FingerprintId, Refusal> {
    let databases = published.catalog.databases.values();
    let planned = databases.flat_map(|facts| facts.plans.keys().chain(facts.plan_history.keys()));
    let known: BTreeSet<_> = published
        .snapshot
        .shapes
        .keys()
        .chain(planned)
        .copied()
        .filter(|id| prefix.matches(*id))
        .collect();
    let mut found = known.iter();
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(*id),
        (None, _) => Err(Refusal::error("42704", format!("no statement has the id {prefix}"))
            .with_hint("SHOW QUERIES has the ids of what ran in the last 15 minutes.")),
        (Some(_), Some(_)) => Err(Refusal::error(
            "42725",
            format!("{} statements have ids that begin with {prefix}", known.len()),
        )
        .with_hint("Write more of its digits.")),
    }
}

fn heading(plan: &PlanReport) -> String {
    let took = plan.took_ms.map(|ms| format!(", took {ms} ms")).unwrap_or_default();
    let since = plan.since.map(|at| format!(", since {at:.0}")).unwrap_or_default();
    format!(
        "Plan: {} in {} (shape {}, cost {}, rows {}{took}{since})",
        plan.which, plan.database, plan.shape, plan.cost, plan.rows
    )
}

fn findings(id: FingerprintId, published: &Published, lines: &mut Vec<String>) {
    let mut any = false;
    for finding in published.findings.iter().filter(|finding| finding.fingerprints.contains(&id)) {
        any = true;
        let severity = match finding.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        };
        lines.push(format!("Finding: {} ({severity}): {}", finding.detector, finding.title));
        lines.push(format!("  {}", finding.why));
        let fix = [
            ("Fix", &finding.fix.sql),
            ("Advice", &finding.fix.advice),
            ("Undo", &finding.fix.undo),
        ];
        for (what, text) in fix {
            let text = text.iter().flat_map(|text| text.lines());
            lines.extend(text.map(|line| format!("  {what}: {line}")));
        }
    }
    if !any {
        lines.push("No finding names it.".to_owned());
    }
}
