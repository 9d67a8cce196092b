//! `SHOW HELP`: what the console understands, as a notice, as PgBouncer sends it.

use wire::error_response::{ErrorFields, Severity};

/// The commands; the tables list themselves.
const COMMANDS: [&str; 19] = [
    "SHOW EVENTS|PLANS|QUERY_MINUTES",
    "SELECT ... over these tables and query_minutes, fleet_minutes, plans, events, settings",
    "EXPLAIN FINGERPRINT '<id>'",
    "SET <key> = <value>",
    "RELOAD",
    "PAUSE [<database>]",
    "RESUME [<database>]",
    "DISABLE <database>",
    "ENABLE <database>",
    "RECONNECT [<database>]",
    "WAIT_CLOSE [<database>]",
    "KILL [<database>]",
    "KILL_CLIENT <client id>",
    "CANCEL <client id>",
    "RESET STATS",
    "NOTE '<text>'",
    "SUSPEND",
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
