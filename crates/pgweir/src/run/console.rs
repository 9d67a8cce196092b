//! The admin console's view of the running process, and the proxy's door to the console.

use std::sync::{Arc, OnceLock};

use console::{Live, Role, Session};
use jiff::Timestamp;
use model::{
    ClientStatus, Command, CommandError, DatabaseStatus, FingerprintId, PoolStatus, Published,
    ServerStatus, SettingStatus, ShapeId, UserStatus,
};
use proxy::{AdminConsole, AdminRole, BoxFuture, Handover, Proxy};
use sql::ShapeRegistry;

use super::history::Past;
use super::reloader::Reloader;

/// Joins proxy, analyser and console. The proxy needs it to be built, and it needs the proxy: it is
/// connected before the listener accepts.
pub(super) struct ConsoleBridge {
    live: Arc<LiveProcess>,
}

struct LiveProcess {
    shapes: Arc<ShapeRegistry>,
    reloader: Arc<Reloader>,
    started_at: Timestamp,
    running: OnceLock<(Proxy, Past)>,
}

impl ConsoleBridge {
    pub(super) fn new(
        shapes: Arc<ShapeRegistry>,
        reloader: Arc<Reloader>,
        started_at: Timestamp,
    ) -> Self {
        let running = OnceLock::new();
        Self { live: Arc::new(LiveProcess { shapes, reloader, started_at, running }) }
    }

    pub(super) fn connect(&self, proxy: Proxy, past: Past) {
        // Called once.
        let _ = self.live.running.set((proxy, past));
    }
}

impl AdminConsole for ConsoleBridge {
    fn parameter_status(&self) -> Vec<(String, String)> {
        let status = console::parameter_status(self.live.version());
        status.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn serve(&self, stream: Handover, user: String, role: AdminRole) -> BoxFuture<'_, ()> {
        let role = match role {
            AdminRole::Admin => Role::Admin,
            AdminRole::Stats => Role::Stats,
        };
        let live: Arc<dyn Live> = Arc::<LiveProcess>::clone(&self.live);
        Box::pin(async move {
            let session = Session { user, role };
            if let Err(error) = console::serve(stream, session, live).await {
                tracing::debug!("admin console connection ended: {error}");
            }
        })
    }
}

impl LiveProcess {
    fn proxy(&self) -> Option<&Proxy> {
        self.running.get().map(|(proxy, _)| proxy)
    }
}

impl Live for LiveProcess {
    fn pools(&self) -> Vec<PoolStatus> {
        self.proxy().map(Proxy::pools).unwrap_or_default()
    }

    fn clients(&self) -> Vec<ClientStatus> {
        self.proxy().map(Proxy::clients).unwrap_or_default()
    }

    fn servers(&self) -> Vec<ServerStatus> {
        self.proxy().map(Proxy::servers).unwrap_or_default()
    }

    fn databases(&self) -> Vec<DatabaseStatus> {
        self.proxy().map(Proxy::databases).unwrap_or_default()
    }

    fn settings(&self) -> Vec<SettingStatus> {
        self.reloader.settings().describe()
    }

    fn users(&self) -> Vec<UserStatus> {
        let settings = self.reloader.settings();
        settings.users.iter().map(|(name, user)| user.status(name)).collect()
    }

    fn published(&self) -> BoxFuture<'_, Arc<Published>> {
        Box::pin(async {
            match self.running.get() {
                Some((_, past)) => past.published().await,
                None => Arc::new(super::analyser::nothing_yet()),
            }
        })
    }

    fn execute(&self, command: Command) -> BoxFuture<'_, Result<(), CommandError>> {
        Box::pin(async move {
            if command == Command::Reload {
                return self.reloader.reload().map_err(CommandError::BadConfiguration);
            }
            match self.proxy() {
                Some(proxy) => proxy.execute(command).await,
                None => Ok(()),
            }
        })
    }

    fn fingerprint(&self, shape: ShapeId) -> Option<FingerprintId> {
        self.shapes.get(shape).map(|shape| shape.fingerprint())
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn started_at(&self) -> Timestamp {
        self.started_at
    }
}
