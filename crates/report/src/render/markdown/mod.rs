//! The Markdown format, for a ticket: GitHub's tables, everything that comes from clients escaped.

mod escape;

use std::fmt::Write as _;

use model::{Effect, Finding, FixResult, Severity};

use super::layout::shortened;
use super::units::{count, duration_ms, number, percent, sentence};
use super::wording;
use crate::view::{Change, Pace, PoolReport, QueryReport, Report};
use escape::{code, fence, fence_of, html_text, prose};

/// Room for a statement in a table, characters.
const TEXT_MOST: usize = 80;
/// Statements that got worse, listed.
const WORSE_SHOWN: usize = 15;

/// The report as Markdown.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# pgweir report\n\n{}\n", prose(&wording::subject(report)));
    for sentence in &report.verdict {
        let _ = writeln!(out, "- {}", prose(sentence));
    }
    results(&mut out, report);
    comparison(&mut out, report);
    findings(&mut out, report);
    profile(&mut out, report);
    statements(&mut out, report);
    pools(&mut out, report);
    rest(&mut out, report);
    out
}

fn results(out: &mut String, report: &Report) {
    if report.results.is_empty() {
        return;
    }
    out.push_str("\n## Results of fixes, as measured\n");
    for result in &report.results {
        one_result(out, result);
    }
}

fn one_result(out: &mut String, result: &FixResult) {
    let sign = match result.effect {
        Effect::Better => "✅",
        Effect::Worse => "🔴",
        Effect::Same | Effect::Measuring => "🟡",
    };
    let _ = writeln!(
        out,
        "\n{sign} **{}**: {} ({}; it was: {})\n",
        prose(&wording::effect(result)),
        prose(&sentence(&result.change)),
        prose(&wording::changed_at(result)),
        prose(&sentence(&result.title)),
    );
    out.push_str("| | calls | calls/s | mean | p95 | share of time |\n|---|--:|--:|--:|--:|--:|\n");
    for (name, side) in [("before", &result.before), ("after", &result.after)] {
        let _ = writeln!(out, "| {name} | {} |", wording::measured(side).join(" | "));
    }
    for other in &result.slower {
        let _ = writeln!(
            out,
            "\n🔴 Slower since: {} → {} on average: {}",
            duration_ms(other.before_ms),
            duration_ms(other.after_ms),
            code(&shortened(&other.text, TEXT_MOST)),
        );
    }
    if let Some(undo) = result.undo.as_ref().filter(|_| result.effect == Effect::Worse) {
        let _ = writeln!(out, "\nUndo:\n\n{}", fence(undo));
    }
}

fn comparison(out: &mut String, report: &Report) {
    let Some(comparison) = &report.comparison else { return };
    let _ =
        writeln!(out, "\n## What got worse\n\n{}", prose(&wording::comparison(comparison, report)));
    if comparison.worse.is_empty() {
        return;
    }
    out.push_str("\n| how | calls/s | mean | p95 | statement |\n|---|---|---|---|---|\n");
    for change in comparison.worse.iter().take(WORSE_SHOWN) {
        let _ = writeln!(out, "{}", worse_row(change));
    }
    let more = comparison.worse.len().saturating_sub(WORSE_SHOWN);
    if more > 0 {
        let _ = writeln!(out, "\nand {more} more");
    }
}

fn worse_row(change: &Change) -> String {
    let step = |show: fn(&Pace) -> String| {
        let before = change.before.as_ref().map_or_else(|| "–".to_owned(), show);
        format!("{before} → {}", show(&change.after))
    };
    format!(
        "| {} | {} | {} | {} | {} |",
        prose(&wording::signs(change)),
        step(|pace| number(pace.calls_per_s)),
        step(|pace| duration_ms(pace.mean_ms)),
        step(|pace| duration_ms(pace.p95_ms)),
        code(&shortened(&change.text, TEXT_MOST)),
    )
}

fn findings(out: &mut String, report: &Report) {
    if report.findings.is_empty() {
        return;
    }
    out.push_str("\n## Findings\n");
    for (at, finding) in report.findings.iter().enumerate() {
        one_finding(out, at + 1, finding, report);
    }
}

fn one_finding(out: &mut String, number: usize, finding: &Finding, report: &Report) {
    let sign = match finding.severity {
        Severity::Critical => "🔴",
        Severity::Warning => "🟠",
        Severity::Info => "🔵",
    };
    let _ = writeln!(
        out,
        "\n### {number}. {sign} {}: {}\n\n{}\n",
        wording::severity(finding.severity),
        prose(&finding.title),
        prose(&sentence(&finding.why)),
    );
    if let Some(sql) = &finding.fix.sql {
        let _ = writeln!(out, "{}\n", fence(sql));
    }
    if let Some(advice) = &finding.fix.advice {
        let _ = writeln!(out, "**Fix:** {}\n", prose(advice));
    }
    let mut facts = vec![("Evidence", prose(&wording::numbers(&finding.evidence)))];
    facts.push(("Expected", prose(&wording::numbers(&finding.estimate))));
    facts.push(("Undo", finding.fix.undo.as_deref().map(code).unwrap_or_default()));
    facts.push(("How sure", wording::confidence(finding.confidence).to_owned()));
    let ranks: Vec<_> = finding
        .fingerprints
        .iter()
        .filter_map(|id| wording::rank(report, *id))
        .map(|rank| format!("no. {rank}"))
        .collect();
    facts.push(("Statements", ranks.join(", ")));
    facts.push(("Detector", code(&finding.detector)));
    for (name, text) in facts.iter().filter(|(_, text)| !text.is_empty()) {
        let _ = writeln!(out, "- {name}: {text}");
    }
}

fn profile(out: &mut String, report: &Report) {
    if report.queries.is_empty() {
        return;
    }
    let by = report.selection.sort.meaning();
    let _ = writeln!(out, "\n## Profile, by {by}\n");
    out.push_str(
        "| # | time | calls | mean | p50 | p95 | p99 | max | rows/call | errors | wait p95 | statement |\n\
         |--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for (at, query) in report.queries.iter().enumerate() {
        let cells = [
            (at + 1).to_string(),
            percent(query.share_of_time),
            count(query.calls),
            duration_ms(query.mean_ms),
            duration_ms(query.p50_ms),
            duration_ms(query.p95_ms),
            duration_ms(query.p99_ms),
            duration_ms(query.max_ms),
            number(query.rows as f64 / query.calls.max(1) as f64),
            count(query.failed),
            duration_ms(query.wait_p95_ms),
            code(&shortened(&query.text, TEXT_MOST)),
        ];
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    if let Some(rest) = &report.remainder {
        let _ = writeln!(
            out,
            "| | {} | {} | {} | | | | | | {} | | (all others) |",
            percent(rest.share_of_time),
            count(rest.calls),
            duration_ms(rest.total_ms / rest.calls.max(1) as f64),
            count(rest.failed),
        );
    }
}

fn statements(out: &mut String, report: &Report) {
    if report.queries.is_empty() {
        return;
    }
    out.push_str("\n## Statements\n");
    for (at, query) in report.queries.iter().enumerate() {
        one_statement(out, at + 1, query);
    }
}

fn one_statement(out: &mut String, rank: usize, query: &QueryReport) {
    let _ = writeln!(
        out,
        "\n<details><summary>{rank}. {} {}</summary>\n\n{}\n",
        query.fingerprint,
        html_text(&wording::who(query)),
        fence(&query.text),
    );
    let _ = writeln!(out, "- {}", prose(&wording::cost(query)));
    if let Some(tags) = wording::tags(query) {
        let _ = writeln!(out, "- Tags: {}", prose(&tags));
    }
    if let Some(sample) = &query.sample {
        let _ = writeln!(out, "- Slowest sample of late: {}", prose(&wording::sample(sample)));
        if let Some(text) = &sample.text {
            let _ = writeln!(out, "\n{}", fence(text));
        }
    }
    for plan in &query.plans {
        let _ =
            writeln!(out, "- {}:\n\n{}\n", prose(&wording::plan(plan)), fence_of("", &plan.text));
    }
    if !query.findings.is_empty() {
        let _ = writeln!(out, "- Findings: {}", prose(&query.findings.join(", ")));
    }
    out.push_str("\n</details>\n");
}

fn pools(out: &mut String, report: &Report) {
    if !report.pools.is_empty() {
        out.push_str(
            "\n## Pools\n\n| pool | mode | size | most used | busy | transactions | held p95 | clients | \
             queue | longest | wait p95 |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        );
    }
    for pool in &report.pools {
        let _ = writeln!(out, "{}", pool_row(pool));
    }
    for pool in report.pools.iter().filter(|pool| !pool.connect_failures.is_empty()) {
        let _ = writeln!(
            out,
            "\n{}: server connections could not be opened, by SQLSTATE: {}.",
            prose(&format!("{}/{}", pool.database, pool.user)),
            wording::by_code(&pool.connect_failures),
        );
    }
}

fn pool_row(pool: &PoolReport) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        prose(&format!("{}/{}", pool.database, pool.user)),
        pool.mode.map_or_else(|| "gone".to_owned(), |mode| mode.to_string()),
        pool.size,
        pool.most_active,
        percent(pool.busy_ratio),
        count(pool.transactions),
        duration_ms(pool.held_p95_ms),
        pool.clients_active,
        pool.clients_waiting,
        pool.most_waiting,
        duration_ms(pool.wait_p95_ms),
    )
}

fn rest(out: &mut String, report: &Report) {
    if let Some(transactions) = wording::transactions(report) {
        let _ = writeln!(
            out,
            "\n## Transactions and connections\n\n{} {}",
            prose(&transactions),
            prose(&wording::connections(report)),
        );
    }
    if report.totals.calls > 0 {
        out.push_str("\n## Health\n\n");
        for (good, line) in wording::health(report) {
            let _ = writeln!(out, "- {}{}", if good { "" } else { "⚠ " }, prose(&line));
        }
    }
    out.push_str("\n## Coverage\n\n");
    for sentence in wording::coverage(report) {
        let _ = writeln!(out, "- {}", prose(&sentence));
    }
    let fine = wording::fine(report);
    if !fine.is_empty() {
        let _ = writeln!(out, "- Checked and fine: {}", prose(&fine.join(", ")));
    }
    for check in &report.not_checked {
        let _ = writeln!(out, "- Could not check {}: {}", prose(&check.check), prose(&check.why));
    }
}

#[cfg(test)]
mod tests;
