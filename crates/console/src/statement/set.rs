//! `SET`: of pgweir's settings, which changes them, and of a session's, which means nothing here.

use model::Command;

use super::parse::text_of;
use super::{Names, Statement, Token};
use crate::parameters;
use crate::refusal::Refusal;

/// Reads what follows `SET`; none where it is not understood.
///
/// Drivers set parameters of PostgreSQL's when they connect, whether they need to or not: those are
/// accepted and forgotten, as is all that is no `name = value`.
pub(super) fn set(rest: &[Token<'_>], names: &Names<'_>) -> Result<Option<Statement>, Refusal> {
    let (is_scoped, rest) = match rest {
        [Token::Word(scope), more @ ..] if more.len() > 1 && is_scope(scope) => (true, more),
        _ => (false, rest),
    };
    let [name, equals, value @ ..] = rest else { return Ok(None) };
    let Some(name) = text_of(name) else { return Ok(None) };
    let key = name.to_ascii_lowercase();
    let is_setting = names.is_setting(&key);
    if is_scoped && is_setting {
        let message = format!("\"{name}\" is a setting of the process, not of a session");
        let hint = format!("SET {key} = 'value' changes it until the next RELOAD.");
        return Err(Refusal::error("42601", message).with_hint(hint));
    }
    let is_assignment = match equals {
        Token::Symbol('=') => true,
        Token::Word(word) => word.eq_ignore_ascii_case("to"),
        _ => false,
    };
    if !is_setting && (is_scoped || !is_assignment || parameters::is_session_parameter(&key)) {
        return Ok(Some(Statement::Ignored("SET")));
    }
    let value = is_assignment.then(|| single(value)).flatten();
    let value = value.ok_or_else(|| {
        let message = format!("a single value is needed for parameter \"{key}\"");
        let hint = format!("Write it in quotes: SET {key} = 'value'");
        Refusal::error("42601", message).with_hint(hint)
    })?;
    Ok(Some(Statement::Command(Command::Set { key, value })))
}

fn is_scope(word: &str) -> bool {
    ["session", "local"].iter().any(|scope| word.eq_ignore_ascii_case(scope))
}

/// The value of an assignment.
fn single(tokens: &[Token<'_>]) -> Option<String> {
    match tokens {
        [value] => text_of(value).map(str::to_owned),
        _ => None,
    }
}
