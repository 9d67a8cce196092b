//! Run-time parameters that follow a client from server connection to server connection.
//!
//! The client's side is what it asked for at startup, what the server has reported since
//! (ParameterStatus), and, of parameters that the server does not report, what the client's
//! statements have set ([`Journal`]); the server's side is what was applied to it. On attach the
//! difference is written in front of the client's own bytes.

mod difference;
mod journal;
mod memento;
mod planning;
mod reading;
mod reported;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use litemap::LiteMap;
use sql::{SettingChange, SettingValue};

pub use journal::Journal;
pub use memento::ParametersMemento;
pub(crate) use reading::Mention;

/// Reported parameters that say what the *server* is doing, and cannot be set to that value.
const NOT_SETTABLE: [&str; 6] = [
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "server_encoding",
    "server_version",
    "scram_iterations",
];

/// Who the session acts as. Other settings may need the rights of the user that logged in, so that
/// these are reset before the others are written, and set after them.
const IDENTITY: [&str; 2] = ["session_authorization", "role"];

/// What whoever runs a server sets there to fence it. What a client has not set itself is the server's
/// own, and must not go with it to another one.
const READ_ONLY: &str = "default_transaction_read_only";

/// Settings that only matter to the transaction that runs.
const OF_THE_TRANSACTION: [&str; 3] =
    ["transaction_deferrable", "transaction_isolation", "transaction_read_only"];

/// Whether a setting of this name ends with the transaction.
pub(crate) fn of_the_transaction(name: &str) -> bool {
    OF_THE_TRANSACTION.contains(&name)
}

/// Names fold to lower case: PostgreSQL compares parameter names so. Sorted in one piece of memory:
/// each client has a few.
type Values = LiteMap<Box<str>, SettingValue>;

fn text(value: &str) -> SettingValue {
    SettingValue::Text(value.into())
}

/// Whether a constant in SQL is plainly this text. A word without quotes is folded to lower case.
fn stands_for(source: &str, value: &str) -> bool {
    match source.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(quoted) => quoted == value && !quoted.contains(['\'', '\\']),
        None => {
            source == value
                && source.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
        }
    }
}

/// What a client wants.
#[derive(Clone, Debug, Default)]
pub struct ClientParameters {
    startup: Values,
    wanted: Values,
    /// Where the transaction that runs has changed any of it: what it was before.
    before: Option<Box<Before>>,
    /// Reported parameters that a RESET was run of since the last request was answered.
    reset: BTreeSet<Box<str>>,
    /// Whether it has run a SET of [`READ_ONLY`] since the last request was answered.
    has_set_read_only: bool,
    /// Who it is, as it was told last, where that is not as at login.
    identity: Values,
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
    /// What the server reported last of each, with the name as it spells it. When a request is
    /// answered, that is what it has.
    told: BTreeMap<Box<str>, (Box<str>, Box<str>)>,
    /// Written or reported since the last request was answered.
    touched: BTreeSet<Box<str>>,
}

impl ClientParameters {
    /// A client that asked for these at startup. The last of several of one name wins.
    pub fn new<'a>(startup: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let startup: Values = startup
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase().into(), text(value)))
            .collect();
        Self { wanted: startup.clone(), startup, ..Self::default() }
    }

    /// A client that has not logged in yet asked for these, and the server reported `reported` when
    /// they were applied: what it wants, in the server's own spelling, so that two spellings of one
    /// value are not a difference.
    pub fn settle(&mut self, server: &ServerParameters, reported: &[(String, String)]) {
        let settled = |(name, value): (Box<str>, SettingValue)| {
            let report = reported.iter().rfind(|(found, _)| found.eq_ignore_ascii_case(&name));
            let value = match report {
                Some((_, canonical)) => text(canonical),
                // Reported at login and not since: it is what the server has anyway.
                None if server.defaults.contains_key(&name) => return None,
                None => value,
            };
            (server.defaults.get(&name) != Some(&value)).then_some((name, value))
        };
        let startup: Values =
            std::mem::take(&mut self.startup).into_iter().filter_map(settled).collect();
        // A copy has no more room than it needs.
        self.startup = startup.clone();
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

    /// Whether it wants nothing, or this alone.
    #[must_use]
    pub fn wants_at_most(&self, name: &str) -> bool {
        self.wanted.keys().all(|wanted| **wanted == *name)
    }

    /// The value it wants, if it differs from the server's own.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.wanted.get(name).map(SettingValue::as_str)
    }

    /// DISCARD ALL was run on `server`: back to what it asked for at startup. What is reported goes
    /// back when the request is answered.
    pub fn reset(&mut self, server: &ServerParameters) {
        server.maybe_reset(self);
        let reported = self.wanted.iter().filter(|(name, _)| server.reports(name));
        let others = self.startup.iter().filter(|(name, _)| !server.reports(name));
        self.wanted = reported.chain(others).map(|(a, b)| (a.clone(), b.clone())).collect();
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
                of.get(&*name)
                    .or_else(|| server.defaults.get(&*name))
                    .map(|one| one.as_str().into())
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

    /// Whether nothing was changed since the start, and nothing is being changed.
    #[must_use]
    pub fn are_as_at_startup(&self) -> bool {
        self.before.is_none()
            && self.reset.is_empty()
            && self.identity.is_empty()
            && self.wanted == self.startup
    }

    /// Whether it has this value already, so that to set it is to change nothing. Not of who the
    /// session acts as, which others may have been forbidden since.
    #[must_use]
    pub fn has(&self, name: &str, value: &SettingValue) -> bool {
        let is_settled = self.before.is_none() && self.reset.is_empty();
        let same = |has: &SettingValue| match (has, value) {
            (SettingValue::Text(has), SettingValue::Source(source)) => stands_for(source, has),
            _ => has == value,
        };
        is_settled && !IDENTITY.contains(&name) && self.wanted.get(name).is_some_and(same)
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

    /// What was applied is of no interest any more.
    pub fn forget(&mut self) {
        self.applied.clear();
        self.unsure.clear();
        self.touched.clear();
    }

    /// DISCARD ALL was run. It leaves settings with a prefix that no library has defined
    /// (GUC_NO_RESET_ALL in guc.c), and which these are nobody tells.
    pub fn reset(&mut self) {
        for (name, _) in std::mem::take(&mut self.applied) {
            if self.defaults.contains_key(&name) {
                self.touched.insert(name);
            } else if name.contains('.') {
                self.unsure.insert(name);
            }
        }
        self.unsure.retain(|name| name.contains('.'));
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
