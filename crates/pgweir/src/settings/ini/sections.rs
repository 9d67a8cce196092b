//! `[databases]`, `[users]` and `[peers]`.

use std::collections::BTreeMap;

use super::connection_string;
use super::keys::{INI_DATABASE_KEYS, INI_PEER_KEYS, INI_USER_KEYS, IniKey};
use super::notes::{NoteKind, PgBouncerFile};
use super::table::Becomes;
use super::value;
use crate::settings::names::advice;
use crate::settings::problem::Origin;
use crate::settings::values::Raw;
use crate::settings::written::{Section, Written, WrittenValue};

/// One line of such a section.
pub(super) struct Entry {
    pub(super) section: &'static str,
    pub(super) origin: Origin,
    /// Of the database, the user or the peer.
    pub(super) name: String,
    pub(super) value: String,
}

impl Entry {
    /// Puts it into `to`. `socket_directory` is where a database without a host is.
    pub(super) fn translate(
        self,
        to: &mut Written,
        file: &mut PgBouncerFile,
        socket_directory: Option<&str>,
    ) {
        let known = match self.section {
            "databases" => INI_DATABASE_KEYS,
            "users" => INI_USER_KEYS,
            _ => INI_PEER_KEYS,
        };
        let Some(values) = self.values(known, to, file) else { return };
        match self.section {
            "databases" => self.database(values, to, file, socket_directory),
            "users" => {
                to.users.insert(self.name, Section { origin: self.origin, values });
            }
            _ => {
                to.peers.insert(self.name, Section { origin: self.origin, values });
            }
        }
    }

    fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The keys that are used; none where the line cannot be read.
    fn values(
        &self,
        known: &[IniKey],
        to: &mut Written,
        file: &mut PgBouncerFile,
    ) -> Option<BTreeMap<String, WrittenValue>> {
        let path = self.path();
        let pairs = match connection_string::parse(&self.value) {
            Ok(pairs) => pairs,
            Err(message) => {
                to.problem(self.origin.clone(), &path, &message);
                return None;
            }
        };
        let noted = |name: &str| format!("{path}.{name}");
        let mut values = BTreeMap::new();
        for (name, text) in pairs {
            let Some(key) = known.iter().find(|key| key.name == name) else {
                let message = advice(&name, known.iter().map(|key| key.name));
                to.problem(self.origin.clone(), &format!("{path}.{name}"), &message);
                continue;
            };
            match key.becomes {
                Becomes::Same | Becomes::Different(_) => {}
                Becomes::Unneeded(why) => {
                    file.note(noted(&name), NoteKind::Unneeded, why);
                    continue;
                }
                Becomes::NotOffered(why) => {
                    file.note(noted(&name), NoteKind::NotOffered, why);
                    continue;
                }
            }
            // PgBouncer's older name.
            let name = if name == "reserve_pool" { "reserve_pool_size".to_owned() } else { name };
            match value::of_key(key.kind, text) {
                Some(raw) => {
                    values.insert(name, WrittenValue { raw, origin: self.origin.clone() });
                }
                None => drop(values.remove(&name)),
            }
        }
        Some(values)
    }

    fn database(
        self,
        mut values: BTreeMap<String, WrittenValue>,
        to: &mut Written,
        file: &mut PgBouncerFile,
        socket_directory: Option<&str>,
    ) {
        let path = self.path();
        if !values.contains_key("user") && values.remove("password").is_some() {
            let why = "without `user` it is not used, here as in PgBouncer";
            file.note(format!("{path}.password"), NoteKind::Unneeded, why);
        }
        let host = values.get("host").map(|host| &host.raw);
        let unusable = match host {
            Some(Raw::Text(host)) if host.starts_with('@') => {
                Some("abstract sockets are not supported; write the directory of the socket")
            }
            None if socket_directory.is_none() => Some("needs a `host`: unix_socket_dir is empty"),
            _ => None,
        };
        if let Some(message) = unusable {
            return to.problem(self.origin, &format!("{path}.host"), message);
        }
        if matches!(host, Some(Raw::Text(host)) if host.contains(',')) {
            // By our own default, those that can be written to; by PgBouncer's, all in turn.
            for (name, default) in
                [("target_session_attrs", "any"), ("load_balance_hosts", "round-robin")]
            {
                let raw = Raw::Text(default.to_owned());
                let by_default = WrittenValue { raw, origin: Origin::Default };
                values.entry(name.to_owned()).or_insert(by_default);
            }
        }
        let host = values.get("host");
        if let (None, Some(directory)) = (host, socket_directory) {
            let raw = Raw::Text(directory.to_owned());
            values.insert("host".to_owned(), WrittenValue { raw, origin: self.origin.clone() });
        }
        to.databases.insert(self.name, Section { origin: self.origin, values });
    }
}
