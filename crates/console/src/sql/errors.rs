//! What is wrong with a statement, as PostgreSQL says it.

use sqlparser::parser::ParserError;
use sqlparser::tokenizer::Span;

use super::tables;
use crate::refusal::Refusal;

/// The text cannot be parsed.
pub(super) fn syntax(error: &ParserError, text: &str) -> Refusal {
    let message = match error {
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
        ParserError::RecursionLimitExceeded => {
            return Refusal::error("54001", "statement is nested too deep");
        }
    };
    let (what, place) = match message.rsplit_once(" at Line: ") {
        Some((what, place)) => (
            what,
            place.split_once(", Column: ").and_then(|(line, column)| {
                position(line.trim().parse().ok()?, column.trim().parse().ok()?, text)
            }),
        ),
        None => (message.as_str(), None),
    };
    let mut what = what.to_owned();
    if let Some(first) = what.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    let refusal = Refusal::error("42601", format!("syntax error: {what}"));
    match place {
        Some(place) => refusal.with_position(place),
        None => refusal,
    }
}

/// The refusal, with its place in the statement where that is known.
pub(super) fn placed(refusal: Refusal, place: Option<Span>, text: &str) -> Refusal {
    let start = place.map(|span| span.start).filter(|start| start.line > 0);
    match start.and_then(|start| position(start.line, start.column, text)) {
        Some(place) => refusal.with_position(place),
        None => refusal,
    }
}

/// Characters from 1, of a line and a column that count from 1.
fn position(line: u64, column: u64, text: &str) -> Option<usize> {
    let above = usize::try_from(line.checked_sub(1)?).ok()?;
    let column = usize::try_from(column).ok()?;
    let before: usize =
        text.split_inclusive('\n').take(above).map(|line| line.chars().count()).sum();
    Some(before + column)
}

/// No such table.
pub(super) fn undefined_table(name: &str) -> Refusal {
    let names: Vec<_> = tables::ALL.iter().map(|table| table.name).collect();
    Refusal::error("42P01", format!("relation \"{name}\" does not exist"))
        .with_hint(format!("The console's tables are {}.", names.join(", ")))
}

/// No such function.
pub(super) fn undefined_function(name: &str) -> Refusal {
    Refusal::error("42883", format!("function {name} does not exist"))
        .with_hint("docs/console.md lists the functions that the console has.")
}

/// A text is not of the type that it stands for.
pub(super) fn bad_text(kind: &str, text: &str) -> Refusal {
    let sqlstate = match kind {
        "timestamp with time zone" | "date" | "interval" => "22007",
        _ => "22P02",
    };
    let text: String = text.chars().take(80).collect();
    Refusal::error(sqlstate, format!("invalid input syntax for type {kind}: \"{text}\""))
}

/// What SQLite says of a statement.
pub(super) fn of_sqlite(error: &rusqlite::Error) -> Refusal {
    use rusqlite::ErrorCode;

    let message = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    // What the console's own functions refuse carries its code in front.
    if let Some((sqlstate, message)) = message.split_once('\u{1f}') {
        return Refusal::error(sqlstate.to_owned(), message.to_owned());
    }
    let sqlstate = match error.sqlite_error_code() {
        Some(ErrorCode::TooBig) => {
            return Refusal::error("54000", "a value of the statement is too long")
                .with_detail("One value may have a million bytes.");
        }
        Some(ErrorCode::OutOfMemory) => "53200",
        Some(ErrorCode::AuthorizationForStatementDenied) => "42501",
        _ if message.contains("ambiguous") => "42702",
        _ if message.contains("integer overflow") => "22003",
        _ if message.contains("aggregate") || message.contains("window") => "42803",
        _ => "42601",
    };
    Refusal::error(sqlstate, message)
}
