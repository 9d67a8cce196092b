//! Advice for people, at 100 columns.

use std::fmt::Write as _;

use insight::advisor::{Basis, Drop, Pick, target};
use report::render::units;

use super::Shown;
use super::earlier::Since;

/// Columns that text is wrapped at; SQL to be pasted is not.
const WIDTH: usize = 100;
/// Statements named for one index.
const MOST_NAMED: usize = 8;
/// What could not be judged is listed up to here.
const MOST_NOT_JUDGED: usize = 10;

/// The advice as text.
pub(super) fn render(shown: &Shown) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "Index advice for {}", shown.place);
    for line in [about(shown), verdict(shown)] {
        paragraph(&mut out, "", &line);
    }
    section(&mut out, "Build", shown.advice.picks.len(), "no index is worth it");
    for (position, pick) in shown.advice.picks.iter().enumerate() {
        build(&mut out, shown, position, pick);
    }
    section(&mut out, "Drop", shown.advice.drops.len(), "nothing");
    for drop in &shown.advice.drops {
        drop_lines(&mut out, drop);
    }
    if let Some(since) = &shown.earlier {
        earlier(&mut out, since);
    }
    not_judged(&mut out, shown);
    out
}

pub(super) fn about(shown: &Shown) -> String {
    let advice = &shown.advice;
    let planned = advice.costs.iter().flatten().count();
    let judge = if advice.planner {
        format!(
            "the planner was asked {} times about {} imagined indexes (HypoPG) in {}{}",
            units::count(advice.plans),
            units::count(advice.candidates as u64),
            units::seconds(shown.took.as_secs_f64()),
            if advice.finished { "" } else { ", when the time was up" },
        )
    } else {
        "HypoPG is not there, so that all rests on plans as they are and on statistics; CREATE \
         EXTENSION hypopg makes the advice sure"
            .to_owned()
    };
    format!("Workload: {planned} statements of {}; {judge}.", shown.source)
}

pub(super) fn verdict(shown: &Shown) -> String {
    let picks = &shown.advice.picks;
    if picks.is_empty() {
        return "The indexes that are there do: no other would save enough to be worth it."
            .to_owned();
    }
    let tried = |pick: &&Pick| pick.basis == Basis::Planner || !shown.advice.planner;
    let judged: Vec<&Pick> = picks.iter().filter(tried).collect();
    let bytes: u64 = judged.iter().map(|pick| pick.bytes).sum();
    let measured = shown.workload.iter().all(|one| one.measured_ms.is_some());
    format!(
        "Estimated {} of the workload: {} of what it is now, with {} of {} together{}.{}",
        if measured { "time" } else { "cost" },
        share(shown.advice.relative_cost),
        plural(judged.len(), "new index", "new indexes"),
        units::bytes(bytes as f64),
        match shown.budget {
            Some(budget) => format!(" (budget {})", units::bytes(budget as f64)),
            None => String::new(),
        },
        match picks.len() - judged.len() {
            0 => String::new(),
            more => format!(
                " {} could not be tried by the planner and is not counted.",
                plural(more, "more index", "more indexes")
            ),
        },
    )
}

fn build(out: &mut String, shown: &Shown, position: usize, pick: &Pick) {
    let number = format!("{:>2}  ", position + 1);
    let _ = writeln!(
        out,
        "\n{number}{}\n    {} · {}{}",
        target(&pick.index),
        units::bytes(pick.bytes as f64),
        effect(pick),
        match pick.basis {
            Basis::Planner => "",
            Basis::Statistics => " · not tried by the planner",
        },
    );
    for line in pick.sql.lines() {
        let _ = writeln!(out, "    {line}");
    }
    paragraph(out, "    helps  ", &helped(shown, pick));
    let _ = writeln!(out, "    undo   {}", pick.undo);
}

/// What an index is estimated to save.
pub(super) fn effect(pick: &Pick) -> String {
    let upkeep = if pick.upkeep > 0.000_5 {
        format!(", writing to it ({}) taken off", share(pick.upkeep))
    } else {
        String::new()
    };
    match pick.basis {
        Basis::Planner => format!("estimated to save {} of the workload{upkeep}", share(pick.gain)),
        Basis::Statistics => {
            format!("what it would take the place of is {} of the workload", share(pick.gain))
        }
    }
}

/// The statements that an index helps, with what they are estimated to cost with all new indexes.
pub(super) fn helped(shown: &Shown, pick: &Pick) -> String {
    let mut lines: Vec<(f64, String)> = pick
        .statements
        .iter()
        .map(|at| {
            let name = &shown.workload[*at].name;
            match shown.advice.costs[*at] {
                Some((before, after)) if pick.basis == Basis::Planner && before > 0.0 => {
                    (after / before, format!("{name} to {}", share(after / before)))
                }
                _ => (1.0, name.clone()),
            }
        })
        .collect();
    lines.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    let more = lines.len().saturating_sub(MOST_NAMED);
    let mut names: Vec<String> = lines.into_iter().take(MOST_NAMED).map(|(_, name)| name).collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    if names.is_empty() { "no statement alone".to_owned() } else { names.join(", ") }
}

fn drop_lines(out: &mut String, drop: &Drop) {
    let _ = writeln!(
        out,
        "\n    {}.{} of {} · {}",
        drop.schema,
        drop.index,
        drop.table,
        units::bytes(drop.bytes as f64)
    );
    let _ = writeln!(out, "    {}", drop.sql);
    paragraph(out, "    why    ", &drop.why);
    if let Some(undo) = &drop.undo {
        let _ = writeln!(out, "    undo   {undo}");
    }
}

fn earlier(out: &mut String, since: &Since) {
    section(out, "What became of the earlier advice", 1, "");
    for built in &since.built {
        let _ = writeln!(out, "\n    built: {}", created(&built.sql));
        for effect in &built.effects {
            let verdict = if effect.now_ms > effect.before_ms { " · worse" } else { "" };
            let _ = writeln!(
                out,
                "    measured  {}: {} a call before, {} now{verdict}",
                effect.name,
                units::duration_ms(effect.before_ms),
                units::duration_ms(effect.now_ms),
            );
        }
        if built.effects.is_empty() {
            let _ =
                writeln!(out, "    measured  nothing: its statements did not run in both windows");
        }
    }
    for sql in &since.not_built {
        let _ = writeln!(out, "\n    not built: {}", created(sql));
    }
}

/// The statement that builds, without an extension before it and explanations behind it.
fn created(sql: &str) -> &str {
    sql.lines().find(|line| line.starts_with("CREATE INDEX")).unwrap_or(sql)
}

fn not_judged(out: &mut String, shown: &Shown) {
    let all: Vec<_> = shown.advice.not_judged.iter().chain(&shown.unavailable).collect();
    if all.is_empty() {
        return;
    }
    section(out, "Not judged", all.len(), "");
    for (what, why) in all.iter().take(MOST_NOT_JUDGED) {
        paragraph(out, "    ", &format!("{what}: {why}"));
    }
    if all.len() > MOST_NOT_JUDGED {
        let _ = writeln!(out, "    and {} more", all.len() - MOST_NOT_JUDGED);
    }
}

fn section(out: &mut String, title: &str, entries: usize, nothing: &str) {
    let _ = match entries {
        0 => writeln!(out, "\n{title}: {nothing}"),
        _ => writeln!(out, "\n{title}"),
    };
}

/// Wraps `text` behind a label; further lines stand below its beginning.
fn paragraph(out: &mut String, label: &str, text: &str) {
    let indent = label.chars().count();
    let mut line = String::new();
    let mut first = true;
    let mut end = |line: &mut String| {
        let start = if first { label.to_owned() } else { " ".repeat(indent) };
        first = false;
        let _ = writeln!(out, "{start}{line}");
        line.clear();
    };
    for word in text.split_whitespace() {
        let length = line.chars().count();
        if length > 0 && indent + length + 1 + word.chars().count() > WIDTH {
            end(&mut line);
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    end(&mut line);
}

/// A share with one decimal, as costs are compared with it.
pub(super) fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.05 { "<0.1 %".to_owned() } else { format!("{percent:.1} %") }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
