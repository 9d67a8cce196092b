//! The admin console's view of the running process, and the proxy's door to the console.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use console::{Live, Role, Session, SqlTurns, Stop};
use jiff::Timestamp;
use model::{
    ClientStatus, Command, CommandError, DatabaseStatus, FingerprintId, HostStatus, Mark, MarkKind,
    PeerStatus, PoolStatus, PoolerState, Published, ServerStatus, SettingStatus, ShapeId, Snapshot,
    UserStatus,
};
use proxy::{AdminConsole, AdminRole, BoxFuture, Handover, Proxy};
use sql::ShapeRegistry;

use super::history::Past;
use super::marks::Marks;
use super::reloader::Reloader;

/// Joins proxy, analyser and console. The proxy needs it to be built, and it needs the proxy: it is
/// connected before the listener accepts.
pub(super) struct ConsoleBridge {
    live: Arc<LiveProcess>,
}

struct LiveProcess {
    shapes: Arc<ShapeRegistry>,
    reloader: Arc<Reloader>,
    marks: Arc<Marks>,
    sql_turns: SqlTurns,
    started_at: Timestamp,
    running: OnceLock<(Proxy, Past)>,
}

impl ConsoleBridge {
    pub(super) fn new(
        shapes: Arc<ShapeRegistry>,
        reloader: Arc<Reloader>,
        marks: Arc<Marks>,
        started_at: Timestamp,
    ) -> Self {
        let (sql_turns, running) = (SqlTurns::default(), OnceLock::new());
        let live = LiveProcess { shapes, reloader, marks, sql_turns, started_at, running };
        Self { live: Arc::new(live) }
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

    fn serve(
        &self,
        stream: Handover,
        user: String,
        role: AdminRole,
        cancelled: Arc<AtomicBool>,
    ) -> BoxFuture<'_, ()> {
        let role = match role {
            AdminRole::Admin => Role::Admin,
            AdminRole::Stats => Role::Stats,
        };
        let live: Arc<dyn Live> = Arc::<LiveProcess>::clone(&self.live);
        Box::pin(async move {
            let session = Session { user, role, stop: Stop::from(cancelled) };
            if let Err(error) = console::serve(stream, session, live).await {
                tracing::debug!("admin console connection ended: {error}");
            }
        })
    }
}

impl LiveProcess {
    /// Keeps what a command does to the service.
    fn note(&self, command: &Command) {
        let of = |database: &Option<String>| match database {
            Some(database) => format!("database {database}"),
            None => "all databases".to_owned(),
        };
        let (kind, text) = match command {
            Command::Pause(database) => (MarkKind::Pause, of(database)),
            Command::Suspend => (MarkKind::Pause, "SUSPEND".to_owned()),
            Command::Resume(database) => (MarkKind::Resume, of(database)),
            Command::Kill(database) => (MarkKind::Kill, of(database)),
            Command::KillClient(client) => (MarkKind::Kill, format!("client {client}")),
            // The reloader keeps what it does, whoever asked.
            Command::Reload | Command::Set { .. } | Command::Cancel(_) | Command::WaitClose(_) => {
                return;
            }
            Command::Reconnect(_) | Command::Disable(_) | Command::Enable(_) => {
                (MarkKind::Command, command.to_string())
            }
            Command::Shutdown(_) => (MarkKind::Shutdown, "SHUTDOWN in the console".to_owned()),
            Command::ResetStats => (MarkKind::Note, "statistics were reset".to_owned()),
            Command::Note(text) => (MarkKind::Note, text.clone()),
        };
        self.marks.add(kind, text);
    }

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

    fn hosts(&self) -> Vec<HostStatus> {
        self.proxy().map(Proxy::hosts).unwrap_or_default()
    }

    fn settings(&self) -> Vec<SettingStatus> {
        self.reloader.settings().describe()
    }

    fn users(&self) -> Vec<UserStatus> {
        self.reloader.settings().user_status()
    }

    fn peers(&self) -> Vec<PeerStatus> {
        self.proxy().map(Proxy::peers).unwrap_or_default()
    }

    fn published(&self) -> BoxFuture<'_, Arc<Published>> {
        Box::pin(async {
            match self.running.get() {
                Some((_, past)) => past.published().await,
                None => Arc::new(super::analyser::nothing_yet()),
            }
        })
    }

    fn pooler(&self) -> PoolerState {
        self.proxy().map(Proxy::state).unwrap_or_default()
    }

    fn execute(&self, command: Command) -> BoxFuture<'_, Result<Vec<String>, CommandError>> {
        Box::pin(async move {
            match command.clone() {
                Command::Reload => {
                    return self.reloader.reload().map_err(CommandError::BadConfiguration);
                }
                Command::Set { key, value } => return self.reloader.set(&key, value),
                Command::ResetStats => {
                    if let Some((_, past)) = self.running.get() {
                        past.analyser.reset().await;
                    }
                }
                Command::Note(_) => {}
                command => {
                    if let Some(proxy) = self.proxy() {
                        // PAUSE is in force before it is done, which it may never be.
                        let begins = matches!(command, Command::Pause(_) | Command::Suspend);
                        if begins {
                            self.note(&command);
                        }
                        let done = proxy.execute(command.clone()).await;
                        if done.is_ok() && !begins {
                            self.note(&command);
                        }
                        return done.map(|()| Vec::new());
                    }
                }
            }
            self.note(&command);
            Ok(Vec::new())
        })
    }

    fn marks(&self) -> Vec<Mark> {
        self.marks.all()
    }

    fn past(
        &self,
        from: Timestamp,
        until: Timestamp,
        cuts: Vec<Timestamp>,
    ) -> BoxFuture<'_, Arc<Snapshot>> {
        Box::pin(async move {
            let Some((_, past)) = self.running.get() else { return Arc::default() };
            let live = Arc::clone(&past.analyser.latest().snapshot);
            if from == Timestamp::MIN {
                live
            } else {
                past.snapshot(&live, from, until, &cuts).await
            }
        })
    }

    fn fleet(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> BoxFuture<'_, Result<Arc<Snapshot>, String>> {
        Box::pin(async move {
            match self.running.get() {
                Some((_, past)) => past.of_the_fleet(from, until).await,
                None => Ok(Arc::default()),
            }
        })
    }

    fn state(&self) -> Vec<(&'static str, String)> {
        self.running.get().map(|(_, past)| past.state()).unwrap_or_default()
    }

    fn query_timeout(&self) -> Duration {
        self.reloader.settings().console_query_timeout
    }

    fn sql_turns(&self) -> &SqlTurns {
        &self.sql_turns
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
