//! The profile: one line for each statement.

use crate::render::Style;
use crate::render::layout::{heading, plain, shortened, table, table_width};
use crate::render::units::{count, duration_ms, number, percent};
use crate::view::{QueryReport, Report};

/// The least room for a statement's text, with its gap.
const TEXT_LEAST: usize = 12;
/// Room in which a statement's beginning tells it from others; in less its summary stands.
const TEXT_ENOUGH: usize = 40;

pub(super) fn profile(out: &mut String, report: &Report, style: Style) {
    if report.queries.is_empty() {
        return;
    }
    let by = report.selection.sort.meaning();
    heading(out, style, &format!("PROFILE, by {by} (latencies as the clients saw them)"));
    let mut header = vec![
        "#",
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
            percent(rest.share_of_time),
            count(rest.calls),
            duration_ms(rest.total_ms / rest.calls.max(1) as f64),
        ];
        cells.extend(["", "", "", ""].map(str::to_owned));
        cells.push(per_call(rest.rows, rest.calls));
        cells.push(count(rest.failed));
        cells.push(String::new());
        rows.push(cells);
    }
    let room = style.width.saturating_sub(table_width(&header, &rows) + 2);
    let mut texts: Vec<_> = report.queries.iter().map(|query| named(query, room)).collect();
    texts.extend(report.remainder.iter().map(|_| "(all others)".to_owned()));
    if room >= TEXT_LEAST {
        header.push("<statement");
        for (row, text) in rows.iter_mut().zip(texts) {
            row.push(format!(" {}", shortened(&text, room)));
        }
    }
    table(out, style, &header, &rows);
}

fn named(query: &QueryReport, room: usize) -> String {
    let brief = room < TEXT_ENOUGH && query.text.chars().count() > room;
    plain(if brief && !query.summary.is_empty() { &query.summary } else { &query.text })
}

fn row(rank: usize, query: &QueryReport) -> Vec<String> {
    vec![
        rank.to_string(),
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

fn per_call(rows: u64, calls: u64) -> String {
    number(rows as f64 / calls.max(1) as f64)
}
