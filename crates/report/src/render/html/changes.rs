//! What fixes did, and what got worse.

use maud::{Markup, html as template};
use model::{Effect, FixResult};

use crate::render::layout::{plain, shortened};
use crate::render::units::{duration_ms, number, sentence};
use crate::render::wording;
use crate::view::{Change, Pace, Report};

/// Statements listed that got worse.
const WORSE_SHOWN: usize = 25;

pub(super) fn results(report: &Report) -> Markup {
    if report.results.is_empty() {
        return Markup::default();
    }
    template! {
        section {
            h2 { "Results of fixes, as measured" }
            @for result in &report.results { (one_result(result)) }
        }
    }
}

fn one_result(result: &FixResult) -> Markup {
    let class = match result.effect {
        Effect::Better => "better",
        Effect::Worse => "worse",
        Effect::Same => "same",
        Effect::Measuring => "measuring",
    };
    template! {
        article class={ "card result " (class) } {
            header {
                span class={ "tag " (class) } { (wording::effect(result)) }
                h3 { (plain(&sentence(&result.change))) }
            }
            p.soft.small { (wording::changed_at(result)) "; it was: " (plain(&sentence(&result.title))) }
            div.scroll { table {
                thead { tr { th.left {} th { "calls" } th { "calls/s" } th { "mean" } th { "p95" } th { "share of time" } } }
                tbody {
                    @for (name, side) in [("before", &result.before), ("after", &result.after)] {
                        tr { td.left { (name) } @for cell in wording::measured(side) { td { (cell) } } }
                    }
                }
            } }
            @for other in &result.slower {
                p.worse-text {
                    "Slower since: " (duration_ms(other.before_ms)) " → " (duration_ms(other.after_ms))
                    " on average: " span.sql { (shortened(&other.text, 200)) }
                }
            }
            @if let (Some(undo), Effect::Worse) = (&result.undo, result.effect) {
                p.soft.small { "Undo:" }
                pre { (plain(undo)) }
            }
        }
    }
}

pub(super) fn comparison(report: &Report) -> Markup {
    let Some(comparison) = &report.comparison else { return Markup::default() };
    template! {
        section {
            h2 { "What got worse" }
            div.card {
                p { (wording::comparison(comparison, report)) }
                @if !comparison.worse.is_empty() {
                    div.scroll { table {
                        thead { tr {
                            th.left { "how" } th { "calls/s" } th { "mean" } th { "p95" } th.left { "statement" }
                        } }
                        tbody { @for change in comparison.worse.iter().take(WORSE_SHOWN) { (row(change)) } }
                    } }
                }
            }
        }
    }
}

fn row(change: &Change) -> Markup {
    let step = |show: fn(&Pace) -> String| {
        let before = change.before.as_ref().map_or_else(|| "–".to_owned(), show);
        format!("{before} → {}", show(&change.after))
    };
    template! {
        tr {
            td.left.poor { (wording::signs(change)) }
            td { (step(|pace| number(pace.calls_per_s))) }
            td { (step(|pace| duration_ms(pace.mean_ms))) }
            td { (step(|pace| duration_ms(pace.p95_ms))) }
            td.left.wide.sql { (shortened(&change.text, 200)) }
        }
    }
}
