//! What the service manager is told (sd_notify(3)), and the sockets that it has opened (systemd.socket(5)).
//! Without one nothing happens here.

use std::io;
use std::os::fd::OwnedFd;

use listenfd::ListenFd;
use proxy::{PassedListeners, PassedSocket};
use sd_notify::NotifyState;

/// The name of the socket on which metrics and health are served (`FileDescriptorName=`); all others
/// are for clients.
const HTTP: &str = "http";

/// Sockets that the service manager has opened.
#[derive(Debug, Default)]
pub(super) struct Activation {
    pub(super) listeners: PassedListeners,
    pub(super) http: Option<OwnedFd>,
}

impl Activation {
    /// Takes them. To be called once, before there are other threads: it changes the environment.
    ///
    /// # Errors
    /// One is no stream socket.
    pub(super) fn take() -> io::Result<Self> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names: Vec<_> = names.split(':').collect();
        let mut given = ListenFd::from_env();
        let mut found = Self::default();
        for index in 0..given.len() {
            let socket = match given.take_tcp_listener(index) {
                Ok(Some(listener)) => OwnedFd::from(listener),
                Ok(None) => continue,
                Err(_) => match given.take_unix_listener(index)? {
                    Some(listener) => OwnedFd::from(listener),
                    None => continue,
                },
            };
            if names.get(index) == Some(&HTTP) {
                found.http = Some(socket);
            } else {
                found.listeners.push(PassedSocket { socket, activated: true });
            }
        }
        Ok(found)
    }
}

/// Clients are served.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Settings are read again; [`ready`] says that it is done.
pub(super) fn reloading() {
    let Ok(now) = NotifyState::monotonic_usec_now() else { return };
    tell(&[NotifyState::Reloading, now]);
}

/// The process begins to end.
pub(super) fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// Another process serves in the place of this one.
pub(super) fn main_process_is(pid: u32) {
    let status = format!("process {pid} has taken over");
    tell(&[NotifyState::MainPid(pid), NotifyState::Status(&status)]);
}

/// Tells it that the event loop turns, as often as it wants to know. To be spawned on the runtime that
/// serves: it is that which must not hang. Ends at once if nobody wants to know.
pub(super) async fn keep_watchdog_calm() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    // As sd_watchdog_enabled(3) recommends.
    let mut tick = tokio::time::interval(limit / 2);
    loop {
        tick.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!("the service manager is not told: {error}");
    }
}
