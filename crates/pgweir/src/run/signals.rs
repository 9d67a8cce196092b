//! Signals, with PgBouncer's meanings but for one: SIGTERM waits for transactions, not for clients, so
//! that it comes to an end before a service manager loses its patience.

use anyhow::Context;
use model::{Command, MarkKind, ShutdownMode};
use proxy::Proxy;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::marks::Marks;
use super::reloader::Reloader;
use super::service_manager;

/// The signals that are listened to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hang_up: Signal,
    user_1: Signal,
    user_2: Signal,
}

impl Signals {
    /// Begins to listen.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
            hang_up: listen(SignalKind::hangup())?,
            user_1: listen(SignalKind::user_defined1())?,
            user_2: listen(SignalKind::user_defined2())?,
        })
    }

    /// Acts on signals for ever. Cancel-safe.
    pub(super) async fn act(mut self, proxy: Proxy, reloader: &Reloader, marks: &Marks) {
        let mut is_asked = false;
        loop {
            tokio::select! {
                _ = self.terminate.recv() => shut_down(&proxy, marks, "SIGTERM", &mut is_asked),
                _ = self.interrupt.recv() => shut_down(&proxy, marks, "SIGINT", &mut is_asked),
                _ = self.quit.recv() => quit(&proxy, marks, "SIGQUIT"),
                _ = self.hang_up.recv() => {
                    service_manager::reloading();
                    // Success and failure are logged there, and told of here.
                    let status = match reloader.reload() {
                        Ok(_) => "configuration reloaded".to_owned(),
                        Err(_) => "the configuration is wrong, and was not reloaded".to_owned(),
                    };
                    service_manager::ready(&status);
                }
                _ = self.user_1.recv() => {
                    tracing::info!("SIGUSR1: PAUSE");
                    marks.add(MarkKind::Pause, "all databases (SIGUSR1)".to_owned());
                    execute(&proxy, Command::Pause(None));
                }
                _ = self.user_2.recv() => {
                    tracing::info!("SIGUSR2: RESUME");
                    marks.add(MarkKind::Resume, "all databases (SIGUSR2)".to_owned());
                    execute(&proxy, Command::Resume(None));
                }
            }
        }
    }
}

fn shut_down(proxy: &Proxy, marks: &Marks, signal: &str, is_asked: &mut bool) {
    if std::mem::replace(is_asked, true) {
        return quit(proxy, marks, signal);
    }
    tracing::info!("{signal}: waiting for transactions to end; once more quits");
    marks.add(MarkKind::Shutdown, signal.to_owned());
    service_manager::stopping("waiting for transactions to end");
    proxy.shut_down(ShutdownMode::WaitForServers);
}

fn quit(proxy: &Proxy, marks: &Marks, signal: &str) {
    tracing::info!("{signal}: quitting at once");
    marks.add(MarkKind::Shutdown, format!("{signal}, at once"));
    service_manager::stopping("quitting");
    proxy.shut_down(ShutdownMode::Immediate);
}

/// Carries out a command on its own: a PAUSE waits for transactions.
fn execute(proxy: &Proxy, command: Command) {
    let proxy = proxy.clone();
    tokio::spawn(async move {
        if let Err(error) = proxy.execute(command).await {
            tracing::warn!("{error}");
        }
    });
}
