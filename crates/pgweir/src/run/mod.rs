//! `pgweir run`: parse, build, run, drain.

mod analyser;
mod console;
mod file_limit;
pub(crate) mod history;
mod http;
pub(crate) mod local_admin;
mod logging;
mod loop_lag;
mod marks;
mod process;
mod proxy_settings;
mod reloader;
mod resources;
mod service_manager;
mod signals;
pub(crate) mod takeover;

use std::future::Future;
use std::num::NonZeroUsize;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

use crate::cli::RunArguments;
use crate::settings::Settings;

/// Runs the proxy until it is told to stop.
///
/// # Errors
/// Settings that are wrong, a listener that cannot be opened.
pub fn run(arguments: &RunArguments) -> anyhow::Result<()> {
    // First: it changes the environment, which is only allowed while there is one thread.
    let activation = service_manager::Activation::take().context("LISTEN_FDS")?;
    let resolved = arguments.settings(std::env::vars_os())?;
    let flood = logging::start(&resolved.settings);
    for warning in &resolved.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(warning) = file_limit::raise(&resolved.settings) {
        tracing::warn!("{warning}");
    }
    let runtime = runtime(&resolved.settings)?;
    let result = runtime.block_on(process::serve(arguments, resolved.settings, flood, activation));
    // Clients that were told to leave have left; whatever hangs must not keep the process.
    runtime.shutdown_background();
    result
}

/// Runs a command that is a client of a running pgweir.
///
/// # Errors
/// Those of the command.
pub fn block_on(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(command)
}

/// Processors for each worker. The kernel needs three times as long for the sockets as a worker does
/// for what goes through them, and servers and clients often share the machine: with a worker for each
/// processor, workers wait for each other and take longer for the same work (docs/performance.md).
const PROCESSORS_EACH: usize = 2;

/// One worker means a current-thread runtime: no wake-up ever crosses a thread.
fn runtime(settings: &Settings) -> anyhow::Result<Runtime> {
    let usual = || {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        (processors / PROCESSORS_EACH).max(1)
    };
    let mut builder = match settings.worker_threads.map_or_else(usual, NonZeroUsize::get) {
        1 => Builder::new_current_thread(),
        threads => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    builder.thread_name("pgweir").enable_all().build().context("cannot start the runtime")
}
