//! The findings, the most harmful first, each with its evidence, fix and undo.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use model::{Confidence, Evidence, Finding, Severity};

use crate::render::Style;
use crate::render::layout::{Paint, heading, painted, paragraph, plain};
use crate::render::units::{evidence, sentence};
use crate::view::Report;

/// Where the text of a finding begins.
const LABEL_WIDTH: usize = 15;
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
        finding(out, at + 1, one, style);
    }
}

fn finding(out: &mut String, number: usize, finding: &Finding, style: Style) {
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
    labelled(out, style, "Evidence", &numbers(&finding.evidence));
    if let Some(sql) = &finding.fix.sql {
        code(out, style, "Fix", sql);
    }
    if let Some(advice) = &finding.fix.advice {
        labelled(out, style, if finding.fix.sql.is_some() { "" } else { "Fix" }, advice);
    }
    if let Some(undo) = &finding.fix.undo {
        code(out, style, "Undo", undo);
    }
    labelled(out, style, "Expected", &numbers(&finding.estimate));
    let sure = match finding.confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium: the planner's estimate",
        Confidence::Low => "low: from table statistics alone",
    };
    labelled(out, style, "How sure", sure);
    labelled(out, style, "Statements", &statements(finding));
    labelled(out, style, "More", &format!("{} · docs/{}", finding.detector, finding.runbook));
}

fn label(style: Style, name: &str) -> String {
    painted(style, Paint::Faint, &format!("{:4}{name:<width$}", "", width = LABEL_WIDTH - 4))
}

fn labelled(out: &mut String, style: Style, name: &str, text: &str) {
    let mut lines = String::new();
    paragraph(&mut lines, style, &" ".repeat(LABEL_WIDTH), text);
    if let Some(rest) = lines.get(LABEL_WIDTH..) {
        let _ = write!(out, "{}{rest}", label(style, name));
    }
}

/// SQL keeps its own lines, so that it can be pasted.
fn code(out: &mut String, style: Style, name: &str, sql: &str) {
    for (at, line) in sql.lines().enumerate() {
        let name = if at == 0 { name } else { "" };
        let line = painted(style, Paint::Code, plain(line).trim_end());
        let _ = writeln!(out, "{}{line}", label(style, name));
    }
}

fn numbers(map: &BTreeMap<String, Evidence>) -> String {
    let shown: Vec<_> = map
        .iter()
        .map(|(name, value)| {
            let (label, value) = evidence(name, value);
            format!("{label} {value}")
        })
        .collect();
    shown.join(" · ")
}

fn statements(finding: &Finding) -> String {
    let mut shown: Vec<_> =
        finding.fingerprints.iter().take(FINGERPRINTS_SHOWN).map(ToString::to_string).collect();
    let more = finding.fingerprints.len().saturating_sub(FINGERPRINTS_SHOWN);
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join(", ")
}
