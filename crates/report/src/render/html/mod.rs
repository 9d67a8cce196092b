//! The HTML format: one file that opens from disk, loads nothing and runs no script.
//!
//! What clients send is text here: the template escapes all of it, and the page forbids scripts
//! and requests by its own Content-Security-Policy besides.

mod changes;
mod chart;
mod findings;
mod profile;
mod statements;
mod traffic;

use maud::{DOCTYPE, Markup, PreEscaped, html as template};
use model::{Effect, Severity};

use super::layout::plain;
use super::units::{count, duration_ms, number, percent};
use super::wording;
use crate::view::Report;

const STYLE: &str = include_str!("style.css");
/// Nothing is loaded, nothing is run; the style sheet is the page's own.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'";

/// The report as a page of HTML that needs nothing else.
#[must_use]
pub fn html(report: &Report) -> String {
    let page = template! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="generator" content={ "pgweir " (report.pgweir_version) };
                title { "pgweir report · " (wording::clock(report.window.until)) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body(report)) } }
        }
    };
    page.into_string()
}

fn body(report: &Report) -> Markup {
    template! {
        h1 { "pgweir report" }
        p.soft { (plain(&wording::subject(report))) }
        (verdict(report))
        (tiles(report))
        (profile::charts(report))
        (changes::results(report))
        (changes::comparison(report))
        (findings::findings(report))
        (profile::profile(report))
        (statements::statements(report))
        (traffic::pools(report))
        (traffic::transactions(report))
        (traffic::health(report))
        (checks(report))
        (coverage(report))
    }
}

fn verdict(report: &Report) -> Markup {
    let worst = report.findings.iter().map(|finding| finding.severity).max();
    let worse = report.results.iter().any(|result| result.effect == Effect::Worse);
    let mood = match worst {
        Some(Severity::Critical) => "bad",
        _ if worse => "bad",
        Some(Severity::Warning) => "warn",
        _ if report.totals.calls == 0 => "warn",
        _ => "well",
    };
    template! {
        section class={ "card verdict " (mood) } {
            h2 { "Verdict" }
            @if mood == "well" || report.verdict.len() < 2 {
                ul { @for sentence in &report.verdict { li { (plain(sentence)) } } }
            } @else {
                ol { @for sentence in &report.verdict { li { (plain(sentence)) } } }
            }
        }
    }
}

fn tiles(report: &Report) -> Markup {
    let totals = &report.totals;
    let waiting = totals.wait_ms / totals.total_ms.max(f64::MIN_POSITIVE);
    let tiles = [
        (number(totals.calls as f64 / report.window.duration_s.max(1.0)), "statements a second"),
        (duration_ms(totals.p50_ms), "median latency"),
        (duration_ms(totals.p95_ms), "p95 latency"),
        (percent(totals.failed as f64 / totals.calls.max(1) as f64), "failed"),
        (percent(waiting), "of that time waiting for a pool"),
        (count(report.coverage.clients), "clients connected"),
    ];
    template! {
        div.tiles {
            @for (value, what) in &tiles { div.card.tile { b { (value) } span { (what) } } }
        }
    }
}

fn checks(report: &Report) -> Markup {
    let fine = wording::fine(report);
    template! {
        @if !fine.is_empty() {
            section {
                h2 { "Checked and fine" }
                div.card { (fine.join(", ")) }
            }
        }
        @if !report.not_checked.is_empty() {
            section {
                h2 { "Could not check" }
                div.card {
                    ul.plain {
                        @for check in &report.not_checked {
                            li { b { (plain(&check.check)) } ": " (plain(&check.why)) }
                        }
                    }
                }
            }
        }
    }
}

fn coverage(report: &Report) -> Markup {
    template! {
        section {
            h2 { "Coverage" }
            div.card {
                @for sentence in wording::coverage(report) { p { (plain(&sentence)) } }
            }
        }
        footer {
            "Latencies are as the clients saw them. Percentiles are within 1 %. Times are UTC. "
            @if !report.selection.values_shown { "Values that clients sent are left out." }
        }
    }
}

#[cfg(test)]
mod tests;
