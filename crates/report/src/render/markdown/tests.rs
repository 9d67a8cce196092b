use super::*;
use crate::{ReportOptions, example};

#[test]
fn a_database_in_trouble() {
    let report = example::report(&example::busy(), &ReportOptions::default());
    insta::assert_snapshot!("trouble", markdown(&report));
}

#[test]
fn after_a_deploy() {
    let report = example::report(&example::deployed(), &example::since_the_deploy());
    insta::assert_snapshot!("deployed", markdown(&report));
}

#[test]
fn what_clients_send_stays_text() {
    assert_eq!(prose("a_b *c* <script> @you"), "a_b \\*c\\* &lt;script&gt; &#64;you");
    assert_eq!(code("a`b|c"), "``a`b\\|c``");
    assert_eq!(fence("SELECT '```'\n\tFROM t"), "````sql\nSELECT '```'\n FROM t\n````");
    let hostile = example::report(&example::hostile(), &ReportOptions::default());
    let text = markdown(&hostile);
    let outside = outside_code(&text);
    assert!(!outside.contains("<script") && !outside.contains("<img"), "{outside}");
}

/// The text without its blocks and spans of code.
fn outside_code(text: &str) -> String {
    let mut out = String::new();
    let mut fence: Option<&str> = None;
    for line in text.lines() {
        let ticks = &line[..line.len() - line.trim_start_matches('`').len()];
        match fence {
            Some(open) if line == open => fence = None,
            Some(_) => {}
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => out.extend(spans_taken_out(line).chars().chain(['\n'])),
        }
    }
    out
}

fn spans_taken_out(line: &str) -> String {
    let Some(start) = line.find('`') else { return line.to_owned() };
    let rest = &line[start..];
    let ticks = rest.len() - rest.trim_start_matches('`').len();
    let body = &rest[ticks..];
    let mut from = 0;
    while let Some(found) = body[from..].find(&"`".repeat(ticks)) {
        let at = from + found;
        let run = body[at..].len() - body[at..].trim_start_matches('`').len();
        if run == ticks {
            return format!("{}{}", &line[..start], spans_taken_out(&body[at + run..]));
        }
        from = at + run;
    }
    format!("{}{}", &line[..start + ticks], spans_taken_out(body))
}
