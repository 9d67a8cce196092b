//! Reads the configuration again, on SIGHUP and RELOAD; changes a setting of it, on SET.

use std::sync::{Arc, OnceLock};

use model::{CommandError, MarkKind};
use parking_lot::{Mutex, RwLock};
use proxy::Proxy;

use super::marks::Marks;
use super::proxy_settings;
use crate::cli::RunArguments;
use crate::settings::{LoadedTls, Resolved, Settings, Written, check_key};

/// Reads the configuration again.
pub(super) struct Reloader {
    arguments: RunArguments,
    local_password: String,
    /// What `settings` are made of, with what SET has changed since it was read; none if it could not
    /// be read just then. Held while new settings are made, so that these come one after the other.
    written: Mutex<Option<Written>>,
    settings: RwLock<Arc<Settings>>,
    tls: RwLock<Arc<LoadedTls>>,
    marks: Arc<Marks>,
    proxy: OnceLock<Proxy>,
}

impl Reloader {
    /// `settings` are those that `arguments` led to.
    pub(super) fn new(
        arguments: RunArguments,
        settings: Arc<Settings>,
        tls: Arc<LoadedTls>,
        local_password: String,
        marks: Arc<Marks>,
    ) -> Self {
        let (settings, tls) = (RwLock::new(settings), RwLock::new(tls));
        let written = Mutex::new(arguments.written(std::env::vars_os()).ok());
        Self { arguments, local_password, written, settings, tls, marks, proxy: OnceLock::new() }
    }

    /// The proxy that gets new settings from now on. Called once.
    pub(super) fn connect(&self, proxy: Proxy) {
        let _ = self.proxy.set(proxy);
    }

    /// The settings in force.
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read())
    }

    /// The certificates in force.
    pub(super) fn tls(&self) -> Arc<LoadedTls> {
        Arc::clone(&self.tls.read())
    }

    /// Reads file, environment and certificates again. What is wrong changes nothing. Returns what
    /// has changed and takes effect at the next start only, and what is allowed but worth saying.
    ///
    /// # Errors
    /// All problems, as at start.
    pub(super) fn reload(&self) -> Result<Vec<String>, String> {
        let mut written = self.written.lock();
        let read = self.arguments.written(std::env::vars_os());
        let done = read.and_then(|read| Ok((read.clone(), read.resolve()?)));
        let done = done.map_err(|error| error.to_string()).and_then(|(read, resolved)| {
            let warnings = self.apply(resolved)?;
            *written = Some(read);
            Ok(warnings)
        });
        match &done {
            Ok(_) => {
                tracing::info!("configuration reloaded");
                self.marks.add(MarkKind::Reload, "configuration reloaded".to_owned());
            }
            Err(error) => tracing::error!("configuration not reloaded: {error}"),
        }
        done
    }

    /// Changes one setting until the configuration is read again. What is wrong changes nothing.
    /// Returns what is allowed but worth saying.
    ///
    /// # Errors
    /// [`CommandError::NoSuchSetting`], [`CommandError::NeedsRestart`], [`CommandError::BadValue`].
    pub(super) fn set(&self, key: &str, value: String) -> Result<Vec<String>, CommandError> {
        check_key(key)?;
        let bad = |why: String| CommandError::BadValue { key: key.to_owned(), why };
        let mut written = self.written.lock();
        let mut changed = match &*written {
            Some(written) => written.clone(),
            None => {
                let read = self.arguments.written(std::env::vars_os());
                read.map_err(|error| bad(error.to_string()))?
            }
        };
        changed.add_flag("SET", key, value);
        let resolved = changed.clone().resolve().map_err(|error| bad(error.about(key)))?;
        let warnings = self.apply(resolved).map_err(bad)?;
        *written = Some(changed);
        tracing::info!("{key} changed until the configuration is read again");
        self.marks.add(MarkKind::Command, format!("SET {key}"));
        Ok(warnings)
    }

    /// Puts settings in the place of those in force.
    fn apply(&self, resolved: Resolved) -> Result<Vec<String>, String> {
        let settings = Arc::new(resolved.settings);
        let mut warnings = resolved.warnings;
        let waiting = self.settings().needing_restart(&settings);
        warnings.extend(
            waiting
                .into_iter()
                .map(|name| format!("{name} has changed; that takes effect at the next start")),
        );
        let tls = Arc::new(settings.load_tls().map_err(|error| error.to_string())?);
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        *self.tls.write() = Arc::clone(&tls);
        *self.settings.write() = Arc::clone(&settings);
        if let Some(proxy) = self.proxy.get() {
            proxy.reconfigure(proxy_settings::of(&settings, &tls, &self.local_password));
        }
        Ok(warnings)
    }
}
