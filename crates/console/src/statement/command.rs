//! Commands to the process: names and arguments are PgBouncer's where it has them.

use model::{ClientId, Command, ShutdownMode};

use super::Token;
use super::parse::{text_of, words};
use crate::refusal::{self, Refusal};

/// Names of databases are shorter, bytes.
pub(super) const MAX_NAME_BYTES: usize = 255;
/// The longest note, bytes.
const MAX_NOTE_BYTES: usize = 1000;

/// Reads a command; none where there is no such.
pub(super) fn command(verb: &str, rest: &[Token<'_>]) -> Result<Option<Command>, Refusal> {
    Ok(match (verb, rest) {
        ("RELOAD", []) => Some(Command::Reload),
        ("SUSPEND", []) => Some(Command::Suspend),
        ("PAUSE", _) => one_or_all(rest).map(Command::Pause),
        ("RESUME", _) => one_or_all(rest).map(Command::Resume),
        ("RECONNECT", _) => one_or_all(rest).map(Command::Reconnect),
        ("WAIT_CLOSE", _) => one_or_all(rest).map(Command::WaitClose),
        ("KILL", _) => one_or_all(rest).map(Command::Kill),
        ("DISABLE" | "ENABLE", []) => {
            return Err(Refusal::error("42601", "a database is required"));
        }
        ("DISABLE", [name]) => database(name).map(Command::Disable),
        ("ENABLE", [name]) => database(name).map(Command::Enable),
        ("KILL_CLIENT", _) => Some(Command::KillClient(client(rest)?)),
        ("CANCEL", _) => Some(Command::Cancel(client(rest)?)),
        ("NOTE", [Token::Literal(text)]) => note(text).map(Command::Note),
        ("SHUTDOWN", _) => shutdown(rest).map(Command::Shutdown),
        _ => None,
    })
}

fn shutdown(rest: &[Token<'_>]) -> Option<ShutdownMode> {
    match words(rest)?.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Some(ShutdownMode::Immediate),
        ["WAIT_FOR_SERVERS"] => Some(ShutdownMode::WaitForServers),
        ["WAIT_FOR_CLIENTS"] => Some(ShutdownMode::WaitForClients),
        _ => None,
    }
}

/// The number of a client.
fn client(rest: &[Token<'_>]) -> Result<ClientId, Refusal> {
    let [id] = rest else { return Err(refusal::bad_client_id()) };
    let id = text_of(id).and_then(|id| id.parse().ok());
    id.map(ClientId).ok_or_else(refusal::bad_client_id)
}

/// A note is one line that is not empty.
fn note(text: &str) -> Option<String> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim();
    (!text.is_empty() && text.len() <= MAX_NOTE_BYTES).then(|| text.to_owned())
}

/// A database's name; none for all databases.
#[expect(clippy::option_option, reason = "outside: not understood; inside: all databases")]
fn one_or_all(rest: &[Token<'_>]) -> Option<Option<String>> {
    match rest {
        [] => Some(None),
        [name] => database(name).map(Some),
        _ => None,
    }
}

/// A database's name as written: PgBouncer does not fold it either.
fn database(name: &Token<'_>) -> Option<String> {
    let name = text_of(name)?;
    (!name.is_empty() && name.len() <= MAX_NAME_BYTES).then(|| name.to_owned())
}
