//! What clients send, as text that means nothing to Markdown or HTML.

use crate::render::layout::plain;

/// Text that means nothing to Markdown, on one line.
pub(super) fn prose(text: &str) -> String {
    let text = plain(text);
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(one) = chars.next() {
        let within_word =
            before.is_alphanumeric() && chars.peek().is_some_and(|c| c.is_alphanumeric());
        match one {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            // No one is to be called to a ticket by a statement.
            '@' => out.push_str("&#64;"),
            '_' if within_word => out.push('_'),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => {
                out.push('\\');
                out.push(one);
            }
            one => out.push(one),
        }
        before = one;
    }
    out
}

/// A span of code on one line, also within a table.
pub(super) fn code(text: &str) -> String {
    let text = plain(text).replace('|', "\\|");
    let ticks = "`".repeat(longest_run(&text) + 1);
    let gap = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{ticks}{gap}{text}{gap}{ticks}")
}

/// A block of SQL whose fence nothing in it can close.
pub(super) fn fence(sql: &str) -> String {
    fence_of("sql", sql)
}

pub(super) fn fence_of(language: &str, sql: &str) -> String {
    let ticks = "`".repeat(longest_run(sql).max(2) + 1);
    let lines: Vec<_> = sql.lines().map(|line| plain(line).trim_end().to_owned()).collect();
    format!("{ticks}{language}\n{}\n{ticks}", lines.join("\n"))
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

pub(super) fn html_text(text: &str) -> String {
    plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
