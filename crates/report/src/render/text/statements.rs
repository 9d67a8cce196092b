//! Each statement: its text, who sends it, how it went over the minutes, its slowest execution.

use std::fmt::Write as _;

use crate::render::layout::{Paint, heading, labelled, painted, plain, shortened, spark, wrapped};
use crate::render::units::{duration_ms, number};
use crate::render::{Style, wording};
use crate::view::{QueryReport, Report};

/// Lines of one statement's text; the JSON report has the rest.
const TEXT_LINES: usize = 12;
/// Plans of one statement, and lines of each; the JSON report has all.
const PLANS_SHOWN: usize = 2;
const PLAN_LINES: usize = 16;
/// Minutes below which a trend says nothing.
const TREND_LEAST: usize = 3;

pub(super) fn statements(out: &mut String, report: &Report, style: Style) {
    if report.queries.is_empty() {
        return;
    }
    heading(out, style, "STATEMENTS");
    for (at, query) in report.queries.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        one(out, at + 1, query, report, style);
    }
}

fn one(out: &mut String, rank: usize, query: &QueryReport, report: &Report, style: Style) {
    let id = painted(style, Paint::Strong, &query.fingerprint.to_string());
    let who = painted(style, Paint::Faint, &plain(&wording::who(query)));
    let _ = writeln!(out, "{rank:>2}. {id}  {who}");
    let mut lines = wrapped(&plain(&query.text), style.width.saturating_sub(6));
    if lines.len() > TEXT_LINES {
        lines.truncate(TEXT_LINES);
        lines.push("…".to_owned());
    }
    for line in lines {
        let _ = writeln!(out, "      {}", painted(style, Paint::Code, &line));
    }
    labelled(out, style, "Cost", &wording::cost(query));
    if let Some(tags) = wording::tags(query) {
        labelled(out, style, "Tags", &tags);
    }
    if let Some(trend) = trend(query) {
        labelled(out, style, wording::grain(&query.trend), &trend);
    }
    if let Some(spread) = spread(query) {
        labelled(out, style, "Latencies", &spread);
    }
    if let Some(sample) = &query.sample {
        labelled(out, style, "Sample", &wording::sample(sample));
        if let Some(text) = &sample.text {
            labelled(out, style, "", text);
        }
    }
    for plan in query.plans.iter().take(PLANS_SHOWN) {
        labelled(out, style, "Plan", &wording::plan(plan));
        for line in plan.text.lines().take(PLAN_LINES) {
            let line = shortened(line, style.width.saturating_sub(17));
            let _ = writeln!(out, "{:17}{}", "", painted(style, Paint::Code, &line));
        }
    }
    labelled(out, style, "Findings", &findings(query, report));
}

fn trend(query: &QueryReport) -> Option<String> {
    let rates = wording::rates(&query.trend);
    if rates.len() < TREND_LEAST {
        return None;
    }
    let p95: Vec<_> = wording::whole(&query.trend).map(|point| point.p95_ms).collect();
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    Some(format!(
        "calls {} up to {}/s · p95 {} up to {}",
        spark(&rates),
        number(most(&rates)),
        spark(&p95),
        duration_ms(most(&p95)),
    ))
}

/// The spread of latencies; nothing where all are alike.
fn spread(query: &QueryReport) -> Option<String> {
    let (first, last) = (query.distribution.first()?, query.distribution.last()?);
    let calls: Vec<_> = query.distribution.iter().map(|bucket| bucket.calls as f64).collect();
    (calls.len() >= 2).then(|| {
        format!(
            "up to {} {} up to {}",
            duration_ms(first.up_to_ms),
            spark(&calls),
            duration_ms(last.up_to_ms),
        )
    })
}

/// The findings that name the statement, by their number.
fn findings(query: &QueryReport, report: &Report) -> String {
    let named: Vec<_> = report
        .findings
        .iter()
        .enumerate()
        .filter(|(_, finding)| finding.fingerprints.contains(&query.fingerprint))
        .map(|(at, finding)| format!("{} (finding {})", finding.detector, at + 1))
        .collect();
    named.join(", ")
}
