//! Parameters that the server reports (ParameterStatus): what it reported last is what it has, once a
//! request is answered, whatever was run. Since PostgreSQL 14 it reports then, and only what has
//! another value than it had after the request before.

use super::{ClientParameters, IDENTITY, NOT_SETTABLE, READ_ONLY, ServerParameters, Values, text};

impl ClientParameters {
    /// What it takes a reported parameter to be.
    fn told<'a>(&'a self, server: &'a ServerParameters, name: &str) -> Option<&'a str> {
        let of = if NOT_SETTABLE.contains(&name) { &self.identity } else { &self.wanted };
        let value = of.get(name).or_else(|| server.defaults.get(name))?;
        Some(value.as_str())
    }
}

impl ServerParameters {
    /// The server reported this later than at login.
    pub fn reported(&mut self, spelled: &str, value: &str) {
        let name: Box<str> = spelled.to_ascii_lowercase().into();
        // A name that was not reported at login is none that a client may rely on, and is not kept.
        if self.defaults.contains_key(&name) {
            self.told.insert(name.clone(), (spelled.into(), value.into()));
            self.touched.insert(name);
        }
    }

    /// What the server reported last of this parameter, whose name is in lower case.
    #[must_use]
    pub fn reported_value(&self, name: &str) -> Option<&str> {
        self.told.get(name).map(|(_, value)| &**value)
    }

    /// Whether a report of this name is of one that was reported at login.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.defaults.contains_key(name.to_ascii_lowercase().as_str())
    }

    /// A request of `client` is answered: what it has set of the reported parameters, or reset, it
    /// wants from now on. Gives what it must be told.
    pub fn answered(&mut self, client: &mut ClientParameters) -> Vec<(Box<str>, Box<str>)> {
        if client.reset.is_empty() && self.touched.is_empty() {
            // As after nearly every request.
            return Vec::new();
        }
        let reset = std::mem::take(&mut client.reset);
        self.touched.extend(reset.iter().cloned());
        let mut news = Vec::new();
        for name in std::mem::take(&mut self.touched) {
            if &*name == READ_ONLY {
                self.take_as_own(&name, client);
            }
            self.believe(&name);
            let Some((spelled, has)) = self.told.get(&name) else { continue };
            let default = self.defaults.get(&name);
            let has = text(has);
            let mut wants = Some(&has).filter(|has| Some(*has) != default);
            if wants.is_none() && reset.contains(&name) {
                wants = client.startup.get(&name);
            }
            let now = wants.or(default).map_or("", |value| value.as_str());
            let is_new = client.told(self, &name) != Some(now);
            let wants = wants.cloned();
            if is_new {
                let now: Box<str> = now.into();
                client.keep_before().told.insert(spelled.clone());
                news.push((spelled.clone(), now));
            }
            let is_identity = NOT_SETTABLE.contains(&&*name);
            let of = if is_identity { &mut client.identity } else { &mut client.wanted };
            keep(of, name, wants);
        }
        client.has_set_read_only = false;
        news
    }

    /// The server reported a value that `client` has not set: that is its own default now.
    fn take_as_own(&mut self, name: &str, client: &ClientParameters) {
        if !client.has_set_read_only
            && !client.wanted.contains_key(name)
            && let Some((_, has)) = self.told.get(name)
        {
            self.defaults.insert(name.into(), text(has));
        }
    }

    /// What was touched has the value that was reported last.
    pub(super) fn believe_reports(&mut self) {
        if self.touched.is_empty() {
            // As nearly always.
            return;
        }
        for name in std::mem::take(&mut self.touched) {
            self.believe(&name);
        }
    }

    fn believe(&mut self, name: &str) {
        if NOT_SETTABLE.contains(&name) {
            return;
        }
        let Some((_, value)) = self.told.get(name) else { return };
        let value = Some(text(value)).filter(|value| self.defaults.get(name) != Some(value));
        self.unsure.remove(name);
        keep(&mut self.applied, name.into(), value);
    }

    /// What `client` wants has been applied, and the server `reported` what changed. Adds the
    /// parameters that did not change to `reported`, in the spelling that the server has for them.
    pub fn complete_report(&self, client: &ClientParameters, reported: &mut Vec<(String, String)>) {
        for name in client.wanted.keys() {
            let is_there = reported.iter().any(|(found, _)| found.eq_ignore_ascii_case(name));
            if !is_there && let Some((_, value)) = self.told.get(name) {
                reported.push((name.to_string(), value.to_string()));
            }
        }
    }

    /// RESET of this parameter was run for `client`, and may be rolled back. Says whether the client
    /// may want something else than the server's own default then.
    pub fn maybe_reset_one(&self, client: &mut ClientParameters, name: &str) -> bool {
        client.keep_before();
        client.reset.insert(name.into());
        client.startup.contains_key(name)
    }

    /// RESET ALL was run for `client`, and may be rolled back: what the server reports.
    pub fn maybe_reset(&self, client: &mut ClientParameters) {
        client.keep_before();
        let names = client.wanted.keys().chain(client.startup.keys()).chain(self.applied.keys());
        let names = names.chain(&self.touched);
        // Who the session acts as is not reset (GUC_NO_RESET_ALL in guc.c).
        let names = names.filter(|name| self.reports(name) && !IDENTITY.contains(&&***name));
        let names: Vec<_> = names.cloned().collect();
        client.reset.extend(names);
    }

    /// The transaction was rolled back, or a part of it: no RESET in it has been. What the client was
    /// told in it may not have been the server's own value.
    pub fn rolled_back(&mut self, client: &mut ClientParameters) {
        client.reset.clear();
        let told = client.before.iter().flat_map(|before| &before.told);
        self.touched.extend(told.map(|name| name.to_ascii_lowercase().into()));
    }

    /// SET of this parameter was run for `client`: if it was reset before, in the same request, then
    /// not any more.
    pub fn maybe_set(&self, client: &mut ClientParameters, name: &str) {
        client.reset.remove(name);
        client.has_set_read_only |= name == READ_ONLY;
    }
}

/// Sets one, or takes it out.
fn keep(values: &mut Values, name: Box<str>, value: Option<sql::SettingValue>) {
    match value {
        Some(value) => values.insert(name, value),
        None => values.remove(&name),
    };
}
