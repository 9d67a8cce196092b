//! The text format: for a terminal, a hundred columns wide, the verdict first.

mod changes;
mod findings;
mod profile;
mod statements;
mod traffic;

use std::fmt::Write as _;

use model::{Effect, Severity};

use super::layout::{Paint, heading, painted, paragraph};
use super::{Style, wording};
use crate::view::Report;

/// The report as text.
#[must_use]
pub fn text(report: &Report, style: Style) -> String {
    let mut out = String::new();
    title(&mut out, report, style);
    verdict(&mut out, report, style);
    coverage(&mut out, report, style);
    changes::results(&mut out, report, style);
    changes::comparison(&mut out, report, style);
    findings::findings(&mut out, report, style);
    profile::profile(&mut out, report, style);
    statements::statements(&mut out, report, style);
    traffic::pools(&mut out, report, style);
    traffic::transactions(&mut out, report, style);
    traffic::health(&mut out, report, style);
    checks(&mut out, report, style);
    out
}

fn title(out: &mut String, report: &Report, style: Style) {
    let mut lines = String::new();
    let subject = wording::subject(report);
    paragraph(&mut lines, style, "", &format!("pgweir report · {subject}"));
    let rest = lines.strip_prefix("pgweir report").unwrap_or(&lines).trim_end();
    let name = painted(style, Paint::Strong, "pgweir report");
    let _ = writeln!(out, "{name}{}", painted(style, Paint::Faint, rest));
}

fn verdict(out: &mut String, report: &Report, style: Style) {
    heading(out, style, "VERDICT");
    let worst = report.findings.iter().map(|finding| finding.severity).max();
    let worse = report.results.iter().any(|result| result.effect == Effect::Worse);
    let quiet = !worse && worst.is_none_or(|severity| severity == Severity::Info);
    for (at, sentence) in report.verdict.iter().enumerate() {
        if quiet {
            let mut lines = String::new();
            paragraph(&mut lines, style, "  ", sentence);
            let paint = if report.totals.calls > 0 { Paint::Good } else { Paint::Bad };
            let _ = writeln!(out, "{}", painted(style, paint, lines.trim_end()));
        } else {
            paragraph(out, style, &format!("  {}. ", at + 1), sentence);
        }
    }
}

fn coverage(out: &mut String, report: &Report, style: Style) {
    heading(out, style, "COVERAGE");
    for sentence in wording::coverage(report) {
        paragraph(out, style, "  ", &sentence);
    }
}

fn checks(out: &mut String, report: &Report, style: Style) {
    let fine = wording::fine(report);
    if !fine.is_empty() {
        heading(out, style, "CHECKED AND FINE");
        paragraph(out, style, "  ", &fine.join(", "));
    }
    if !report.not_checked.is_empty() {
        heading(out, style, "COULD NOT CHECK");
        for check in &report.not_checked {
            paragraph(out, style, "  - ", &format!("{}: {}", check.check, check.why));
        }
    }
}

#[cfg(test)]
mod tests;
