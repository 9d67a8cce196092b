//! Text, and the texts of other types.

use regex::{Regex, RegexBuilder};
use rusqlite::functions::Context;
use rusqlite::{Connection, Result};

use super::{FLAGS, itself, number, refused, strict, text, whole};
use crate::refusal::Refusal;
use crate::sql::{errors, parameters, tables, time};
use crate::table::Kind;

/// What a compiled pattern may take, bytes.
const MAX_PATTERN_BYTES: usize = 1024 * 1024;

pub(super) fn register(connection: &Connection) -> Result<()> {
    strict(connection, "pg_lower", 1, |c| Ok(Some(text(c, 0).to_lowercase())))?;
    strict(connection, "pg_upper", 1, |c| Ok(Some(text(c, 0).to_uppercase())))?;
    strict(connection, "pg_left", 2, |c| Ok(Some(left(&text(c, 0), whole(c, 1)))))?;
    strict(connection, "pg_right", 2, |c| Ok(Some(right(&text(c, 0), whole(c, 1)))))?;
    strict(connection, "pg_starts_with", 2, |c| Ok(Some(text(c, 0).starts_with(&text(c, 1)))))?;
    strict(connection, "pg_quote_ident", 1, |c| Ok(Some(quote_ident(&text(c, 0)))))?;
    strict(connection, "pg_split_part", 3, |c| {
        let (text, separator, place) = (text(c, 0), text(c, 1), whole(c, 2));
        let part = usize::try_from(place - 1).ok();
        let part = part.and_then(|place| text.split(separator.as_str()).nth(place));
        Ok(Some(part.unwrap_or_default().to_owned()))
    })?;
    for (name, ignore_case) in [("pg_matches", false), ("pg_imatches", true)] {
        strict(connection, name, 2, move |c| {
            let pattern = c.get_or_create_aux(1, |value| compiled(value.as_str()?, ignore_case))?;
            Ok(Some(pattern.is_match(&text(c, 0))))
        })?;
    }
    for (name, kind) in [
        ("pg_interval", Kind::Interval),
        ("pg_timestamp", Kind::Timestamptz),
        ("pg_bool", Kind::Bool),
        ("pg_int", Kind::Int8),
        ("pg_float", Kind::Float8),
    ] {
        strict(connection, name, 1, move |c| {
            let text = text(c, 0);
            let value = parameters::read_literal(kind, &text);
            value.map(Some).ok_or_else(|| refused(&errors::bad_text(kind.name(), &text)))
        })?;
    }
    strict(connection, "pg_float_text", 1, |c| Ok(Some(number(c, 0).to_string())))?;
    strict(connection, "pg_date_text", 1, |c| Ok(Some(time::date_text(whole(c, 0)))))?;
    strict(connection, "pg_timestamp_text", 1, |c| Ok(Some(time::timestamp_text(whole(c, 0)))))?;
    strict(connection, "pg_interval_text", 1, |c| Ok(Some(time::interval_text(whole(c, 0)))))?;
    strict(connection, "pg_object_name", 1, |c| {
        let oid = whole(c, 0);
        Ok(Some(tables::name_of(oid).map_or_else(|| oid.to_string(), str::to_owned)))
    })?;
    connection.create_scalar_function("pg_format_type", -1, FLAGS, |c| {
        Ok(if c.is_empty() { None } else { tables::type_name(whole(c, 0)) })
    })?;
    strict(connection, "pg_size_pretty", 1, |c| Ok(Some(size_pretty(number(c, 0)))))?;
    for (name, greatest) in [("pg_greatest", true), ("pg_least", false)] {
        connection.create_scalar_function(name, -1, FLAGS, move |c| {
            let known = |place: &usize| c.get_raw(*place) != rusqlite::types::ValueRef::Null;
            let best = (0..c.len()).filter(known).reduce(|best, place| {
                let larger = is_less(c, best, place);
                if larger == greatest { place } else { best }
            });
            Ok(best.map(|place| itself(c, place)))
        })?;
    }
    Ok(())
}

fn is_less(context: &Context<'_>, a: usize, b: usize) -> bool {
    use rusqlite::types::ValueRef;

    match (context.get_raw(a), context.get_raw(b)) {
        (ValueRef::Integer(a), ValueRef::Integer(b)) => a < b,
        (ValueRef::Text(a), ValueRef::Text(b)) => a < b,
        _ => number(context, a) < number(context, b),
    }
}

fn compiled(pattern: &str, ignore_case: bool) -> Result<Regex> {
    let built = RegexBuilder::new(pattern)
        .case_insensitive(ignore_case)
        .size_limit(MAX_PATTERN_BYTES)
        .dfa_size_limit(MAX_PATTERN_BYTES)
        .build();
    built.map_err(|_| refused(&Refusal::error("2201B", "invalid regular expression")))
}

/// The first characters; of a number below zero, all but the last.
fn left(text: &str, count: i64) -> String {
    text.chars().take(kept(text, count)).collect()
}

fn right(text: &str, count: i64) -> String {
    let all = text.chars().count();
    text.chars().skip(all - kept(text, count).min(all)).collect()
}

fn kept(text: &str, count: i64) -> usize {
    let all = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let kept = if count < 0 { all.saturating_add(count) } else { count };
    usize::try_from(kept.max(0)).unwrap_or(usize::MAX)
}

fn quote_ident(name: &str) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn size_pretty(bytes: f64) -> String {
    let (mut size, mut units) = (bytes, ["bytes", "kB", "MB", "GB", "TB", "PB"].iter());
    let mut unit = units.next().unwrap_or(&"bytes");
    while size.abs() >= 10_240.0 {
        let Some(next) = units.next() else { break };
        size /= 1024.0;
        unit = next;
    }
    format!("{size:.0} {unit}")
}
