//! Run-time parameters that follow a client from server connection to server connection.
//!
//! The client's side is what it asked for at startup, what the server has reported since
//! (ParameterStatus), and, of parameters that the server does not report, what the client's
//! statements have set ([`Journal`]); the server's side is what was applied to it. On attach the
//! difference is written in front of the client's own bytes.

mod difference;
mod journal;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use sql::{SettingChange, SettingValue};

pub use journal::Journal;

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

/// Who the session acts as. Other settings may need the rights of the user that logged in, so that
/// these are reset before the others are written, and set after them.
const IDENTITY: [&str; 2] = ["session_authorization", "role"];

/// Settings that only matter to the transaction that runs.
const OF_THE_TRANSACTION: [&str; 3] =
    ["transaction_deferrable", "transaction_isolation", "transaction_read_only"];

/// Whether a setting of this name ends with the transaction.
pub(crate) fn of_the_transaction(name: &str) -> bool {
    OF_THE_TRANSACTION.contains(&name)
}

/// Names fold to lower case: PostgreSQL compares parameter names so.
type Values = BTreeMap<Box<str>, SettingValue>;

fn text(value: &str) -> SettingValue {
    SettingValue::Text(value.into())
}

/// What a client wants.
#[derive(Clone, Debug, Default)]
pub struct ClientParameters {
    startup: Values,
    wanted: Values,
    /// Where the transaction that runs has changed any of it: what it was before.
    before: Option<Box<Before>>,
}

/// What a client wanted before the transaction that runs.
#[derive(Clone, Debug)]
struct Before {
    wanted: Values,
    /// Of which parameters it was told another value since, in the server's spelling.
    told: BTreeSet<Box<str>>,
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
    /// What the server reported last of each, with the name as it spells it.
    told: BTreeMap<Box<str>, (Box<str>, Box<str>)>,
    /// Set on attach, and not reported since. A server reports only what has changed by the end of a
    /// request (since PostgreSQL 14): nothing, if the client's statement has set it back.
    unconfirmed: Vec<Box<str>>,
}

impl ClientParameters {
    /// A client that asked for these at startup. The last of several of one name wins.
    pub fn new<'a>(startup: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let startup: Values = startup
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase().into(), text(value)))
            .collect();
        Self { wanted: startup.clone(), startup, before: None }
    }

    /// A client that has not logged in yet asked for these, and the server reported `reported` when
    /// they were applied: what it wants, in the server's own spelling, so that two spellings of one
    /// value are not a difference.
    pub fn settle(&mut self, server: &ServerParameters, reported: &[(String, String)]) {
        self.startup.retain(|name, value| {
            let report = reported.iter().rfind(|(found, _)| found.eq_ignore_ascii_case(name));
            match report {
                Some((_, canonical)) => *value = text(canonical),
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
        self.wanted.get(name).map(|value| match value {
            SettingValue::Text(value) | SettingValue::Source(value) => &**value,
        })
    }

    /// DISCARD ALL: back to what it asked for at startup.
    pub fn reset(&mut self) {
        self.wanted = self.startup.clone();
        self.before = None;
    }

    /// The transaction is over, as the server has reported it.
    pub fn transaction_ended(&mut self) {
        self.before = None;
    }

    /// The transaction was lost with its server, which has rolled back what it had set: as it does,
    /// back to what was wanted before. Gives what the client must be told.
    pub fn transaction_lost(&mut self, server: &ServerParameters) -> Vec<(Box<str>, Box<str>)> {
        let Some(before) = self.before.take() else { return Vec::new() };
        let lost = std::mem::replace(&mut self.wanted, before.wanted);
        let tell = |spelled: Box<str>| {
            let name = spelled.to_ascii_lowercase();
            let value = |of: &Values| {
                of.get(&*name).or_else(|| server.defaults.get(&*name)).map(|value| match value {
                    SettingValue::Text(value) | SettingValue::Source(value) => value.clone(),
                })
            };
            let now = value(&self.wanted)?;
            (value(&lost).as_ref() != Some(&now)).then_some((spelled, now))
        };
        before.told.into_iter().filter_map(tell).collect()
    }

    /// To be called before a transaction that may be lost changes what is wanted.
    fn keep_before(&mut self) -> &mut Before {
        let wanted = &self.wanted;
        let keep = || Box::new(Before { wanted: wanted.clone(), told: BTreeSet::new() });
        self.before.get_or_insert_with(keep)
    }

    /// Whether it asked for this parameter at startup, so that a RESET does not go back to the
    /// server's own default.
    #[must_use]
    pub fn asked_for(&self, name: &str) -> bool {
        self.startup.contains_key(name)
    }
}

impl ServerParameters {
    /// The server reported this at login.
    pub fn reported_at_login(&mut self, name: &str, value: &str) {
        let folded: Box<str> = name.to_ascii_lowercase().into();
        self.told.insert(folded.clone(), (name.into(), value.into()));
        self.defaults.insert(folded, text(value));
    }

    /// Whether the server reports changes of this parameter, so that nothing need be guessed. Which
    /// these are depends on its version (manual 55.2.7).
    #[must_use]
    pub fn reports(&self, name: &str) -> bool {
        self.defaults.contains_key(name) && !NOT_SETTABLE.contains(&name)
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
                && let Some(SettingValue::Text(value)) = before.value(name)
            {
                self.reported(None, name, value);
                reported.push((name.to_string(), value.to_string()));
            }
        }
        self.unconfirmed.clear();
    }

    /// The server reported this later, because of something that `client` did; none while the
    /// report answers what pgweir itself applied.
    pub fn reported(
        &mut self,
        mut client: Option<&mut ClientParameters>,
        spelled: &str,
        value: &str,
    ) {
        let name = spelled.to_ascii_lowercase();
        // What a client set before it was reported is not what it sets now: a name that was not
        // reported at login is none that a client may rely on, and is not kept.
        if NOT_SETTABLE.contains(&name.as_str()) || !self.defaults.contains_key(name.as_str()) {
            return;
        }
        self.unsure.remove(name.as_str());
        self.unconfirmed.retain(|other| **other != *name);
        self.told.insert(name.as_str().into(), (spelled.into(), value.into()));
        if let Some(client) = client.as_deref_mut()
            && !self.is_what(client, spelled, value)
        {
            client.keep_before().told.insert(spelled.into());
        }
        let value = text(value);
        if self.defaults.get(name.as_str()) == Some(&value) {
            self.applied.remove(name.as_str());
            if let Some(client) = client {
                client.wanted.remove(name.as_str());
            }
        } else {
            if let Some(client) = client {
                client.wanted.insert(name.as_str().into(), value.clone());
            }
            self.applied.insert(name.into(), value);
        }
    }

    /// A request is answered, and with it all is reported that has another value than it had before.
    /// Gives what `client` must be told: what it has set back to what was there before its settings
    /// were written.
    pub fn confirm(&mut self, client: &mut ClientParameters) -> Vec<(Box<str>, Box<str>)> {
        let mut news = Vec::new();
        for name in std::mem::take(&mut self.unconfirmed) {
            let Some((spelled, value)) = self.told.get(&name).cloned() else { continue };
            if !self.is_what(client, &spelled, &value) {
                self.reported(Some(client), &spelled, &value);
                news.push((spelled, value));
            }
        }
        news
    }

    /// Whether `value` is what `client` takes this parameter to be.
    #[must_use]
    pub fn is_what(&self, client: &ClientParameters, name: &str, value: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let known = client.wanted.get(name.as_str()).or_else(|| self.defaults.get(name.as_str()));
        !NOT_SETTABLE.contains(&name.as_str()) && known == Some(&text(value))
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
        let is_default = self.defaults.get(name.as_str()) == Some(&text(value));
        match client.startup.get(name.as_str()).filter(|_| is_default)? {
            SettingValue::Text(wanted) | SettingValue::Source(wanted) => Some(wanted),
        }
    }

    /// RESET of this parameter was run for `client`, and may be rolled back. Says whether the client
    /// wants something else than the server's own default then.
    pub fn maybe_reset_one(&mut self, client: &mut ClientParameters, name: &str) -> bool {
        client.keep_before();
        let Some((name, value)) = client.startup.get_key_value(name) else { return false };
        client.wanted.insert(name.clone(), value.clone());
        self.applied.remove(name);
        self.unconfirmed.retain(|other| other != name);
        self.unsure.insert(name.clone());
        true
    }

    /// What was applied is of no interest any more.
    pub fn forget(&mut self) {
        self.applied.clear();
        self.unsure.clear();
        self.unconfirmed.clear();
    }

    /// DISCARD ALL was run. It leaves settings with a prefix that no library has defined
    /// (GUC_NO_RESET_ALL in guc.c), and which these are nobody tells.
    pub fn reset(&mut self) {
        let custom =
            std::mem::take(&mut self.applied).into_keys().filter(|name| name.contains('.'));
        self.unsure.retain(|name| name.contains('.'));
        self.unsure.extend(custom);
        self.unconfirmed.clear();
    }

    /// RESET ALL was run for `client`, and may be rolled back: what the server reports.
    pub fn maybe_reset(&mut self, client: &mut ClientParameters) {
        client.keep_before();
        let (reported, others) = std::mem::take(&mut self.applied)
            .into_iter()
            .partition(|(name, _)| self.defaults.contains_key(name));
        self.applied = others;
        self.unconfirmed.clear();
        self.unsure.extend(Values::into_keys(reported));
        client.wanted.retain(|name, _| !self.defaults.contains_key(name));
        let asked = client.startup.iter().filter(|(name, _)| self.defaults.contains_key(*name));
        client.wanted.extend(asked.map(|(name, value)| (name.clone(), value.clone())));
    }

    /// A statement of `client`'s has changed a setting, and its transaction is committed.
    fn changed(&mut self, client: &mut ClientParameters, change: SettingChange) {
        match change {
            SettingChange::Set { name, value } => {
                if &*name == "session_authorization" {
                    // It sets the role to none (manual, SET SESSION AUTHORIZATION).
                    self.applied.remove("role");
                    client.wanted.remove("role");
                }
                self.unsure.remove(&name);
                self.applied.insert(name.clone(), value.clone());
                client.wanted.insert(name, value);
            }
            SettingChange::Reset { name } => {
                if &*name == "session_authorization" {
                    self.applied.remove("role");
                    client.wanted.remove("role");
                }
                self.unsure.remove(&name);
                self.applied.remove(&name);
                match client.startup.get(&name) {
                    Some(value) => client.wanted.insert(name, value.clone()),
                    None => client.wanted.remove(&name),
                };
            }
            SettingChange::ResetAll => {
                // Who the session acts as is not reset (GUC_NO_RESET_ALL in guc.c).
                let stays =
                    |name: &str| self.defaults.contains_key(name) || IDENTITY.contains(&name);
                self.unsure.extend(self.applied.keys().filter(|name| !stays(name)).cloned());
                client.wanted.retain(|name, _| stays(name));
                let asked = client.startup.iter().filter(|(name, _)| !stays(name));
                client.wanted.extend(asked.map(|(name, value)| (name.clone(), value.clone())));
                self.applied.retain(|name, _| {
                    self.defaults.contains_key(name) || IDENTITY.contains(&&**name)
                });
            }
        }
    }

    /// The names of settings with a prefix that `client` wants, or that the server may have.
    pub fn custom(&self, client: &ClientParameters) -> Vec<Box<str>> {
        let all = client.wanted.keys().chain(self.applied.keys()).chain(&self.unsure);
        all.filter(|name| name.contains('.')).cloned().collect()
    }

    /// The server was asked what is set in its session besides what it reports: that is what
    /// `client` wants.
    pub fn learned(&mut self, client: &mut ClientParameters, settings: Vec<(String, String)>) {
        let found: Values = settings
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase().into(), text(&value)))
            .filter(|(name, _): &(Box<str>, _)| !self.defaults.contains_key(name))
            .collect();
        for values in [&mut self.applied, &mut client.wanted] {
            values.retain(|name, _| self.defaults.contains_key(name));
            values.extend(found.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        let defaults = &self.defaults;
        self.unsure.retain(|name| defaults.contains_key(name));
    }

    /// The value it has, where that is known.
    fn value(&self, name: &str) -> Option<&SettingValue> {
        if self.unsure.contains(name) {
            return None;
        }
        self.applied.get(name).or_else(|| self.defaults.get(name))
    }
}
