//! ErrorResponses that leave the connection usable.

use model::CommandError;
use wire::error_response::ErrorFields;

/// Why a statement was not carried out, as the client is told.
pub(crate) type Refusal = ErrorFields;

/// The most of a statement's text that a message repeats, characters.
const QUOTED_CHARS: usize = 80;

/// Nothing that the console understands.
pub(crate) fn unknown_command(text: &str) -> Refusal {
    let text = text.trim();
    let mut quoted: String = text.chars().take(QUOTED_CHARS).collect();
    if quoted.len() < text.len() {
        quoted.push('…');
    }
    Refusal::error("42601", format!("unknown command: {quoted}"))
        .with_hint("SHOW HELP lists what the console understands.")
}

/// The process did not carry out a command.
pub(crate) fn of_command(error: &CommandError) -> Refusal {
    let sqlstate = match error {
        CommandError::NoSuchDatabase(_) => "3D000",
        CommandError::NoSuchClient(_) => "22023",
        CommandError::NothingRuns(_) | CommandError::WrongState(_) => "55000",
        CommandError::BadConfiguration(_) => "F0000",
    };
    Refusal::error(sqlstate, error.to_string())
}
