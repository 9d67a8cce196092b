//! The history of the running process: where it is kept, and what its report is made of when it
//! reaches back beyond the hour in memory or the last restart.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::{Published, Snapshot};
use store::{Bounds, Fleet, HistorySettings, Run};

use super::analyser::Analyser;
use super::local_admin::state_directory;
use tokio_postgres::config::TargetSessionAttrs;

use crate::settings::{LoadedTls, Settings, for_tokio_postgres};

/// The window of a report that is not told otherwise.
const AFTER_RESTART: Duration = Duration::from_secs(15 * 60);
/// What is read of a store where no beginning is given.
const LAST_HOUR: Duration = Duration::from_secs(3600);
/// How long the end of the process waits for the last minute to be written.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Opens the history. None, with a warning, where not even memory can be used: pgweir works without.
pub(super) fn open(
    settings: &Settings,
    tls: &LoadedTls,
    port: u16,
    started_at: Timestamp,
) -> Option<store::History> {
    let kept = &settings.history;
    let name = kept.instance_name.clone();
    let opened = store::History::start(HistorySettings {
        data_dir: state_directory(settings.data_dir.as_deref()),
        run: Run {
            instance: name.unwrap_or_else(|| format!("{}:{}", host_name(), port)),
            started_at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        bounds: Bounds {
            minutes: kept.minutes,
            hours: kept.hours,
            days: kept.days,
            size_bytes: kept.size_bytes,
        },
        flush: kept.flush,
        fleet: fleet(settings, tls),
    });
    match opened {
        Ok(history) => Some(history),
        Err(error) => {
            tracing::warn!("no history is kept: {error}");
            None
        }
    }
}

/// The fleet's store, if one is set.
pub(super) fn fleet(settings: &Settings, tls: &LoadedTls) -> Option<Fleet> {
    let store = settings.history.store.as_ref()?;
    let tls = tls.servers.get(&settings.tls_of(&store.tls)).and_then(for_tokio_postgres);
    match fleet_at(store, tls) {
        Ok(fleet) => Some(fleet),
        Err(error) => {
            tracing::warn!("history is not sent to {store}: {error}");
            None
        }
    }
}

/// The fleet's store at a URL, encrypted so.
pub(crate) fn fleet_at(
    store: &crate::settings::Upstream,
    tls: Option<catalog::Tls>,
) -> Result<Fleet, store::StoreError> {
    let mut login = tokio_postgres::Config::new();
    for (host, port) in store.hosts.iter() {
        login.host(host).port(port);
    }
    if store.hosts.are_several() {
        login.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if let Some(user) = &store.user {
        login.user(user);
    }
    if let Some(password) = &store.password {
        login.password(password.reveal());
    }
    if let Some(database) = store.dbname.as_ref().or(store.user.as_ref()) {
        login.dbname(database);
    }
    let connector = catalog::Connector::new(tls, &mut login);
    Fleet::new(login, connector, store.to_string())
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// The newest tick, and what is kept of all before it.
#[derive(Clone)]
pub(super) struct Past {
    pub(super) analyser: Analyser,
    pub(super) history: Option<store::History>,
    /// The fleet's store, to be read by a connection of its own.
    pub(super) fleet: Option<Arc<Fleet>>,
}

impl Past {
    /// What all instances that share a store have sent of `from..=until`; from the beginning of time
    /// means the last hour. An error says why there is nothing. Cancel-safe.
    pub(super) async fn of_the_fleet(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Arc<Snapshot>, String> {
        let Some(fleet) = &self.fleet else {
            return Err("no store is shared: the setting `store` names one".to_owned());
        };
        let now = Timestamp::now();
        let from = if from == Timestamp::MIN { now - LAST_HOUR } else { from };
        let (from, until) = (from.max(Timestamp::UNIX_EPOCH), until.min(now));
        if from > until {
            return Ok(Arc::default());
        }
        let snapshot = fleet.snapshot(from, until, &[]).await;
        snapshot.map(Arc::new).map_err(|error| error.to_string())
    }

    /// What was measured in the whole minutes that overlap `from..until`, before a restart too, with
    /// an edge at each of `cuts`; no minute counts twice. Its current state is that of `live`, the
    /// snapshot of a fresh tick. Where history cannot be read, with a warning, what `live` has.
    /// Cancel-safe.
    pub(super) async fn snapshot(
        &self,
        live: &Arc<Snapshot>,
        from: Timestamp,
        until: Timestamp,
        cuts: &[Timestamp],
    ) -> Arc<Snapshot> {
        let Some(history) = &self.history else { return Arc::clone(live) };
        match history.snapshot(live, from, until, cuts).await {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::warn!("history cannot be read: {error}; only what is in memory is shown");
                Arc::clone(live)
            }
        }
    }

    /// A fresh tick, whose snapshot also has what was measured before a restart of late: the report's
    /// usual window must not begin with it. Cancel-safe.
    pub(super) async fn published(&self) -> Arc<Published> {
        let published = self.analyser.published().await;
        let live = &published.snapshot;
        let since = live.taken_at - AFTER_RESTART;
        if self.history.is_none() || live.started_at <= since {
            return published;
        }
        let snapshot = self.snapshot(live, since, live.taken_at, &[]).await;
        Arc::new(Published { snapshot, ..Published::clone(&published) })
    }

    /// What SHOW STATE says of the history.
    pub(super) fn state(&self) -> Vec<(&'static str, String)> {
        let Some(history) = &self.history else { return vec![("history", "none".to_owned())] };
        let status = history.status();
        let mut state = vec![
            (
                "history",
                match &status.path {
                    Some(path) => path.display().to_string(),
                    None => "in memory".to_owned(),
                },
            ),
            ("history_bytes", status.used_bytes.to_string()),
            (
                "history_written_up_to",
                status.written_up_to.map_or_else(String::new, |at| at.to_string()),
            ),
        ];
        state.extend(status.failing.map(|why| ("history_failing", why)));
        if status.waiting_for_fleet > 0 || status.dropped_for_fleet > 0 {
            state.push(("history_waiting_for_store", status.waiting_for_fleet.to_string()));
            state.push(("history_dropped_for_store", status.dropped_for_fleet.to_string()));
        }
        state
    }

    /// Writes what was measured up to now, the current minute too. To be called at the end.
    pub(super) async fn close(&self) {
        let Some(history) = self.history.clone() else { return };
        history.offer(&self.analyser.published().await);
        let stopped = tokio::task::spawn_blocking(move || history.stop(LAST_WORDS)).await;
        if !stopped.unwrap_or(false) {
            tracing::warn!("the last minute could not be written to the history in time");
        }
    }
}
