//! Run-time parameters that follow a client from server connection to server connection.
//!
//! The client's side is what it asked for at startup and what the server has reported since
//! (ParameterStatus); the server's side is what was applied to it. On attach the difference is
//! written as one Query in front of the client's own bytes.

use std::collections::{BTreeMap, BTreeSet};

/// Reported parameters that say what the *server* is doing, and cannot be set to that value.
const NOT_SETTABLE: [&str; 7] = [
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "server_encoding",
    "server_version",
    "session_authorization",
    "scram_iterations",
];

/// Parameters that a client may set and that servers report: after a SET of one of these the new
/// value comes by itself, so that nothing need be guessed (manual 55.2.7).
const REPORTED: [&str; 7] = [
    "application_name",
    "client_encoding",
    "datestyle",
    "default_transaction_read_only",
    "intervalstyle",
    "standard_conforming_strings",
    "timezone",
];

/// The parameter that this `SET` or `RESET` statement sets, if it is one of [`REPORTED`].
///
/// Reads `SET [SESSION] name …` and `RESET name`; `SET TIME ZONE` and `SET NAMES` are spellings of
/// timezone and client_encoding.
fn reported_parameter(text: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(text).ok()?;
    let mut words = text
        .split(|c: char| c.is_ascii_whitespace() || c == '=' || c == ';')
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase);
    if !matches!(words.next().as_deref(), Some("set" | "reset")) {
        return None;
    }
    let mut name = words.next();
    if name.as_deref() == Some("session") {
        name = words.next();
    }
    let name = match name.as_deref()? {
        "time" => words.next().filter(|word| word == "zone").map(|_| "timezone")?,
        "names" => "client_encoding",
        other => other,
    };
    REPORTED.into_iter().find(|reported| *reported == name)
}

/// Names fold to lower case: PostgreSQL compares parameter names so.
type Values = BTreeMap<Box<str>, Box<str>>;

/// What a client wants.
#[derive(Clone, Debug, Default)]
pub struct ClientParameters {
    startup: Values,
    wanted: Values,
}

/// What a server connection has.
#[derive(Clone, Debug, Default)]
pub struct ServerParameters {
    /// As reported at login.
    defaults: Values,
    /// Set since, and not equal to the default.
    applied: Values,
    /// Which of these have the value that was set, or the default, is not known: a RESET ALL can be
    /// rolled back.
    unsure: BTreeSet<Box<str>>,
}

impl ClientParameters {
    /// A client that asked for these at startup. The last of several of one name wins.
    pub fn new<'a>(startup: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let startup: Values = startup
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase().into(), value.into()))
            .collect();
        Self { wanted: startup.clone(), startup }
    }

    /// A client that has not logged in yet asked for these, and the server reported `reported` when
    /// they were applied: what it wants, in the server's own spelling, so that two spellings of one
    /// value are not a difference.
    pub fn settle(&mut self, server: &ServerParameters, reported: &[(String, String)]) {
        self.startup.retain(|name, value| {
            let report = reported.iter().rfind(|(found, _)| found.eq_ignore_ascii_case(name));
            match report {
                Some((_, canonical)) => *value = canonical.as_str().into(),
                // Reported at login and not since: it is what the server has anyway.
                None if server.defaults.contains_key(name) => return false,
                None => {}
            }
            server.defaults.get(name) != Some(value)
        });
        self.wanted = self.startup.clone();
    }

    /// The same without one parameter.
    #[must_use]
    pub fn without(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.startup.remove(name);
        other.wanted.remove(name);
        other
    }

    /// The value it wants, if it differs from the server's own.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.wanted.get(name).map(|value| &**value)
    }

    /// DISCARD ALL or RESET ALL: back to what it asked for at startup.
    pub fn reset(&mut self) {
        self.wanted = self.startup.clone();
    }
}

impl ServerParameters {
    /// The server reported this at login.
    pub fn reported_at_login(&mut self, name: &str, value: &str) {
        self.defaults.insert(name.to_ascii_lowercase().into(), value.into());
    }

    /// The parameter that this `SET` or `RESET` statement changes, if the server reports that. Which
    /// parameters are reported depends on its version.
    #[must_use]
    pub fn will_report(&self, text: &[u8]) -> Option<&'static str> {
        reported_parameter(text).filter(|name| self.defaults.contains_key(*name))
    }

    /// What `client` wants has been applied, and the server `reported` what changed. Adds the
    /// parameters that did not change to `reported`, in the spelling that the server had for them
    /// before.
    pub fn complete_report(
        &mut self,
        before: &Self,
        client: &ClientParameters,
        reported: &mut Vec<(String, String)>,
    ) {
        for name in client.wanted.keys() {
            let is_there = reported.iter().any(|(found, _)| found.eq_ignore_ascii_case(name));
            if !is_there
                && self.defaults.contains_key(name)
                && let Some(value) = before.value(name)
            {
                self.reported(None, name, value);
                reported.push((name.to_string(), value.to_owned()));
            }
        }
    }

    /// The server reported this later, because of something that `client` did; none while the
    /// report answers what pgweir itself applied.
    pub fn reported(&mut self, client: Option<&mut ClientParameters>, name: &str, value: &str) {
        let name = name.to_ascii_lowercase();
        if NOT_SETTABLE.contains(&name.as_str()) {
            return;
        }
        self.unsure.remove(name.as_str());
        if self.defaults.get(name.as_str()).is_some_and(|default| **default == *value) {
            self.applied.remove(name.as_str());
            if let Some(client) = client {
                client.wanted.remove(name.as_str());
            }
        } else {
            if let Some(client) = client {
                client.wanted.insert(name.as_str().into(), value.into());
            }
            self.applied.insert(name.into(), value.into());
        }
    }

    /// What to tell the client when the server reports, after a reset, its own default where the
    /// client asked for something else at startup: that, which is applied before the client's next
    /// statement.
    #[must_use]
    pub fn restored<'a>(
        &self,
        client: &'a ClientParameters,
        name: &str,
        value: &str,
    ) -> Option<&'a str> {
        let name = name.to_ascii_lowercase();
        let is_default =
            self.defaults.get(name.as_str()).is_some_and(|default| **default == *value);
        let wanted = client.startup.get(name.as_str()).filter(|_| is_default)?;
        Some(wanted)
    }

    /// RESET of this parameter was run for `client`, and may be rolled back. Says whether the client
    /// wants something else than the server's own default then.
    pub fn maybe_reset_one(&mut self, client: &mut ClientParameters, name: &str) -> bool {
        let Some((name, value)) = client.startup.get_key_value(name) else { return false };
        client.wanted.insert(name.clone(), value.clone());
        self.applied.remove(name);
        self.unsure.insert(name.clone());
        true
    }

    /// DISCARD ALL was run.
    pub fn reset(&mut self) {
        self.applied.clear();
        self.unsure.clear();
    }

    /// RESET ALL was run, and may be rolled back.
    pub fn maybe_reset(&mut self) {
        self.unsure.extend(std::mem::take(&mut self.applied).into_keys());
    }

    /// The SQL that makes this server what `client` wants; empty when it is. The server is
    /// considered changed: the caller must send it.
    pub fn difference(&mut self, client: &ClientParameters) -> String {
        let mut sql = String::new();
        let changed = self.applied.keys().chain(&self.unsure);
        for name in changed.filter(|name| !client.wanted.contains_key(*name)) {
            sql.push_str("RESET ");
            push_quoted(&mut sql, name, '"');
            sql.push(';');
        }
        for (name, value) in &client.wanted {
            if self.value(name) != Some(&**value) {
                sql.push_str("SET ");
                push_quoted(&mut sql, name, '"');
                sql.push_str(" TO ");
                push_value(&mut sql, name, value);
                sql.push(';');
            }
        }
        if !sql.is_empty() {
            self.unsure.clear();
            self.applied = client.wanted.clone();
            self.applied.retain(|name, value| self.defaults.get(name) != Some(value));
        }
        sql
    }

    /// The value it has, where that is known.
    fn value(&self, name: &str) -> Option<&str> {
        if self.unsure.contains(name) {
            return None;
        }
        self.applied.get(name).or_else(|| self.defaults.get(name)).map(|value| &**value)
    }
}

fn push_quoted(sql: &mut String, text: &str, quote: char) {
    sql.push(quote);
    for c in text.chars() {
        if c == quote {
            sql.push(quote);
        }
        sql.push(c);
    }
    sql.push(quote);
}

/// A value as SET takes it. A list (search_path, DateStyle) must not be quoted as one string where
/// its elements are names; DateStyle takes either, so that only name lists matter.
fn push_value(sql: &mut String, name: &str, value: &str) {
    const NAME_LISTS: [&str; 3] = ["search_path", "temp_tablespaces", "session_preload_libraries"];
    if !NAME_LISTS.contains(&name) {
        return push_string(sql, value);
    }
    // Elements are quoted one by one, unless the value has quotes of its own, which is then a list
    // of identifiers as the client wrote it.
    for (index, element) in split_names(value).into_iter().enumerate() {
        if index > 0 {
            sql.push_str(", ");
        }
        push_string(sql, &element);
    }
    if value.trim().is_empty() {
        sql.push_str("''");
    }
}

/// A string constant that is right whatever standard_conforming_strings says.
fn push_string(sql: &mut String, value: &str) {
    if value.contains('\\') {
        sql.push_str(" E");
        push_quoted(sql, &value.replace('\\', "\\\\"), '\'');
    } else {
        push_quoted(sql, value, '\'');
    }
}

/// Splits a list of identifiers as PostgreSQL's SplitIdentifierString does.
fn split_names(value: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let mut name = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut chars = quoted.char_indices().peekable();
            let mut end = quoted.len();
            while let Some((at, c)) = chars.next() {
                if c != '"' {
                    name.push(c);
                } else if chars.peek().is_some_and(|(_, next)| *next == '"') {
                    name.push('"');
                    chars.next();
                } else {
                    end = at + 1;
                    break;
                }
            }
            rest = quoted[end..].trim_start();
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            name = rest[..end].trim().to_lowercase();
            rest = &rest[end..];
        }
        names.push(name);
        rest = rest.strip_prefix(',').unwrap_or_default().trim_start();
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> ServerParameters {
        let mut server = ServerParameters::default();
        server.reported_at_login("TimeZone", "Europe/Zurich");
        server.reported_at_login("application_name", "");
        server.reported_at_login("is_superuser", "on");
        server
    }

    #[test]
    fn only_the_difference_is_sent_and_only_once() {
        let mut server = server();
        let berlin = ClientParameters::new([("TimeZone", "Europe/Berlin"), ("geqo", "off")]);
        let plain = ClientParameters::new([]);
        assert_eq!(
            server.difference(&berlin),
            r#"SET "geqo" TO 'off';SET "timezone" TO 'Europe/Berlin';"#
        );
        assert_eq!(server.difference(&berlin), "");
        assert_eq!(server.difference(&plain), r#"RESET "geqo";RESET "timezone";"#);
        assert_eq!(server.difference(&plain), "");
        let zurich = ClientParameters::new([("timezone", "Europe/Zurich")]);
        assert_eq!(server.difference(&zurich), "", "equal to the server's own");
    }

    #[test]
    fn what_the_server_reports_is_what_the_client_wants_from_then_on() {
        let (mut one, mut other) = (server(), server());
        let mut client = ClientParameters::new([]);
        one.reported(Some(&mut client), "application_name", "worker");
        one.reported(Some(&mut client), "is_superuser", "off");
        assert_eq!(one.difference(&client), "");
        assert_eq!(other.difference(&client), r#"SET "application_name" TO 'worker';"#);
        other.reported(Some(&mut client), "application_name", "");
        assert_eq!(client.get("application_name"), None);
        assert_eq!(one.difference(&client), r#"RESET "application_name";"#);
    }

    #[test]
    fn values_are_quoted_against_injection() {
        let mut server = server();
        let client = ClientParameters::new([
            ("application_name", "x'; drop table t; --\\"),
            ("search_path", r#"public, "My Schema", a"#),
            (r#"we"ird"#, "1"),
        ]);
        assert_eq!(
            server.difference(&client),
            concat!(
                r#"SET "application_name" TO  E'x''; drop table t; --\\';"#,
                r#"SET "search_path" TO 'public', 'My Schema', 'a';"#,
                r#"SET "we""ird" TO '1';"#
            )
        );
    }

    #[test]
    fn reported_parameters_are_known_by_their_set() {
        for (text, reported) in [
            ("SET TIME ZONE 'UTC'", true),
            ("set session timezone to 'UTC'", true),
            ("SET application_name='x'", true),
            ("set names 'utf8'", true),
            ("RESET DateStyle;", true),
            ("SET search_path TO a", false),
            ("SET LOCAL timezone = 'UTC'", false),
            ("SET TIME", false),
            ("RESET ALL", false),
            ("select 1", false),
        ] {
            assert_eq!(reported_parameter(text.as_bytes()).is_some(), reported, "{text}");
        }
    }
}
