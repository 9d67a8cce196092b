//! Reads the configuration again, on SIGHUP and RELOAD.

use std::sync::{Arc, OnceLock};

use model::MarkKind;
use parking_lot::RwLock;
use proxy::Proxy;

use super::marks::Marks;
use super::proxy_settings;
use crate::cli::RunArguments;
use crate::settings::{LoadedTls, Settings};

/// Reads the configuration again.
pub(super) struct Reloader {
    arguments: RunArguments,
    local_password: String,
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
        Self { arguments, local_password, settings, tls, marks, proxy: OnceLock::new() }
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

    /// Reads file, environment and certificates again. What is wrong changes nothing.
    ///
    /// # Errors
    /// All problems, as at start.
    pub(super) fn reload(&self) -> Result<(), String> {
        let resolved = self.arguments.settings(std::env::vars_os()).map_err(|error| {
            tracing::error!("configuration not reloaded: {error}");
            error.to_string()
        })?;
        for warning in &resolved.warnings {
            tracing::warn!("{warning}");
        }
        let settings = Arc::new(resolved.settings);
        for name in self.settings().needing_restart(&settings) {
            tracing::warn!("{name} has changed; that takes effect at the next start");
        }
        let tls = settings.load_tls().map_err(|error| {
            tracing::error!("configuration not reloaded: {error}");
            error.to_string()
        })?;
        let tls = Arc::new(tls);
        *self.tls.write() = Arc::clone(&tls);
        *self.settings.write() = Arc::clone(&settings);
        if let Some(proxy) = self.proxy.get() {
            proxy.reconfigure(proxy_settings::of(&settings, &tls, &self.local_password));
        }
        tracing::info!("configuration reloaded");
        self.marks.add(MarkKind::Reload, "configuration reloaded".to_owned());
        Ok(())
    }
}
