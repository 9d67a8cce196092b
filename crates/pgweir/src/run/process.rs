//! The running process: built from its settings, run, drained.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use model::{LabelRegistry, MarkKind};
use proxy::{EventBuffer, Measures, Proxy};
use sql::ShapeRegistry;

use super::analyser::{Analyser, Outlets};
use super::console::ConsoleBridge;
use super::history::{self, Past};
use super::http::{self, Monitored};
use super::local_admin::LocalAdmin;
use super::logging::Flood;
use super::loop_lag::LoopLag;
use super::marks::Marks;
use super::proxy_settings;
use super::reloader::Reloader;
use super::signals::Signals;
use crate::cli::RunArguments;
use crate::settings::Settings;

/// Combinations of database, user and application that are told apart.
const MAX_LABELS: usize = 10_000;
/// Shapes that are known at a time, for each fingerprint that is: one fingerprint has as many shapes
/// as lists have lengths.
const SHAPES_EACH_FINGERPRINT: usize = 4;

/// Serves until shut down.
pub(super) async fn serve(
    arguments: &RunArguments,
    settings: Settings,
    flood: Arc<Flood>,
) -> anyhow::Result<()> {
    let settings = Arc::new(settings);
    let fingerprints = settings.max_fingerprints.get() as usize;
    let measures = Measures {
        shapes: Arc::new(ShapeRegistry::new(fingerprints * SHAPES_EACH_FINGERPRINT)),
        labels: Arc::new(LabelRegistry::new(MAX_LABELS)),
        events: Arc::new(if settings.statistics {
            EventBuffer::new(tokio::runtime::Handle::current().metrics().num_workers())
        } else {
            EventBuffer::closed()
        }),
        traces: settings.monitoring.otlp_endpoint.is_some(),
    };
    let local_password = local_password();
    let tls = Arc::new(settings.load_tls()?);
    let marks = Arc::new(Marks::default());
    marks.add(MarkKind::Start, format!("pgweir {}", env!("CARGO_PKG_VERSION")));
    let reloader = Arc::new(Reloader::new(
        arguments.clone(),
        Arc::clone(&settings),
        Arc::clone(&tls),
        local_password.clone(),
        Arc::clone(&marks),
    ));
    let started_at = Timestamp::now();
    let bridge = Arc::new(ConsoleBridge::new(
        Arc::clone(&measures.shapes),
        Arc::clone(&reloader),
        Arc::clone(&marks),
        started_at,
    ));
    let admin: Arc<dyn proxy::AdminConsole> = Arc::<ConsoleBridge>::clone(&bridge);
    let data_path = proxy_settings::of(&settings, &tls, &local_password);
    let proxy = Proxy::new(data_path, measures.clone(), Some(admin));
    let listeners = proxy.listen().await?;
    let mut http = http::prepare(&settings)?;
    reloader.connect(proxy.clone());
    let history = history::open(&settings, &tls, listeners.port(), started_at);
    if let Some(history) = &history {
        marks.keep_in(history).await;
    }
    let analyser = Analyser::start(
        proxy.clone(),
        measures,
        &reloader,
        started_at,
        Outlets { marks: Arc::clone(&marks), spans: http.spans(), history: history.clone() },
    )?;
    let past = Past {
        analyser: analyser.clone(),
        history: history.clone(),
        fleet: history::fleet(&settings, &tls).map(Arc::new),
    };
    bridge.connect(proxy.clone(), past.clone());
    let loop_lag = Arc::new(LoopLag::default());
    // Where clients' tasks are, which is not where this function runs.
    tokio::spawn(Arc::clone(&loop_lag).watch());
    http.start(Arc::new(Monitored {
        proxy: proxy.clone(),
        analyser,
        history,
        reloader: Arc::clone(&reloader),
        loop_lag: Arc::clone(&loop_lag),
        flood: Arc::clone(&flood),
        started_at,
    }))?;
    let _local_admin = LocalAdmin::write(&settings, &listeners, &local_password);
    let signals = Signals::listen()?;
    let socket = listeners.unix_socket();
    let socket = socket.map_or_else(String::new, |path| format!(" unix_socket={}", path.display()));
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pool_mode = %settings.pool_mode,
        "pgweir is ready listen={} http={}{socket}",
        listed(&listeners.addresses()),
        http.address().map_or_else(|| "none".to_owned(), |address| address.to_string())
    );
    tokio::select! {
        () = proxy.serve(listeners) => {}
        () = signals.act(proxy.clone(), &reloader, &marks) => {}
        () = flood.watch() => {}
    }
    past.close().await;
    http.finish().await;
    tracing::info!("pgweir has stopped");
    Ok(())
}

/// Addresses with commas between; `none` if there is none.
fn listed(addresses: &[SocketAddr]) -> String {
    let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(",") }
}

/// 128 random bits as hexadecimal digits.
fn local_password() -> String {
    format!("{:032x}", rand::random::<u128>())
}
