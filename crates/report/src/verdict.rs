//! The verdict: what is wrong, and what to do first, in plain sentences.

use model::{Basis, Effect, Finding, FixResult, Severity};

use crate::build::GRAIN;
use crate::render::units::{count, duration_ms, moment, percent, seconds, sentence};
use crate::render::wording;
use crate::view::Report;

/// The most causes that the verdict names; the findings have the rest.
const CAUSES: usize = 3;
/// Share of measurements lost above which the numbers need a warning.
const LOSS_WORTH_SAYING: f64 = 0.001;

/// The verdict on a report whose other parts are filled in.
pub(crate) fn verdict(report: &Report) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut problems: Vec<_> =
        report.findings.iter().filter(|f| f.severity > Severity::Info).collect();
    // Stable: within causes, and within consequences, the order by harm stays.
    problems.sort_by_key(|finding| is_consequence(finding, &report.findings));
    sentences.extend(report.results.iter().filter_map(harm));
    let harmed = !sentences.is_empty();
    if report.totals.calls + report.totals.lost == 0 {
        sentences.push("No statement was measured in this window.".to_owned());
    } else if problems.is_empty() && !harmed {
        sentences.push(healthy(report));
    }
    sentences.extend(problems.iter().take(CAUSES).map(|finding| cause(finding)));
    let more = problems.len().saturating_sub(CAUSES);
    if more > 0 {
        let noun = if more == 1 { "finding" } else { "findings" };
        let notes = report.findings.len() - problems.len();
        let notes =
            if notes > 0 { format!(", and {notes} for information") } else { String::new() };
        sentences.push(format!("{more} more {noun} below{notes}."));
    }
    sentences.extend(gains(report));
    sentences.extend(deploy(report));
    let seen = report.coverage.statements + report.coverage.dropped;
    if report.coverage.dropped as f64 > seen as f64 * LOSS_WORTH_SAYING {
        sentences.push(format!(
            "{} of {} measurements were lost because the analysis fell behind: counts are too low by as much.",
            count(report.coverage.dropped),
            count(seen),
        ));
    }
    sentences
}

/// A fix that made it worse comes before all else: it can be taken back.
fn harm(result: &FixResult) -> Option<String> {
    (result.effect == Effect::Worse).then(|| {
        let times = wording::factor(1.0 / wording::gain_of(result));
        let undo = result.undo.as_deref().map(|sql| format!(" Undo: {sql}")).unwrap_or_default();
        format!(
            "{} The statements concerned are {times} × slower since.{undo}",
            sentence(&result.change)
        )
    })
}

/// What fixes have won.
fn gains(report: &Report) -> Option<String> {
    let better: Vec<_> =
        report.results.iter().filter(|result| result.effect == Effect::Better).collect();
    // How much faster says more than how much rarer, which has no end.
    let is_time = |result: &FixResult| result.judged_by == Basis::Latency;
    let best = better.iter().max_by(|a, b| {
        let gains = wording::gain_of(a).total_cmp(&wording::gain_of(b));
        is_time(a).cmp(&is_time(b)).then(gains)
    })?;
    let more = match better.len() - 1 {
        0 => String::new(),
        1 => "; 1 more fix helped".to_owned(),
        n => format!("; {n} more fixes helped"),
    };
    let effect = wording::effect(best);
    // Where nothing of the server's was seen to change, the finding says what it was about.
    Some(match best.change.starts_with("the statements") {
        true => format!("Mended in the application: {}; {effect}{more}.", best.title),
        false => format!("Fixed: {}, {effect}{more}.", best.change),
    })
}

/// What got worse since the time compared with.
fn deploy(report: &Report) -> Option<String> {
    let comparison = report.comparison.as_ref()?;
    if comparison.baseline.duration_s < 1.0 {
        return Some("There is nothing before it to compare with yet.".to_owned());
    }
    let span = seconds(comparison.baseline.duration_s);
    Some(match comparison.worse.len() {
        0 => format!("Nothing got worse against the {span} before."),
        1 => format!("1 statement got worse against the {span} before."),
        n => format!("{n} statements got worse against the {span} before."),
    })
}

fn healthy(report: &Report) -> String {
    let totals = &report.totals;
    let unchecked = match report.not_checked.len() {
        0 => String::new(),
        1 => "; 1 check could not be made (see below)".to_owned(),
        n => format!("; {n} checks could not be made (see below)"),
    };
    let failed = match totals.failed {
        0 => "none failed".to_owned(),
        n => format!("{} failed ({})", count(n), percent(n as f64 / totals.calls.max(1) as f64)),
    };
    let measured = format!(
        "{} statements in {}, {failed}, 95 % done within {}",
        count(totals.calls),
        seconds(report.window.duration_s),
        duration_ms(totals.p95_ms),
    );
    let examined = report.coverage.examined_since.unwrap_or_default();
    if examined.duration_since(report.window.since) > GRAIN {
        return format!(
            "Too early to tell: {measured}, but only what came since {} was looked at for faults, when pgweir \
             started or was reset.",
            moment(examined),
        );
    }
    format!("Healthy: {measured}; nothing to fix{unchecked}.")
}

/// A pool is rarely too small by itself: where an index is missing in the same database, that is
/// what to do first, and the queue is what comes of it.
fn is_consequence(finding: &Finding, all: &[Finding]) -> bool {
    let missing_index =
        |other: &Finding| other.detector == "missing_index" && other.database == finding.database;
    finding.detector == "pool_saturation" && all.iter().any(missing_index)
}

fn cause(finding: &Finding) -> String {
    let mut text = sentence(&finding.title);
    let first_step = finding
        .fix
        .sql
        .as_deref()
        .and_then(|sql| sql.lines().find(|line| !line.trim_start().starts_with("--")))
        .or_else(|| finding.fix.advice.as_deref().and_then(first_sentence));
    if let Some(step) = first_step {
        text.push_str(" Do: ");
        text.push_str(step.trim());
    }
    text
}

fn first_sentence(text: &str) -> Option<&str> {
    let end = text.find(". ").map_or(text.len(), |at| at + 1);
    Some(text[..end].trim()).filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use model::Severity;

    use super::*;
    use crate::{ReportOptions, example};

    #[test]
    fn names_causes_before_consequences_with_what_to_do() {
        let report = example::report(&example::busy(), &ReportOptions::default());
        insta::assert_snapshot!(report.verdict.join("\n"), @r##"
        public.orders has no index on (customer_id, created_at). Do: CREATE INDEX CONCURRENTLY orders_customer_id_created_at_idx ON public.orders (customer_id, created_at);
        Pool shop/web is too busy: clients wait longer than they work. Do: Make the top statements faster first.
        "##);
    }

    #[test]
    fn a_healthy_window_is_one_line() {
        let report = example::report(&example::healthy(), &ReportOptions::default());
        insta::assert_snapshot!(report.verdict.join("\n"), @"Healthy: 1,000 statements in 15.5 min, none failed, 95 % done within 433 µs; nothing to fix.");
    }

    #[test]
    fn what_was_not_looked_at_is_not_healthy() {
        let mut published = example::healthy();
        let snapshot = std::sync::Arc::make_mut(&mut published.snapshot);
        snapshot.examined_since = snapshot.taken_at - SignedDuration::from_secs(35);
        let report = example::report(&published, &ReportOptions::default());
        let [told] = &report.verdict[..] else { panic!("{:?}", report.verdict) };
        assert!(told.starts_with("Too early to tell: 1,000 statements in 15.5 min"), "{told}");
        let moment = moment(published.snapshot.examined_since);
        assert!(told.contains(&format!("only what came since {moment} was looked at")), "{told}");
    }

    #[test]
    fn information_alone_does_not_spoil_health() {
        let mut published = example::busy();
        published.findings.truncate(1);
        published.findings[0].severity = Severity::Info;
        let report = example::report(&published, &ReportOptions::default());
        assert!(report.verdict[0].starts_with("Healthy: "), "{:?}", report.verdict);
    }

    #[test]
    fn says_when_measurements_were_lost() {
        let mut published = example::healthy();
        let snapshot = std::sync::Arc::make_mut(&mut published.snapshot);
        let minute = snapshot.minutes.back_mut().expect("one minute");
        std::sync::Arc::make_mut(minute).dropped = 500;
        let report = example::report(&published, &ReportOptions::default());
        assert!(report.verdict[1].starts_with("500 of 1,500 measurements"), "{:?}", report.verdict);
    }
}
