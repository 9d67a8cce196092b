//! What to say about a name that is none of ours.

const SUITES: &str = "it is not offered: there are only cipher suites that are safe";

/// PgBouncer's settings that mean something here under another name, or are not offered.
const PGBOUNCER: &[(&str, &str)] = &[
    ("listen_addr", "write address and port together: listen = \"127.0.0.1:6432\""),
    ("listen_port", "write address and port together: listen = \"127.0.0.1:6432\""),
    ("logfile", "the log goes to standard error"),
    ("pidfile", "no such file is written; leave it to the service manager"),
    ("unix_socket_dir", "Unix sockets are not offered yet"),
    ("server_reset_query", "it is not needed: server connections are always given back clean"),
    (
        "server_check_query",
        "it is not needed: whether a server connection is still there is looked at, without a \
         query, each time before it is used",
    ),
    (
        "server_check_delay",
        "it is not needed: whether a server connection is still there is looked at, without a \
         query, each time before it is used",
    ),
    (
        "server_reset_query_always",
        "it is not needed: server connections are always given back clean",
    ),
    (
        "server_fast_close",
        "it is not offered; connections to an old address end with their clients",
    ),
    ("client_tls_ciphers", SUITES),
    ("client_tls13_ciphers", SUITES),
    ("client_tls_dheparams", SUITES),
    ("client_tls_ecdhcurve", SUITES),
    ("server_tls_ciphers", SUITES),
    ("server_tls13_ciphers", SUITES),
    ("ignore_startup_parameters", "it is not needed: startup parameters are carried"),
];

/// What would be right instead of `unknown`, one of `known` if any is near.
pub(crate) fn advice<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    if let Some((_, advice)) = PGBOUNCER.iter().find(|(name, _)| *name == unknown) {
        return format!("PgBouncer's `{unknown}`: {advice}");
    }
    match nearest(unknown, known.clone()) {
        Some(name) => format!("no such setting; did you mean `{name}`?"),
        None => {
            let names: Vec<&str> = known.into_iter().collect();
            if names.len() > 10 {
                "no such setting; `pgweir settings` lists them".to_owned()
            } else {
                format!("no such setting; there are {}", names.join(", "))
            }
        }
    }
}

/// The one of `known` that needs the fewest edits, if they are few for a name of its length.
pub(crate) fn nearest<'a>(
    unknown: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let unknown = unknown.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&unknown, name), name))
        .min()
        .filter(|(edits, name)| *edits <= (name.len() / 3).max(1))
        .map(|(_, name)| name)
}
