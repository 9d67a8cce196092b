//! The findings, the most harmful first, each with its evidence, fix and undo.

use std::fmt::Write as _;

use model::{Finding, Severity};

use crate::render::layout::{Paint, heading, label, labelled, painted, paragraph, plain};
use crate::render::units::sentence;
use crate::render::{Style, wording};
use crate::view::Report;

/// Fingerprints named in one finding; the JSON report has all.
const FINGERPRINTS_SHOWN: usize = 4;

pub(super) fn findings(out: &mut String, report: &Report, style: Style) {
    if report.findings.is_empty() {
        return;
    }
    heading(out, style, "FINDINGS");
    for (at, one) in report.findings.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        finding(out, at + 1, one, report, style);
    }
}

fn finding(out: &mut String, number: usize, finding: &Finding, report: &Report, style: Style) {
    let (name, paint) = match finding.severity {
        Severity::Critical => ("CRITICAL", Paint::Worse),
        Severity::Warning => ("WARNING", Paint::Bad),
        Severity::Info => ("INFO", Paint::Faint),
    };
    let mut lines = String::new();
    let start = format!("{number:>2}. {name:<9} ");
    paragraph(&mut lines, style, &start, &finding.title);
    let (severity, title) = lines.trim_end().split_at(start.len());
    let _ = write!(out, "{}", painted(style, paint, severity));
    let _ = writeln!(out, "{}", painted(style, Paint::Strong, title));

    labelled(out, style, "Why", &sentence(&finding.why));
    labelled(out, style, "Evidence", &wording::numbers(&finding.evidence));
    if let Some(sql) = &finding.fix.sql {
        code(out, style, "Fix", sql);
    }
    if let Some(advice) = &finding.fix.advice {
        labelled(out, style, if finding.fix.sql.is_some() { "" } else { "Fix" }, advice);
    }
    if let Some(undo) = &finding.fix.undo {
        code(out, style, "Undo", undo);
    }
    labelled(out, style, "Expected", &wording::numbers(&finding.estimate));
    labelled(out, style, "How sure", wording::confidence(finding.confidence));
    labelled(out, style, "Statements", &statements(finding, report));
    labelled(out, style, "More", &format!("{} · docs/{}", finding.detector, finding.runbook));
}

/// SQL keeps its own lines, so that it can be pasted.
fn code(out: &mut String, style: Style, name: &str, sql: &str) {
    for (at, line) in sql.lines().enumerate() {
        let name = if at == 0 { name } else { "" };
        let line = painted(style, Paint::Code, plain(line).trim_end());
        let _ = writeln!(out, "{}{line}", label(style, name));
    }
}

fn statements(finding: &Finding, report: &Report) -> String {
    let mut shown: Vec<_> = finding
        .fingerprints
        .iter()
        .take(FINGERPRINTS_SHOWN)
        .map(|id| match wording::rank(report, *id) {
            Some(rank) => format!("{id} (#{rank})"),
            None => id.to_string(),
        })
        .collect();
    let more = finding.fingerprints.len().saturating_sub(FINGERPRINTS_SHOWN);
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}
