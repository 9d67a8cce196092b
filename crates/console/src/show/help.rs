//! `SHOW HELP`: what the console understands, as a notice, as PgBouncer sends it.

use wire::error_response::{ErrorFields, Severity};

/// The commands; the tables list themselves.
const COMMANDS: [&str; 11] = [
    "SELECT ... over these tables and query_minutes, plans, events, settings",
    "EXPLAIN FINGERPRINT '<id>'",
    "RELOAD",
    "PAUSE [<database>]",
    "RESUME [<database>]",
    "KILL_CLIENT <client id>",
    "CANCEL <client id>",
    "RESET STATS",
    "NOTE '<text>'",
    "SHUTDOWN",
    "SHUTDOWN WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS",
];

/// The notice.
pub(crate) fn help() -> ErrorFields {
    let shows = super::ALL
        .iter()
        .map(|show| format!("SHOW {}{}", show.name.to_ascii_uppercase(), show.accepts.usage()));
    let lines = shows.chain(COMMANDS.map(str::to_owned));
    let detail: String = lines.flat_map(|line| ["\n\t".to_owned(), line]).collect();
    ErrorFields::new(Severity::Notice, "00000", "Console usage").with_detail(detail)
}
