//! The running process: built from its settings, run, drained.

use std::sync::{Arc, OnceLock};

use anyhow::Context;
use jiff::Timestamp;
use model::LabelRegistry;
use parking_lot::RwLock;
use proxy::{EventBuffer, Measures, Proxy};
use sql::ShapeRegistry;

use super::analyser::Analyser;
use super::console::ConsoleBridge;
use super::local_admin::LocalAdmin;
use super::proxy_settings;
use super::signals::Signals;
use crate::cli::RunArguments;
use crate::settings::Settings;

/// Combinations of database, user and application that are told apart.
const MAX_LABELS: usize = 10_000;
/// Shapes that are known at a time, for each fingerprint that is: one fingerprint has as many shapes
/// as lists have lengths.
const SHAPES_EACH_FINGERPRINT: usize = 4;

/// Reads the configuration again.
pub(super) struct Reloader {
    arguments: RunArguments,
    local_password: String,
    settings: RwLock<Arc<Settings>>,
    proxy: OnceLock<Proxy>,
}

impl Reloader {
    /// The settings in force.
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read())
    }

    /// Reads file and environment again. What is wrong changes nothing.
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
        *self.settings.write() = Arc::clone(&settings);
        if let Some(proxy) = self.proxy.get() {
            proxy.reconfigure(proxy_settings::of(&settings, &self.local_password));
        }
        tracing::info!("configuration reloaded");
        Ok(())
    }
}

/// Serves until shut down.
pub(super) async fn serve(arguments: &RunArguments, settings: Settings) -> anyhow::Result<()> {
    let settings = Arc::new(settings);
    let fingerprints = settings.max_fingerprints.get() as usize;
    let measures = Measures {
        shapes: Arc::new(ShapeRegistry::new(fingerprints * SHAPES_EACH_FINGERPRINT)),
        labels: Arc::new(LabelRegistry::new(MAX_LABELS)),
        events: Arc::new(EventBuffer::new(tokio::runtime::Handle::current().metrics().num_workers())),
    };
    let local_password = local_password();
    let reloader = Arc::new(Reloader {
        arguments: arguments.clone(),
        local_password: local_password.clone(),
        settings: RwLock::new(Arc::clone(&settings)),
        proxy: OnceLock::new(),
    });
    let started_at = Timestamp::now();
    let bridge = Arc::new(ConsoleBridge::new(
        Arc::clone(&measures.shapes),
        Arc::clone(&reloader),
        started_at,
    ));
    let admin: Arc<dyn proxy::AdminConsole> = Arc::<ConsoleBridge>::clone(&bridge);
    let data_path = proxy_settings::of(&settings, &local_password);
    let proxy = Proxy::new(data_path, measures.clone(), Some(admin));
    let listener = proxy.listen().await?;
    let address = listener.local_addr().context("the listener has no address")?;
    // Set once, here, before anything can ask.
    let _ = reloader.proxy.set(proxy.clone());
    let analyser = Analyser::start(proxy.clone(), measures, &reloader, started_at)?;
    bridge.connect(proxy.clone(), analyser);
    let _local_admin = LocalAdmin::write(&settings, address, &local_password);
    let signals = Signals::listen()?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pool_mode = %settings.pool_mode,
        "pgweir is ready listen={address}"
    );
    tokio::select! {
        () = proxy.serve(listener) => {}
        () = signals.act(proxy.clone(), &reloader) => {}
    }
    tracing::info!("pgweir has stopped");
    Ok(())
}

/// 128 random bits as hexadecimal digits.
fn local_password() -> String {
    format!("{:032x}", rand::random::<u128>())
}
