//! Each statement, folded up until somebody looks.

use maud::{Markup, html as template};

use super::chart::{self, Point};
use super::profile::{latency_chart, rate_chart};
use crate::render::layout::{plain, shortened};
use crate::render::units::{count, duration_ms};
use crate::render::wording;
use crate::view::{QueryReport, Report};

/// Statements that are shown unfolded.
const UNFOLDED: usize = 1;

pub(super) fn statements(report: &Report) -> Markup {
    if report.queries.is_empty() {
        return Markup::default();
    }
    template! {
        section {
            h2 { "Statements" }
            div.card {
                @for (at, query) in report.queries.iter().enumerate() {
                    (statement(at + 1, query, report))
                }
            }
        }
    }
}

fn statement(rank: usize, query: &QueryReport, report: &Report) -> Markup {
    let named = report
        .findings
        .iter()
        .enumerate()
        .filter(|(_, finding)| finding.fingerprints.contains(&query.fingerprint));
    template! {
        details id={ "statement-" (rank) } open[rank <= UNFOLDED] {
            summary { (rank) ". " span.sql { (shortened(&query.text, 110)) } }
            pre { (lines(&query.text)) }
            div.side {
                @if query.trend.len() > 1 {
                    (rate_chart(&query.trend, "Calls a second", "plot low"))
                    (latency_chart(&query.trend, "p95 latency", "plot low"))
                }
                (distribution(query))
            }
            dl {
                dt { "Fingerprint" } dd { code { (query.fingerprint) } " " (plain(&wording::who(query))) }
                dt { "Cost" } dd { (plain(&wording::cost(query))) }
                @if let Some(tags) = wording::tags(query) { dt { "Tags" } dd { (plain(&tags)) } }
                @if let Some(sample) = &query.sample {
                    dt { "Slowest sample" } dd { (plain(&wording::sample(sample))) }
                    @if let Some(text) = &sample.text { dt {} dd { pre { (lines(text)) } } }
                }
                @for plan in &query.plans {
                    dt { "Plan" } dd { (plain(&wording::plan(plan))) pre { (lines(&plan.text)) } }
                }
                @for (at, finding) in named {
                    dt { "Finding" }
                    dd { a href={ "#finding-" (at + 1) } { (plain(&finding.title)) } }
                }
            }
        }
    }
}

fn distribution(query: &QueryReport) -> Markup {
    let Some(last) = query.distribution.last() else { return Markup::default() };
    let first = query.distribution.first().unwrap_or(last);
    let points: Vec<_> = query
        .distribution
        .iter()
        .map(|bucket| Point {
            value: bucket.calls as f64,
            says: format!("{} calls up to {}", count(bucket.calls), duration_ms(bucket.up_to_ms)),
        })
        .collect();
    let greatest = format!("p50 {}, p99 {}", duration_ms(query.p50_ms), duration_ms(query.p99_ms));
    chart::figure(
        "Latencies",
        &greatest,
        &chart::columns(&points, "plot low"),
        (
            &format!("up to {}", duration_ms(first.up_to_ms)),
            &format!("up to {}", duration_ms(last.up_to_ms)),
        ),
    )
}

/// Text with its lines, without other control characters: HTML knows no escape for them.
pub(super) fn lines(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n")
}
