//! The charts of all statements, and the profile.

use maud::{Markup, html as template};

use super::chart::{self, Point};
use crate::render::layout::{plain, shortened};
use crate::render::units::{count, duration_ms, number, percent};
use crate::render::wording;
use crate::view::{QueryReport, Report, TrendPoint};

/// Statements in the chart of time.
const BARS_MOST: usize = 8;
/// Room for a statement's text, characters.
const TEXT_MOST: usize = 160;

pub(super) fn charts(report: &Report) -> Markup {
    if report.totals.calls == 0 {
        return Markup::default();
    }
    template! {
        div.charts {
            @if report.trend.len() > 1 {
                div.card { (rate_chart(&report.trend, "Statements a second", "plot")) }
                div.card { (latency_chart(&report.trend, "p95 latency", "plot")) }
            }
        }
        div.card { (time_chart(report)) }
    }
}

fn ends(trend: &[TrendPoint]) -> (String, String) {
    let at = |point: Option<&TrendPoint>| {
        point.map(|point| wording::point_time(trend, point)).unwrap_or_default()
    };
    (at(wording::whole(trend).next()), at(wording::whole(trend).last()))
}

pub(super) fn rate_chart(trend: &[TrendPoint], name: &str, class: &str) -> Markup {
    over_time(
        trend,
        name,
        class,
        |point| point.calls as f64 / point.measured_s,
        |rate| format!("{}/s", number(rate)),
    )
}

pub(super) fn latency_chart(trend: &[TrendPoint], name: &str, class: &str) -> Markup {
    over_time(trend, name, class, |point| point.p95_ms, duration_ms)
}

fn over_time(
    trend: &[TrendPoint],
    name: &str,
    class: &str,
    value: fn(&TrendPoint) -> f64,
    show: fn(f64) -> String,
) -> Markup {
    let points: Vec<_> = wording::whole(trend)
        .map(|point| Point {
            value: value(point),
            says: format!("{}: {}", wording::point_time(trend, point), show(value(point))),
        })
        .collect();
    let most = points.iter().map(|point| point.value).fold(0.0, f64::max);
    let (first, last) = ends(trend);
    let greatest = format!("up to {}", show(most));
    chart::figure(name, &greatest, &chart::line(&points, class), (&first, &last))
}

fn time_chart(report: &Report) -> Markup {
    let mut queries: Vec<_> = report.queries.iter().enumerate().collect();
    queries.sort_by(|(_, a), (_, b)| b.share_of_time.total_cmp(&a.share_of_time));
    template! {
        figure {
            figcaption { b { "Time in the database, by statement" } }
            div.bars {
                @for (at, query) in queries.iter().take(BARS_MOST) {
                    a.text.sql href={ "#statement-" (at + 1) } { (shortened(&query.text, TEXT_MOST)) }
                    (chart::bar(query.share_of_time, "share"))
                    span.value { (percent(query.share_of_time)) }
                }
            }
        }
    }
}

pub(super) fn profile(report: &Report) -> Markup {
    if report.queries.is_empty() {
        return Markup::default();
    }
    template! {
        section {
            h2 { "Profile, by " (report.selection.sort.meaning()) }
            div.card.scroll {
                table {
                    thead { tr {
                        th { "#" } th.left { "statement" } th { "time" } th { "calls" } th { "mean" }
                        th { "p50" } th { "p95" } th { "p99" } th { "max" } th { "rows/call" }
                        th { "errors" } th { "wait p95" } th { "calls/s" }
                    } }
                    tbody {
                        @for (at, query) in report.queries.iter().enumerate() { (row(at + 1, query)) }
                        @if let Some(rest) = &report.remainder {
                            tr.soft {
                                td {} td.left { "all others" } td { (percent(rest.share_of_time)) }
                                td { (count(rest.calls)) }
                                td { (duration_ms(rest.total_ms / rest.calls.max(1) as f64)) }
                                td {} td {} td {} td {}
                                td { (per_call(rest.rows, rest.calls)) } td { (count(rest.failed)) } td {} td {}
                            }
                        }
                    }
                }
            }
        }
    }
}

fn row(rank: usize, query: &QueryReport) -> Markup {
    template! {
        tr {
            td { (rank) }
            td.left { a.clip.sql href={ "#statement-" (rank) } title=(plain(&query.text)) {
                (shortened(&query.text, TEXT_MOST))
            } }
            td { (percent(query.share_of_time)) }
            td { (count(query.calls)) }
            td { (duration_ms(query.mean_ms)) }
            td { (duration_ms(query.p50_ms)) }
            td { (duration_ms(query.p95_ms)) }
            td { (duration_ms(query.p99_ms)) }
            td { (duration_ms(query.max_ms)) }
            td { (per_call(query.rows, query.calls)) }
            @if query.failed > 0 { td.poor { (count(query.failed)) } } @else { td { "0" } }
            td { (duration_ms(query.wait_p95_ms)) }
            td { (chart::spark(&wording::rates(&query.trend))) }
        }
    }
}

fn per_call(rows: u64, calls: u64) -> String {
    number(rows as f64 / calls.max(1) as f64)
}
