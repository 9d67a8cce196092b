//! The HTTP side's view of the running process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http::otlp::{ExportSettings, parse_headers};
use http::{BoxFuture, HttpSide, Listener, Live, ProcessStatus};
use jiff::Timestamp;
use model::{PoolStatus, Published, Totals};
use proxy::Proxy;

use super::analyser::Analyser;
use super::logging::Flood;
use super::loop_lag::LoopLag;
use super::reloader::Reloader;
use super::resources;
use crate::settings::Settings;

/// The running process, for the HTTP side.
pub(super) struct Monitored {
    pub(super) proxy: Proxy,
    pub(super) analyser: Analyser,
    pub(super) history: Option<store::History>,
    pub(super) reloader: Arc<Reloader>,
    pub(super) loop_lag: Arc<LoopLag>,
    pub(super) flood: Arc<Flood>,
    pub(super) started_at: Timestamp,
}

/// Opens what the settings ask for.
///
/// # Errors
/// An address that was set and cannot be had; the default one may be another process's.
pub(super) fn prepare(settings: &Settings) -> anyhow::Result<HttpSide> {
    let listener = settings.http.map(listen).transpose()?.flatten();
    let export = export(settings)?;
    HttpSide::prepare(listener, export, env!("CARGO_PKG_VERSION")).map_err(Into::into)
}

fn listen(address: SocketAddr) -> anyhow::Result<Option<Listener>> {
    match Listener::open(address) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if Settings::default().http == Some(address) => {
            tracing::warn!("{error}; metrics and health are not served");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn export(settings: &Settings) -> anyhow::Result<Option<ExportSettings>> {
    let monitoring = &settings.monitoring;
    let Some(endpoint) = monitoring.otlp_endpoint.clone() else { return Ok(None) };
    let headers = monitoring.otlp_headers.as_ref().map(|headers| parse_headers(headers.reveal()));
    let headers = headers.transpose().map_err(anyhow::Error::msg).context("otlp_headers")?;
    Ok(Some(ExportSettings {
        endpoint,
        headers: headers.unwrap_or_default(),
        interval: monitoring.otlp_interval,
        service_name: monitoring.otlp_service_name.clone(),
    }))
}

impl Live for Monitored {
    fn totals(&self) -> BoxFuture<'_, Arc<Totals>> {
        Box::pin(self.analyser.totals())
    }

    fn published(&self) -> Arc<Published> {
        self.analyser.latest()
    }

    fn process(&self) -> ProcessStatus {
        ProcessStatus {
            clients: self.proxy.client_count() as u64,
            clients_limit: u64::from(self.reloader.settings().max_client_conn.get()),
            loop_lag: self.loop_lag.measured(),
            store_lag: self.history.as_ref().and_then(store::History::written_up_to).map(|at| {
                Duration::try_from(Timestamp::now().duration_since(at)).unwrap_or_default()
            }),
            log_lines_suppressed: self.flood.suppressed(),
            resources: resources::now(),
        }
    }

    fn is_draining(&self) -> bool {
        self.proxy.is_draining()
    }

    fn pools(&self) -> Vec<PoolStatus> {
        self.proxy.pools()
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn started_at(&self) -> Timestamp {
        self.started_at
    }
}
