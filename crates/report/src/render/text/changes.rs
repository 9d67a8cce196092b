//! What fixes did, and what got worse.

use std::fmt::Write as _;

use model::{Effect, FixResult};

use crate::render::layout::{Paint, heading, painted, paragraph, shortened, table};
use crate::render::units::{duration_ms, number, sentence};
use crate::render::{Style, wording};
use crate::view::{Change, Pace, Report};

/// Statements listed that got worse; the JSON report has the others.
const WORSE_SHOWN: usize = 15;

pub(super) fn results(out: &mut String, report: &Report, style: Style) {
    if report.results.is_empty() {
        return;
    }
    heading(out, style, "RESULTS OF FIXES, as measured");
    for (at, result) in report.results.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        one_result(out, result, style);
    }
}

fn one_result(out: &mut String, result: &FixResult, style: Style) {
    let paint = match result.effect {
        Effect::Better => Paint::Good,
        Effect::Worse => Paint::Worse,
        Effect::Same | Effect::Measuring => Paint::Bad,
    };
    let mut lines = String::new();
    let text = format!("{}: {}", wording::effect(result), sentence(&result.change));
    paragraph(&mut lines, style, "  ", &text);
    let _ = writeln!(out, "{}", painted(style, paint, lines.trim_end()));
    let when = format!("{}; it was: {}", wording::changed_at(result), sentence(&result.title));
    paragraph(out, style, "    ", &when);
    let mut rows = Vec::new();
    for (name, side) in [("before", &result.before), ("after", &result.after)] {
        let mut cells = vec![format!("   {name}")];
        cells.extend(wording::measured(side));
        rows.push(cells);
    }
    let header = ["<   ", "calls", "calls/s", "mean", "p95", "share of time"];
    table(out, style, &header, &rows);
    for other in &result.slower {
        let text = format!(
            "slower since: {} {} → {} on average: {}",
            other.fingerprint,
            duration_ms(other.before_ms),
            duration_ms(other.after_ms),
            shortened(&other.text, 200),
        );
        let mut lines = String::new();
        paragraph(&mut lines, style, "    ! ", &text);
        let _ = writeln!(out, "{}", painted(style, Paint::Worse, lines.trim_end()));
    }
    if let Some(undo) = result.undo.as_ref().filter(|_| result.effect == Effect::Worse) {
        let _ = writeln!(out, "    Undo  {}", painted(style, Paint::Code, &shortened(undo, 400)));
    }
}

pub(super) fn comparison(out: &mut String, report: &Report, style: Style) {
    let Some(comparison) = &report.comparison else { return };
    heading(out, style, "WHAT GOT WORSE");
    paragraph(out, style, "  ", &wording::comparison(comparison, report));
    if comparison.worse.is_empty() {
        return;
    }
    out.push('\n');
    let header = ["<query", "<how", "calls/s", "after", "mean", "after", "p95", "after"];
    let shown = comparison.worse.iter().take(WORSE_SHOWN);
    let rows: Vec<_> = shown.clone().map(worse_row).collect();
    table(out, style, &header, &rows);
    out.push('\n');
    for change in shown {
        let id: String = change.fingerprint.to_string().chars().take(8).collect();
        let room = style.width.saturating_sub(12);
        let _ =
            writeln!(out, " {id}  {}", painted(style, Paint::Code, &shortened(&change.text, room)));
    }
    let more = comparison.worse.len().saturating_sub(WORSE_SHOWN);
    if more > 0 {
        let _ = writeln!(out, " and {more} more");
    }
}

fn worse_row(change: &Change) -> Vec<String> {
    let side =
        |pace: Option<&Pace>, show: fn(&Pace) -> String| pace.map_or_else(|| "–".to_owned(), show);
    let (before, after) = (change.before.as_ref(), Some(&change.after));
    let rate = |pace: &Pace| number(pace.calls_per_s);
    let mean = |pace: &Pace| duration_ms(pace.mean_ms);
    let p95 = |pace: &Pace| duration_ms(pace.p95_ms);
    vec![
        change.fingerprint.to_string().chars().take(8).collect(),
        wording::signs(change),
        side(before, rate),
        side(after, rate),
        side(before, mean),
        side(after, mean),
        side(before, p95),
        side(after, p95),
    ]
}
