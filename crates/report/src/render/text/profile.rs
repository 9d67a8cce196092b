//! The profile: one line for each of the top statements, then each statement's text.

use std::fmt::Write as _;

use crate::render::Style;
use crate::render::layout::{Paint, heading, painted, paragraph, plain, table, wrapped};
use crate::render::units::{bytes, count, duration_ms, number, percent};
use crate::view::{QueryReport, Report};

/// Lines of one statement's text; the JSON report has the rest.
const TEXT_LINES: usize = 12;
/// Names of users or applications shown for one statement.
const NAMES_SHOWN: usize = 6;

pub(super) fn profile(out: &mut String, report: &Report, style: Style) {
    if report.queries.is_empty() {
        return;
    }
    heading(out, style, "PROFILE, by time in the database (latencies as the clients saw them)");
    let header = [
        "#",
        "<query",
        "time",
        "calls",
        "mean",
        "p50",
        "p95",
        "p99",
        "max",
        "rows/call",
        "errors",
        "wait p95",
    ];
    let mut rows: Vec<_> =
        report.queries.iter().enumerate().map(|(at, q)| row(at + 1, q)).collect();
    if let Some(rest) = &report.remainder {
        let mut cells = vec![
            String::new(),
            "the rest".to_owned(),
            percent(rest.share_of_time),
            count(rest.calls),
            duration_ms(rest.total_ms / rest.calls.max(1) as f64),
        ];
        cells.extend(["", "", "", ""].map(str::to_owned));
        cells.push(per_call(rest.rows, rest.calls));
        cells.push(count(rest.failed));
        rows.push(cells);
    }
    table(out, style, &header, &rows);
}

fn row(rank: usize, query: &QueryReport) -> Vec<String> {
    vec![
        rank.to_string(),
        short_id(query),
        percent(query.share_of_time),
        count(query.calls),
        duration_ms(query.mean_ms),
        duration_ms(query.p50_ms),
        duration_ms(query.p95_ms),
        duration_ms(query.p99_ms),
        duration_ms(query.max_ms),
        per_call(query.rows, query.calls),
        count(query.failed),
        duration_ms(query.wait_p95_ms),
    ]
}

/// Half of the id, enough to find the whole below.
fn short_id(query: &QueryReport) -> String {
    query.fingerprint.to_string().chars().take(8).collect()
}

fn per_call(rows: u64, calls: u64) -> String {
    number(rows as f64 / calls.max(1) as f64)
}

pub(super) fn queries(out: &mut String, report: &Report, style: Style) {
    if report.queries.is_empty() {
        return;
    }
    heading(out, style, "QUERIES");
    for (at, query) in report.queries.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        one(out, at + 1, query, style);
    }
}

fn one(out: &mut String, rank: usize, query: &QueryReport, style: Style) {
    let id = painted(style, Paint::Strong, &query.fingerprint.to_string());
    let who = [
        ("in", names(&query.databases)),
        ("by", names(&query.users)),
        ("from", names(&query.applications)),
    ];
    let who: Vec<_> = who
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(w, n)| format!("{w} {n}"))
        .collect();
    let _ = writeln!(out, "{rank:>2}. {id}  {}", painted(style, Paint::Faint, &who.join(" ")));
    let mut facts = vec![format!(
        "{} in all, {} waiting, first byte p95 {}, {} a call",
        duration_ms(query.total_ms),
        duration_ms(query.wait_ms),
        duration_ms(query.first_byte_p95_ms),
        bytes(query.bytes as f64 / query.calls.max(1) as f64),
    )];
    if query.lost > 0 {
        facts.push(format!("{} cut off by a disconnect", count(query.lost)));
    }
    if !query.errors.is_empty() {
        let codes: Vec<_> =
            query.errors.iter().map(|(code, n)| format!("{code}: {}", count(*n))).collect();
        facts.push(format!("errors by SQLSTATE {}", codes.join(", ")));
    }
    if !query.findings.is_empty() {
        facts.push(format!("see {}", query.findings.join(", ")));
    }
    paragraph(out, style, "    ", &facts.join("; "));
    let mut lines = wrapped(&plain(&query.text), style.width.saturating_sub(6));
    if lines.len() > TEXT_LINES {
        lines.truncate(TEXT_LINES);
        lines.push("…".to_owned());
    }
    for line in lines {
        let _ = writeln!(out, "      {}", painted(style, Paint::Code, &line));
    }
}

fn names(all: &[String]) -> String {
    let mut shown: Vec<_> = all.iter().take(NAMES_SHOWN).map(|name| plain(name)).collect();
    let more = all.len().saturating_sub(NAMES_SHOWN);
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    shown.join(", ")
}
