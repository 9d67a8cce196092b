//! Signals: SIGTERM drains, SIGINT drains and, said twice, quits, SIGHUP reloads.

use anyhow::Context;
use model::{MarkKind, ShutdownMode};
use proxy::Proxy;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::marks::Marks;
use super::reloader::Reloader;

/// The signals that are listened to.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Begins to listen.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Acts on signals for ever. Cancel-safe.
    pub(super) async fn act(mut self, proxy: Proxy, reloader: &Reloader, marks: &Marks) {
        let mut interrupted = false;
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {
                    tracing::info!("SIGTERM: waiting for transactions to end");
                    marks.add(MarkKind::Shutdown, "SIGTERM".to_owned());
                    proxy.shut_down(ShutdownMode::WaitForServers);
                }
                _ = self.interrupt.recv() => {
                    if std::mem::replace(&mut interrupted, true) {
                        proxy.shut_down(ShutdownMode::Immediate);
                    } else {
                        tracing::info!("SIGINT: waiting for transactions to end; once more quits");
                        marks.add(MarkKind::Shutdown, "SIGINT".to_owned());
                        proxy.shut_down(ShutdownMode::WaitForServers);
                    }
                }
                _ = self.hang_up.recv() => {
                    // Success and failure are logged there.
                    let _ = reloader.reload();
                }
            }
        }
    }
}
