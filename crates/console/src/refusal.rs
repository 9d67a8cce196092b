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
        CommandError::NoSuchClient(_) | CommandError::BadValue { .. } => "22023",
        CommandError::NothingRuns(_)
        | CommandError::WrongState(_)
        | CommandError::NotPaused { .. } => "55000",
        CommandError::NoSuchSetting { .. } => "42704",
        CommandError::NeedsRestart(_) => "55P02",
        CommandError::BadConfiguration(_) => "F0000",
    };
    let refusal = Refusal::error(sqlstate, error.to_string());
    match error {
        CommandError::NoSuchClient(_) => refusal.with_hint(CLIENT_IDS),
        CommandError::NotPaused { by_name } if !by_name.is_empty() => refusal.with_hint(format!(
            "Databases that were paused by name are resumed by name: {}.",
            by_name.join(", ")
        )),
        CommandError::NoSuchSetting { hint, .. } => refusal.with_hint(hint.clone()),
        CommandError::NeedsRestart(_) => {
            refusal.with_hint("Change it in the configuration, then restart pgweir.")
        }
        _ => refusal,
    }
}

/// Where ids come from.
const CLIENT_IDS: &str = "The column id of SHOW CLIENTS has them.";

/// What should be a client's id is no number.
pub(crate) fn bad_client_id() -> Refusal {
    Refusal::error("22023", "invalid client pointer supplied").with_hint(CLIENT_IDS)
}
