//! Sentences that all formats for people share, so that they say the same.

mod changes;

use jiff::Timestamp;
use model::{Confidence, FingerprintId, Severity};

use crate::render::units::{
    bytes, count, duration_ms, evidence, moment, number, percent, seconds, server_version,
};
use crate::view::{PlanReport, QueryReport, Report, SampleReport, TrendPoint};

pub(crate) use changes::{changed_at, comparison, effect, factor, gain, gain_of, measured, signs};

/// Tags shown for one statement.
const TAGS_SHOWN: usize = 6;
/// Names of users or applications shown for one statement.
const NAMES_SHOWN: usize = 6;
/// Values of a sample that are described.
const VALUES_SHOWN: usize = 8;

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
    parts.extend(selection.tag.iter().map(|tag| format!("tag {tag}")));
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

/// `controller=cart 1,200 · action=show 800`.
pub(crate) fn tags(query: &QueryReport) -> Option<String> {
    if query.tags.is_empty() {
        return None;
    }
    let mut shown: Vec<_> = query
        .tags
        .iter()
        .take(TAGS_SHOWN)
        .map(|tag| format!("{}={} {}", tag.name, tag.value, count(tag.calls)))
        .collect();
    let more = query.tags.len().saturating_sub(TAGS_SHOWN);
    if more > 0 {
        shown.push(format!("{more} more"));
    }
    Some(shown.join(" · "))
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

/// Which plan it is, when it was seen, and what it costs.
pub(crate) fn plan(plan: &PlanReport) -> String {
    let mut text = match (plan.which.as_str(), plan.took_ms) {
        ("current", _) => "Plan now".to_owned(),
        ("generic", _) => "Plan for any values".to_owned(),
        ("earlier", _) => "Earlier plan".to_owned(),
        (rank, Some(took)) => format!("Plan of the {rank} execution ({})", duration_ms(took)),
        (rank, None) => format!("Plan of the {rank} execution"),
    };
    match (plan.since, plan.until) {
        (Some(since), Some(until)) => {
            text.push_str(&format!(", {} to {}", clock(since), clock(until)));
        }
        (None, Some(at)) => text.push_str(&format!(", at {}", clock(at))),
        _ => {}
    }
    format!("{text}, cost {}", number(plan.cost))
}

/// The time of day: `20:15:30`.
pub(crate) fn clock(time: Timestamp) -> String {
    moment(time).split(' ').nth(1).unwrap_or_default().to_owned()
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

/// What a point of a trend is of: a minute, or, where the report reaches far back, an hour or more.
pub(crate) fn grain(trend: &[TrendPoint]) -> &'static str {
    if trend.iter().all(|point| point.measured_s <= 60.0) { "By minute" } else { "Over time" }
}

/// The time of a point: with its day where the trend is of several.
pub(crate) fn point_time(trend: &[TrendPoint], point: &TrendPoint) -> String {
    let first = trend.first().map_or(point.minute, |first| first.minute);
    let last = trend.last().map_or(point.minute, |last| last.minute);
    let day = last.duration_since(first).as_hours() >= 24;
    point.minute.strftime(if day { "%m-%d %H:%M" } else { "%H:%M" }).to_string()
}

/// Minutes of which a second or more was measured.
pub(crate) fn whole(trend: &[TrendPoint]) -> impl Iterator<Item = &TrendPoint> {
    trend.iter().filter(|point| point.measured_s >= 1.0)
}

/// Detectors that looked everywhere and found nothing.
pub(crate) fn fine(report: &Report) -> Vec<&str> {
    let named = |name: &str| {
        let found = report.findings.iter().any(|finding| finding.detector == name);
        found || report.not_checked.iter().any(|check| check.check == name)
    };
    report.checked.iter().map(String::as_str).filter(|name| !named(name)).collect()
}
