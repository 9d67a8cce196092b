//! `SHOW FINDINGS`: what the detectors say, the most harmful first.

use model::{Confidence, Finding, Fix, Severity};

use super::{Rows, Show, Tick};
use crate::refusal::Refusal;
use crate::statement::Accepts;
use crate::table::{Column, Row, Value};

pub(super) static FINDINGS: Show = Show {
    name: "findings",
    accepts: Accepts::Nothing,
    columns: &[&[
        Column::text("severity"),
        Column::text("detector"),
        Column::text("title"),
        Column::text("why"),
        Column::text("fix"),
        Column::text("undo"),
        Column::text("confidence"),
        Column::text("database"),
        Column::text("tables"),
        Column::text("fingerprints"),
    ]],
    rows: Rows::Tick(rows),
};

fn rows(tick: &Tick<'_>) -> Result<Vec<Row>, Refusal> {
    let mut findings: Vec<_> = tick.published.findings.iter().collect();
    findings.sort_by(|a, b| b.harm_ms.total_cmp(&a.harm_ms));
    Ok(findings.into_iter().map(row).collect())
}

fn row(finding: &Finding) -> Row {
    let severity = match finding.severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    };
    let confidence = match finding.confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    };
    let fingerprints: Vec<_> = finding.fingerprints.iter().map(ToString::to_string).collect();
    vec![
        Value::text(severity),
        Value::text(&*finding.detector),
        Value::text(&*finding.title),
        Value::text(&*finding.why),
        fix(&finding.fix),
        finding.fix.undo.as_deref().map_or(Value::Null, Value::text),
        Value::text(confidence),
        finding.database.as_deref().map_or(Value::Null, Value::text),
        Value::text(finding.tables.join(", ")),
        Value::text(fingerprints.join(", ")),
    ]
}

/// SQL that can be pasted, advice beside it as a comment; advice alone as it is.
fn fix(fix: &Fix) -> Value {
    match (&fix.sql, &fix.advice) {
        (None, None) => Value::Null,
        (Some(sql), None) => Value::text(&**sql),
        (None, Some(advice)) => Value::text(&**advice),
        (Some(sql), Some(advice)) => {
            let comment = advice.lines().map(|line| format!("\n-- {line}"));
            Value::Text(sql.clone() + &comment.collect::<String>())
        }
    }
}
