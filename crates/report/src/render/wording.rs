//! Sentences that all formats for people share, so that they say the same.

use jiff::Timestamp;
use model::{Confidence, Effect, FingerprintId, FixResult, Measured, Severity};

use super::units::{
    bytes, count, duration_ms, evidence, moment, number, percent, seconds, server_version,
};
use crate::view::{
    Change, ChangeSign, Pace, QueryReport, Report, SampleReport, TrendPoint, WindowComparison,
};

/// Names of users or applications shown for one statement.
const NAMES_SHOWN: usize = 6;
/// Values of a sample that are described.
const VALUES_SHOWN: usize = 8;
/// Factors below this are within what two measurements differ by.
const WORTH_SAYING: f64 = 1.1;

pub(crate) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

pub(crate) fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "high",
        Confidence::Medium => "medium: the planner's estimate",
        Confidence::Low => "low: from table statistics alone",
    }
}

/// What the report is about, after its name.
pub(crate) fn subject(report: &Report) -> String {
    let mut parts = vec![format!(
        "{} up to {}",
        seconds(report.window.duration_s),
        moment(report.window.until),
    )];
    let selection = &report.selection;
    parts.extend(selection.database.iter().map(|name| format!("database {name}")));
    parts.extend(selection.application.iter().map(|name| format!("application {name}")));
    parts.extend(selection.fingerprint.iter().map(|prefix| format!("fingerprint {prefix}")));
    parts.push(format!("pgweir {}", report.pgweir_version));
    parts.join(" · ")
}

/// How complete the picture is.
pub(crate) fn coverage(report: &Report) -> Vec<String> {
    let coverage = &report.coverage;
    let rate = coverage.statements as f64 / report.window.duration_s.max(1.0);
    let measured = format!(
        "{} statements ({}/s) of {} fingerprints, {} of them parsed; {} in the others row, {} \
         measurements lost.",
        count(coverage.statements),
        number(rate),
        count(coverage.fingerprints),
        count(coverage.parsed),
        count(coverage.others),
        count(coverage.dropped),
    );
    let server = match coverage.server_version {
        0 => "The server was not asked yet".to_owned(),
        version => format!("PostgreSQL {}", server_version(version)),
    };
    let catalog = match coverage.catalog_read_at {
        None => "catalogue not read".to_owned(),
        Some(at) => {
            let age = report.generated_at.duration_since(at).as_secs_f64().max(0.0);
            format!("catalogue read {} ago", seconds(age.round()))
        }
    };
    let values = if report.selection.values_shown { " Values are shown." } else { "" };
    let process = format!(
        "{server}, {catalog}; {} clients; measuring since {}.{values}",
        count(coverage.clients),
        moment(coverage.started_at),
    );
    [measured, process].into_iter().chain(coverage.notes.iter().cloned()).collect()
}

/// `in shop by web from checkout`.
pub(crate) fn who(query: &QueryReport) -> String {
    let who = [
        ("in", names(&query.databases)),
        ("by", names(&query.users)),
        ("from", names(&query.applications)),
    ];
    let named = who.iter().filter(|(_, names)| !names.is_empty());
    named.map(|(word, names)| format!("{word} {names}")).collect::<Vec<_>>().join(" ")
}

fn names(all: &[String]) -> String {
    let mut shown: Vec<_> = all.iter().take(NAMES_SHOWN).cloned().collect();
    let more = all.len().saturating_sub(NAMES_SHOWN);
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    shown.join(", ")
}

/// What a statement cost beyond what the profile says.
pub(crate) fn cost(query: &QueryReport) -> String {
    let mut facts = vec![format!(
        "{} in all, {} of it waiting; first byte p95 {}; {} a call",
        duration_ms(query.total_ms),
        duration_ms(query.wait_ms),
        duration_ms(query.first_byte_p95_ms),
        bytes(query.bytes as f64 / query.calls.max(1) as f64),
    )];
    if query.lost > 0 {
        facts.push(format!("{} cut off by a disconnect", count(query.lost)));
    }
    if !query.errors.is_empty() {
        facts.push(format!("errors by SQLSTATE {}", by_code(&query.errors)));
    }
    facts.join("; ")
}

pub(crate) fn by_code(codes: &std::collections::BTreeMap<String, u64>) -> String {
    let codes: Vec<_> = codes.iter().map(|(code, n)| format!("{code}: {}", count(*n))).collect();
    codes.join(", ")
}

/// The slowest execution of late.
pub(crate) fn sample(sample: &SampleReport) -> String {
    let mut text = duration_ms(sample.took_ms);
    if let Some(at) = sample.at {
        text.push_str(&format!(" at {}", clock(at)));
    }
    if sample.parameters.is_empty() {
        return text;
    }
    let shown = sample.parameters.iter().take(VALUES_SHOWN).enumerate();
    let mut values: Vec<_> = shown
        .map(|(at, value)| {
            let what = match (&value.value, value.bytes) {
                (Some(value), _) => value.clone(),
                (None, None) => "NULL".to_owned(),
                (None, Some(1)) => "1 byte".to_owned(),
                (None, Some(length)) => format!("{} bytes", count(length)),
            };
            let name =
                value.type_name.as_deref().map(|name| format!("{name} ")).unwrap_or_default();
            format!("${} {name}{what}", at + 1)
        })
        .collect();
    let more = sample.parameters.len().saturating_sub(VALUES_SHOWN);
    if more > 0 {
        values.push(format!("{more} more"));
    }
    format!("{text}, with {}", values.join(", "))
}

/// The time of day: `20:15:30`.
pub(crate) fn clock(time: Timestamp) -> String {
    moment(time).split(' ').nth(1).unwrap_or_default().to_owned()
}

/// What a change did: `202 × faster`.
pub(crate) fn effect(result: &FixResult) -> String {
    let (before, after) = (result.before.database_mean_ms, result.after.database_mean_ms);
    match result.effect {
        Effect::Measuring => {
            let calls = result.after.calls;
            let noun = if calls == 1 { "call" } else { "calls" };
            format!("measuring: {} {noun} since", count(calls))
        }
        Effect::Better => format!("{} × faster", factor(before / after)),
        Effect::Worse => format!("{} × SLOWER than before", factor(after / before)),
        Effect::Same => "no difference".to_owned(),
    }
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

/// Transactions in a sentence; none where there were none.
pub(crate) fn transactions(report: &Report) -> Option<String> {
    let one = &report.transactions;
    if one.transactions == 0 {
        return None;
    }
    let mut text = format!(
        "{} transactions of {} statements on average, {} of them blocks",
        count(one.transactions),
        number(one.statements as f64 / one.transactions as f64),
        count(one.blocks),
    );
    if one.blocks > 0 {
        text.push_str(&format!(
            " (p95 {}, longest {}; idle for {} of that time, at most {} in one piece)",
            duration_ms(one.block_p95_ms),
            duration_ms(one.block_max_ms),
            percent(one.idle_ratio),
            duration_ms(one.longest_idle_ms),
        ));
    }
    text.push_str(&format!(
        "; {} by clients that keep their server connection.",
        count(one.pinned),
    ));
    Some(text)
}

/// Client connections in a sentence.
pub(crate) fn connections(report: &Report) -> String {
    let one = &report.connections;
    let mut text = format!("{} clients connected, {} left", count(one.opened), count(one.closed));
    if one.closed > 0 {
        text.push_str(&format!(" (after {} in the median)", duration_ms(one.lifetime_p50_ms)));
    }
    if !one.refused.is_empty() {
        text.push_str(&format!("; refused, by SQLSTATE: {}", by_code(&one.refused)));
    }
    text.push('.');
    text
}

/// The numbers of health, one sentence each that is not as it should be, one for the others.
pub(crate) fn health(report: &Report) -> Vec<(bool, String)> {
    let shown = |good: bool| {
        report.health.iter().filter(move |one| one.good == good).map(|one| {
            let (name, value) = evidence(&one.name, &one.value);
            (name, value, one.meaning.clone())
        })
    };
    let mut lines: Vec<_> = shown(false)
        .map(|(name, value, meaning)| (false, format!("{name} {value}: {meaning}")))
        .collect();
    let good: Vec<_> = shown(true).map(|(name, value, _)| format!("{name} {value}")).collect();
    if !good.is_empty() {
        lines.push((true, good.join(" · ")));
    }
    lines
}

/// Numbers of a finding: `calls 400 · mean 185 ms`.
pub(crate) fn numbers(map: &std::collections::BTreeMap<String, model::Evidence>) -> String {
    let shown: Vec<_> = map
        .iter()
        .map(|(name, value)| {
            let (label, value) = evidence(name, value);
            format!("{label} {value}")
        })
        .collect();
    shown.join(" · ")
}

/// The rank of a listed statement, from 1.
pub(crate) fn rank(report: &Report, id: FingerprintId) -> Option<usize> {
    report.queries.iter().position(|query| query.fingerprint == id).map(|at| at + 1)
}

/// Statements a second in each minute that was measured long enough to say so.
pub(crate) fn rates(trend: &[TrendPoint]) -> Vec<f64> {
    whole(trend).map(|point| point.calls as f64 / point.measured_s).collect()
}

/// Minutes of which a second or more was measured.
pub(crate) fn whole(trend: &[TrendPoint]) -> impl Iterator<Item = &TrendPoint> {
    trend.iter().filter(|point| point.measured_s >= 1.0)
}

/// Detectors that looked and found nothing.
pub(crate) fn fine(report: &Report) -> Vec<&str> {
    let named = |name: &str| report.findings.iter().any(|finding| finding.detector == name);
    report.checked.iter().map(String::as_str).filter(|name| !named(name)).collect()
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
