//! Sentences on what fixes did and on what got worse.

use model::{Basis, Effect, FixResult, Measured};

use super::clock;
use crate::render::units::{count, duration_ms, moment, number, percent, seconds};
use crate::view::{Change, ChangeSign, Pace, Report, WindowComparison};

/// Factors below this are within what two measurements differ by.
const WORTH_SAYING: f64 = 1.1;

/// What a change did: `202 × faster`.
pub(crate) fn effect(result: &FixResult) -> String {
    match (result.effect, result.judged_by) {
        (Effect::Measuring, _) => {
            let calls = result.after.calls;
            let noun = if calls == 1 { "call" } else { "calls" };
            format!("measuring: {} {noun} since", count(calls))
        }
        (Effect::Same, _) => "no difference".to_owned(),
        (Effect::Worse, _) => format!("{} × SLOWER than before", factor(1.0 / gain_of(result))),
        (Effect::Better, Basis::Latency) => format!("{} × faster", factor(gain_of(result))),
        (Effect::Better, Basis::Calls) if result.after.calls == 0 => "not run any more".to_owned(),
        (Effect::Better, Basis::Calls) => format!("{} × fewer calls", factor(gain_of(result))),
        (Effect::Better, Basis::Failures) => format!("{} × fewer errors", factor(gain_of(result))),
    }
}

/// How many times less it became, of what the result is judged by.
pub(crate) fn gain_of(result: &FixResult) -> f64 {
    let failures = |side: &Measured| side.failed as f64 / side.calls.max(1) as f64;
    let of = |side: &Measured| match result.judged_by {
        Basis::Latency => side.database_mean_ms,
        Basis::Calls => side.calls_per_s,
        Basis::Failures => failures(side),
    };
    of(&result.before) / of(&result.after)
}

pub(crate) fn factor(value: f64) -> String {
    if !value.is_finite() {
        return "many".to_owned();
    }
    if value < 9.95 { format!("{value:.1}") } else { count(value.round() as u64) }
}

/// One side of a result, as the cells of a table: calls, calls a second, mean, p95, share of time.
pub(crate) fn measured(side: &Measured) -> [String; 5] {
    [
        count(side.calls),
        number(side.calls_per_s),
        duration_ms(side.mean_ms),
        duration_ms(side.p95_ms),
        percent(side.share_of_time),
    ]
}

/// When a change happened, as exactly as it is known.
pub(crate) fn changed_at(result: &FixResult) -> String {
    match result.unchanged_at {
        Some(before) => format!("between {} and {}", clock(before), moment(result.changed_at)),
        None => format!("at {}", moment(result.changed_at)),
    }
}

/// `new`, `calls 2.1 ×`, `p95 3.4 ×`.
pub(crate) fn signs(change: &Change) -> String {
    let ratio = |of: fn(&Pace) -> f64| {
        let before = change.before.as_ref().map_or(0.0, of);
        factor(of(&change.after) / before)
    };
    let failed = |pace: &Pace| pace.failed as f64 / pace.calls.max(1) as f64;
    let names: Vec<_> = change
        .signs
        .iter()
        .map(|sign| match sign {
            ChangeSign::New => "new".to_owned(),
            ChangeSign::RateStep => format!("{} × as often", ratio(|pace| pace.calls_per_s)),
            ChangeSign::P95Step => format!("p95 {} ×", ratio(|pace| pace.p95_ms)),
            ChangeSign::Errors => format!("{} fail", percent(failed(&change.after))),
        })
        .collect();
    names.join(", ")
}

/// Two windows in a sentence.
pub(crate) fn comparison(comparison: &WindowComparison, report: &Report) -> String {
    let rate = |calls: u64, seconds: f64| number(calls as f64 / seconds.max(1.0));
    let failed = |failed: u64, calls: u64| percent(failed as f64 / calls.max(1) as f64);
    let (before, after) = (&comparison.totals, &report.totals);
    let baseline = &comparison.baseline;
    format!(
        "{} to {} against the {} before: {} → {} statements/s, p95 {} → {}, {} → {} failed; {} \
         got worse, {} got faster, {} no longer run.",
        clock(report.window.since),
        clock(report.window.until),
        seconds(baseline.duration_s),
        rate(before.calls, baseline.duration_s),
        rate(after.calls, report.window.duration_s),
        duration_ms(before.p95_ms),
        duration_ms(after.p95_ms),
        failed(before.failed, before.calls),
        failed(after.failed, after.calls),
        count(comparison.worse.len() as u64),
        count(comparison.faster),
        count(comparison.gone),
    )
}

/// By how much p95 changed between two measurements: `202 × faster`, `the same`, `not run`.
pub(crate) fn gain(gain: f64) -> String {
    match gain {
        0.0 => "not run".to_owned(),
        gain if gain > WORTH_SAYING => format!("{} × faster", factor(gain)),
        gain if gain < 1.0 / WORTH_SAYING => format!("{} × slower", factor(1.0 / gain)),
        _ => "the same".to_owned(),
    }
}
