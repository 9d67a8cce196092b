//! Run-time parameters that drivers expect of a server.

/// What the console calls its database.
pub(crate) const DATABASE: &str = "pgweir";

/// Announced at login. The version before the slash is that of the PostgreSQL whose protocol and
/// texts are imitated, since drivers compare it.
const REPORTED: &[(&str, &str)] = &[
    ("server_version", "15.0/pgweir"),
    ("server_encoding", "UTF8"),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("integer_datetimes", "on"),
    ("standard_conforming_strings", "on"),
];

/// Answered to SHOW, not announced.
const UNREPORTED: &[(&str, &str)] = &[
    ("application_name", ""),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("extra_float_digits", "1"),
    ("in_hot_standby", "off"),
    ("is_superuser", "off"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("search_path", "public"),
    ("server_version_num", "150000"),
    ("statement_timeout", "0"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "off"),
];

/// What clients set of their sessions besides, and the console has no use for.
const SET_BY_CLIENTS: &[&str] = &[
    "backslash_quote",
    "bytea_output",
    "client_min_messages",
    "default_tablespace",
    "default_transaction_deferrable",
    "escape_string_warning",
    "geqo",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "jit",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "maintenance_work_mem",
    "max_parallel_workers_per_gather",
    "quote_all_identifiers",
    "role",
    "row_security",
    "session_authorization",
    "session_replication_role",
    "synchronous_commit",
    "synchronize_seqscans",
    "temp_buffers",
    "transaction_deferrable",
    "work_mem",
    "xmloption",
];

/// Whether a name, in lower case, is that of a parameter of a PostgreSQL session, as far as clients
/// set any. Those with a dot are whoever's.
pub(crate) fn is_session_parameter(name: &str) -> bool {
    find(name).is_some() || SET_BY_CLIENTS.contains(&name) || name.contains('.')
}

/// The ParameterStatus values to announce at login; `version` is pgweir's, such as `0.1.0`.
#[must_use]
pub fn parameter_status(version: &str) -> Vec<(&'static str, String)> {
    let own = ("pgweir_version", version.to_owned());
    REPORTED.iter().map(|(name, value)| (*name, (*value).to_owned())).chain([own]).collect()
}

/// What `version()` gives; `version` is pgweir's.
pub(crate) fn version_text(version: &str) -> String {
    format!("pgweir {version} (PostgreSQL 15.0 protocol)")
}

/// All run-time parameters: name, as PostgreSQL writes it, and value.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    REPORTED.iter().chain(UNREPORTED).copied()
}

/// Name, as PostgreSQL writes it, and value of a run-time parameter.
pub(crate) fn find(lower_case_name: &str) -> Option<(&'static str, &'static str)> {
    all().find(|(name, _)| name.eq_ignore_ascii_case(lower_case_name))
}
