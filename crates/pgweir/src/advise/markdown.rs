//! Advice for a ticket.

use std::fmt::Write as _;

use insight::advisor::{Basis, target};
use report::render::units;

use super::Shown;
use super::text::{about, effect, helped, verdict};

/// The advice as Markdown.
pub(super) fn render(shown: &Shown) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# Index advice for {}\n", escaped(&shown.place));
    let _ = writeln!(out, "{}\n\n{}", escaped(&about(shown)), verdict(shown));
    if !shown.advice.picks.is_empty() {
        let _ = writeln!(out, "\n## Build");
    }
    for (position, pick) in shown.advice.picks.iter().enumerate() {
        let tried = if pick.basis == Basis::Planner { "" } else { "; not tried by the planner" };
        let _ = writeln!(
            out,
            "\n{}. `{}`: {}, {}{tried}. Helps {}.",
            position + 1,
            target(&pick.index),
            units::bytes(pick.bytes as f64),
            effect(pick),
            escaped(&helped(shown, pick)),
        );
        let _ = writeln!(out, "\n   ```sql");
        for line in pick.sql.lines() {
            let _ = writeln!(out, "   {line}");
        }
        let _ = writeln!(out, "   -- undo: {}\n   ```", pick.undo);
    }
    if !shown.advice.drops.is_empty() {
        let _ = writeln!(out, "\n## Drop\n");
    }
    for drop in &shown.advice.drops {
        let size = units::bytes(drop.bytes as f64);
        let _ = writeln!(out, "- `{}` ({size}): {}", drop.sql, escaped(&drop.why));
    }
    let all: Vec<_> = shown.advice.not_judged.iter().chain(&shown.unavailable).collect();
    if !all.is_empty() {
        let _ = writeln!(out, "\n## Not judged\n");
    }
    for (what, why) in all {
        let _ = writeln!(out, "- {}: {}", escaped(what), escaped(why));
    }
    out
}

/// Names come from clients; they are not to become markup.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '_' | '`' | '[' | ']' | '<' | '|' | '\\') {
            out.push('\\');
        }
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}
