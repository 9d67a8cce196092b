//! The HTTP side's view of the running process.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http::otlp::{ExportSettings, parse_headers};
use http::{BoxFuture, Filled, HttpSide, Listener, Live, ProcessStatus};
use jiff::Timestamp;
use model::{PoolStatus, Published, Totals};
use proxy::{Measures, Proxy};
use tokio::runtime::Handle;

use super::analyser::Analyser;
use super::logging::Flood;
use super::loop_lag::LoopLag;
use super::reloader::Reloader;
use super::resources;
use super::takeover::Inherited;
use crate::settings::Settings;

/// The running process, for the HTTP side.
pub(super) struct Monitored {
    pub(super) proxy: Proxy,
    pub(super) analyser: Analyser,
    pub(super) measures: Measures,
    /// The runtime of the data path, which is not the one that serves.
    pub(super) data_path: Handle,
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
///
/// A socket of the service manager's is used wherever it listens, one of the process before this one if
/// the settings name its address. Gives the socket for the process after this one, too.
pub(super) fn prepare(
    settings: &Settings,
    inherited: &mut Inherited,
) -> anyhow::Result<(HttpSide, Option<OwnedFd>)> {
    let passed = inherited.http.take();
    let listener = match (inherited.activated_http.take(), settings.http) {
        (Some(socket), _) => Some(Listener::adopt(socket)?),
        (None, Some(address)) => {
            let passed = passed.map(Listener::adopt).transpose()?;
            let passed =
                passed.filter(|passed| passed.address().is_some_and(|at| is_at(address, at)));
            passed.map_or_else(|| listen(address), |passed| Ok(Some(passed)))?
        }
        (None, None) => None,
    };
    let for_successor = listener.as_ref().map(Listener::duplicate).transpose()?;
    let export = export(settings)?;
    let side = HttpSide::prepare(listener, export, env!("CARGO_PKG_VERSION"))?;
    Ok((side, for_successor))
}

/// Whether a socket listens where it was asked for; port 0 is any.
fn is_at(wanted: SocketAddr, at: SocketAddr) -> bool {
    wanted == at || (wanted.port() == 0 && wanted.ip() == at.ip())
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
        let Measures { shapes, labels, .. } = &self.measures;
        let filled =
            |known: usize, limit: usize| Filled { known: known as u64, limit: limit as u64 };
        ProcessStatus {
            clients: self.proxy.client_count() as u64,
            clients_limit: u64::from(self.reloader.settings().max_client_conn.get()),
            cancel_keys: self.proxy.cancel_key_count() as u64,
            tasks: self.data_path.metrics().num_alive_tasks() as u64,
            shapes: filled(shapes.len(), shapes.limit()),
            labels: filled(labels.len(), labels.limit()),
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
