//! The SQL that makes a server connection what a client wants.

use sql::SettingValue;

use super::{ClientParameters, IDENTITY, ServerParameters};

/// What is reported of who the session acts as.
const OF_IDENTITY: [&str; 2] = ["is_superuser", "session_authorization"];

impl ServerParameters {
    /// The statements that make this server what `client` wants, one setting each; none when it is.
    /// The server is considered changed: the caller must send them.
    pub fn difference(&mut self, client: &ClientParameters) -> Vec<String> {
        self.believe_reports();
        if self.unsure.is_empty() && self.applied == client.wanted {
            // As nearly always. What is applied is never a default.
            return Vec::new();
        }
        let changed = self.applied.keys().chain(&self.unsure);
        let mut gone: Vec<_> =
            changed.filter(|name| !client.wanted.contains_key(*name)).cloned().collect();
        let differing =
            client.wanted.iter().filter(|(name, wanted)| self.value(name) != Some(*wanted));
        let mut set: Vec<_> = differing.map(|(name, _)| name.clone()).collect();
        if gone.is_empty() && set.is_empty() {
            return Vec::new();
        }
        let both = gone.iter().chain(&set);
        self.touched = both.filter(|name| self.reports(name)).cloned().collect();
        let mut statements = Vec::new();
        let is_identity = |name: &str| IDENTITY.contains(&name);
        if gone.iter().chain(&set).any(|name| is_identity(name)) {
            self.touched.extend(OF_IDENTITY.map(Box::from));
        }
        if self.applied.keys().chain(&self.unsure).any(|name| is_identity(name)) {
            statements.push("RESET SESSION AUTHORIZATION".to_owned());
            statements.push("RESET ROLE".to_owned());
            gone.retain(|name| !is_identity(name));
            set.retain(|name| !is_identity(name));
            let wanted = IDENTITY.iter().filter(|name| client.wanted.contains_key(**name));
            set.extend(wanted.map(|name| Box::from(*name)));
        }
        statements.extend(gone.iter().map(|name| format!("RESET {}", quoted(name, '"'))));
        // What follows the encoding is written in it.
        let rank = |name: &str| match IDENTITY.iter().position(|other| *other == name) {
            Some(position) => 2 + position,
            None => usize::from(name != "client_encoding"),
        };
        set.sort_by_key(|name| rank(name));
        let values = set.iter().filter_map(|name| Some((name, client.wanted.get(name)?)));
        statements.extend(values.map(|(name, value)| assignment(name, value)));
        self.unsure.clear();
        self.applied = client.wanted.clone();
        self.applied.retain(|name, value| self.defaults.get(name) != Some(value));
        statements
    }
}

fn assignment(name: &str, value: &SettingValue) -> String {
    format!("SET {} TO {}", quoted(name, '"'), source(name, value))
}

/// A value as SET takes it.
pub(super) fn source(name: &str, value: &SettingValue) -> String {
    match value {
        SettingValue::Source(source) => source.to_string(),
        SettingValue::Text(text) => {
            let mut sql = String::new();
            push_value(&mut sql, name, text);
            sql
        }
    }
}

fn quoted(text: &str, quote: char) -> String {
    let mut sql = String::with_capacity(text.len() + 2);
    push_quoted(&mut sql, text, quote);
    sql
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
