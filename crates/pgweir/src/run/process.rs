//! The running process: built from its settings, run, drained.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HttpSide;
use jiff::Timestamp;
use model::{LabelRegistry, MarkKind};
use proxy::{EventBuffer, Listeners, Measures, Proxy};
use sql::ShapeRegistry;
use tokio::task::JoinSet;

use super::analyser::{Analyser, Outlets};
use super::console::ConsoleBridge;
use super::history::{self, Past};
use super::http::{self as monitoring, Monitored};
use super::local_admin::LocalAdmin;
use super::logging::Flood;
use super::loop_lag::LoopLag;
use super::marks::Marks;
use super::proxy_settings;
use super::reloader::Reloader;
use super::service_manager::{self, Activation};
use super::signals::Signals;
use super::takeover::{Incumbent, Inherited, Program, Standing};
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
    activation: Activation,
) -> anyhow::Result<()> {
    let program = Program::of_this_process();
    let settings = Arc::new(settings);
    let mut inherited = Inherited::find(arguments, &settings, activation).await?;
    let measures = measures(&settings);
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
    let listeners = proxy.listen(std::mem::take(&mut inherited.listeners)).await?;
    let (mut http, http_socket) = monitoring::prepare(&settings, &mut inherited)?;
    reloader.connect(proxy.clone());
    inherited.release_history().await?;
    let history = history::open(&settings, &tls, listeners.port(), started_at);
    if let Some(history) = &history {
        marks.keep_in(history).await;
    }
    let analyser = Analyser::start(
        proxy.clone(),
        measures.clone(),
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
        measures,
        data_path: tokio::runtime::Handle::current(),
        history,
        reloader: Arc::clone(&reloader),
        loop_lag: Arc::clone(&loop_lag),
        flood: Arc::clone(&flood),
        started_at,
    }))?;
    let signals = Signals::listen()?;
    let (ready, listeners) = (ready(&http, &listeners), Arc::new(listeners));
    let control = inherited.control_socket(&settings, listeners.port()).await;
    let incumbent = Arc::new(Incumbent {
        proxy: proxy.clone(),
        listeners: Arc::downgrade(&listeners),
        http: http_socket,
        past,
        reloader: Arc::clone(&reloader),
        marks: Arc::clone(&marks),
        program,
        standing: Standing::default(),
    });
    let before = inherited.succeed(&incumbent).await?;
    let local_admin = LocalAdmin::write(&settings, &listeners, &local_password);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pool_mode = %settings.pool_mode,
        "pgweir is ready {ready}"
    );
    service_manager::ready(&ready);
    tokio::spawn(service_manager::keep_watchdog_calm());
    tokio::select! {
        () = serve_clients(proxy.clone(), listeners) => {}
        () = signals.act(proxy.clone(), &reloader, &marks) => {}
        () = flood.watch() => {}
        () = Arc::clone(&incumbent).stand_by(control.clone()) => {}
        () = leave_to_successor(&incumbent, &http, local_admin.as_ref()) => {}
    }
    incumbent.take_leave(before).await;
    http.finish().await;
    tracing::info!("pgweir has stopped");
    Ok(())
}

/// Lets clients in, until the last has left. In a task of its own: each client that comes would wake all
/// that is waited for here otherwise. Cancel-safe: dropped, it lets nobody in any more.
async fn serve_clients(proxy: Proxy, listeners: Arc<Listeners>) {
    let mut serving = JoinSet::new();
    serving.spawn(async move { proxy.serve(listeners).await });
    if let Some(Err(error)) = serving.join_next().await
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

/// Addresses with commas between; `none` if there is none.
fn listed(addresses: &[SocketAddr]) -> String {
    let all: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(",") }
}

fn measures(settings: &Settings) -> Measures {
    let fingerprints = settings.max_fingerprints.get() as usize;
    Measures {
        shapes: Arc::new(ShapeRegistry::new(fingerprints * SHAPES_EACH_FINGERPRINT)),
        labels: Arc::new(LabelRegistry::new(MAX_LABELS)),
        events: Arc::new(if settings.statistics {
            EventBuffer::new(tokio::runtime::Handle::current().metrics().num_workers())
        } else {
            EventBuffer::closed()
        }),
        traces: settings.monitoring.otlp_endpoint.is_some(),
    }
}

/// Where it can be reached.
fn ready(http: &HttpSide, listeners: &Listeners) -> String {
    let http = http.address().map_or_else(|| "none".to_owned(), |address| address.to_string());
    let socket = listeners.unix_socket();
    let socket = socket.map_or_else(String::new, |path| format!(" unix_socket={}", path.display()));
    format!("listen={} http={http}{socket}", listed(&listeners.addresses()))
}

/// Once another process serves, it answers on all that this one did. For ever. Cancel-safe.
async fn leave_to_successor(
    incumbent: &Incumbent,
    http: &HttpSide,
    local_admin: Option<&LocalAdmin>,
) {
    incumbent.was_succeeded().await;
    http.stop_listening();
    if let Some(local_admin) = local_admin {
        local_admin.leave();
    }
    std::future::pending().await
}

/// 128 random bits as hexadecimal digits.
fn local_password() -> String {
    format!("{:032x}", rand::random::<u128>())
}
