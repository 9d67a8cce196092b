//! The findings.

use maud::{Markup, html as template};
use model::Finding;

use super::statements::lines;
use crate::render::layout::plain;
use crate::render::units::sentence;
use crate::render::wording;
use crate::view::Report;

pub(super) fn findings(report: &Report) -> Markup {
    if report.findings.is_empty() {
        return Markup::default();
    }
    template! {
        section {
            h2 { "Findings" }
            @for (at, one) in report.findings.iter().enumerate() { (finding(at + 1, one, report)) }
        }
    }
}

fn finding(number: usize, finding: &Finding, report: &Report) -> Markup {
    let severity = wording::severity(finding.severity);
    let (evidence, estimate) =
        (wording::numbers(&finding.evidence), wording::numbers(&finding.estimate));
    template! {
        article id={ "finding-" (number) } class={ "card finding " (severity) } {
            header { span class={ "tag " (severity) } { (severity) } h3 { (number) ". " (plain(&finding.title)) } }
            p { (plain(&sentence(&finding.why))) }
            @if let Some(sql) = &finding.fix.sql { pre { (lines(sql)) } }
            dl {
                @if let Some(advice) = &finding.fix.advice { dt { "Fix" } dd { (plain(advice)) } }
                @if !evidence.is_empty() { dt { "Evidence" } dd { (plain(&evidence)) } }
                @if !estimate.is_empty() { dt { "Expected" } dd { (plain(&estimate)) } }
                @if let Some(undo) = &finding.fix.undo { dt { "Undo" } dd { code { (plain(undo)) } } }
                dt { "How sure" } dd { (wording::confidence(finding.confidence)) }
                @if !finding.fingerprints.is_empty() { dt { "Statements" } dd { (statements(finding, report)) } }
                dt { "Detector" } dd { code { (plain(&finding.detector)) } " · docs/" (plain(&finding.runbook)) }
            }
        }
    }
}

fn statements(finding: &Finding, report: &Report) -> Markup {
    template! {
        @for (at, id) in finding.fingerprints.iter().enumerate() {
            @if at > 0 { ", " }
            @match wording::rank(report, *id) {
                Some(rank) => a href={ "#statement-" (rank) } { code { (id) } " (no. " (rank) ")" },
                None => code { (id) },
            }
        }
    }
}
