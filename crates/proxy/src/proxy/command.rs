//! What an admin can do to it. Names and meanings are PgBouncer's (its manual, "Process controlling
//! commands").

use std::sync::Arc;

use model::{ClientId, Command, CommandError, PoolerState, Replication};

use super::{Proxy, TICK};
use crate::client;
use crate::pool::Pool;
use crate::settings::ProxySettings;

impl Proxy {
    /// Carries out an admin's command; RELOAD, SET, RESET STATS and NOTE are the caller's, who has
    /// the configuration and the statistics.
    ///
    /// # Errors
    /// See [`CommandError`].
    ///
    /// Cancel-safe: a PAUSE or SUSPEND that is dropped while it waits stays in force.
    pub async fn execute(&self, command: Command) -> Result<(), CommandError> {
        match command {
            Command::Pause(database) => self.pause(database.as_deref()).await,
            Command::Resume(database) => self.resume(database.as_deref()),
            Command::Suspend => self.suspend().await,
            Command::Reconnect(database) => self.reconnect(database.as_deref()),
            Command::WaitClose(database) => self.wait_close(database.as_deref()).await,
            Command::Kill(database) => self.kill(database.as_deref()),
            Command::Disable(database) => {
                self.pools_of(Some(&database), "disable")?;
                self.shared.held.lock().disabled.insert(database);
                Ok(())
            }
            Command::Enable(database) => {
                self.pools_of(Some(&database), "enable")?;
                self.shared.held.lock().disabled.remove(&database);
                Ok(())
            }
            Command::KillClient(id) => {
                let client = self.shared.clients.get(id);
                client.ok_or(CommandError::NoSuchClient(id))?.give_order(client::Order::Kill);
                Ok(())
            }
            Command::Shutdown(mode) => {
                self.shut_down(mode);
                Ok(())
            }
            Command::Cancel(id) => self.cancel_client(id).await,
            Command::Reload | Command::Set { .. } | Command::ResetStats | Command::Note(_) => {
                Ok(())
            }
        }
    }

    /// Whether it is at work, as SHOW STATE says.
    #[must_use]
    pub fn state(&self) -> PoolerState {
        self.shared.held.lock().pooler
    }

    /// What holds clients back would keep it from ending.
    pub(super) fn check_not_draining(&self) -> Result<(), CommandError> {
        match self.is_draining() {
            true => Err(CommandError::WrongState("pooler is shutting down".to_owned())),
            false => Ok(()),
        }
    }

    async fn cancel_client(&self, id: ClientId) -> Result<(), CommandError> {
        let action = self.shared.clients.cancel_by_id(id);
        match action.ok_or(CommandError::NoSuchClient(id))? {
            client::CancelAction::None => Err(CommandError::NothingRuns(id)),
            client::CancelAction::Woken => Ok(()),
            client::CancelAction::Send(request, pool) => {
                // On its own: it must come to its end even if nobody waits for it.
                let delivered = tokio::spawn(async move { pool.deliver(request).await });
                let _ = delivered.await;
                Ok(())
            }
        }
    }

    /// The pools of a database that there is, or of all; `verb` is what is to be done to them.
    fn pools_of(&self, database: Option<&str>, verb: &str) -> Result<Vec<Arc<Pool>>, CommandError> {
        let mut pools = self.shared.all_pools();
        if let Some(name) = database {
            if client::is_console(name) {
                let message = format!("cannot {verb} admin db: {name}");
                return Err(CommandError::WrongState(message));
            }
            pools.retain(|pool| *pool.key.database == *name);
            if pools.is_empty() && (self.shared.settings().find_pool)(name, "").is_none() {
                return Err(CommandError::NoSuchDatabase(name.to_owned()));
            }
        }
        Ok(pools)
    }

    /// Pauses the pools of a database, or of all, if it `may` be done.
    fn hold_back(
        &self,
        database: Option<&str>,
        verb: &str,
        may: impl FnOnce() -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        self.pools_of(database, verb)?;
        {
            let mut held = self.shared.held.lock();
            // Under the lock: no end of `HoldsNothing` comes in between.
            may()?;
            held.pause(database)?;
        }
        // Asked for now, not before: a pool made in between has not heard of it.
        for pool in self.pools_of(database, verb)? {
            pool.pause();
        }
        Ok(())
    }

    async fn pause(&self, database: Option<&str>) -> Result<(), CommandError> {
        self.hold_back(database, "pause", || self.check_not_draining())?;
        // Done when the server has none of our connections any more, so that it can be restarted.
        let mut tick = tokio::time::interval(TICK);
        // Who replicates is never between transactions: he goes on, and only newcomers wait.
        let is_open = |pool: &Arc<Pool>| pool.replication == Replication::None && pool.total() > 0;
        while self.pools_of(database, "pause")?.iter().any(is_open) {
            tick.tick().await;
            let held = self.shared.held.lock();
            if !database.map_or(held.pooler == PoolerState::Paused, |name| held.is_paused(name)) {
                let message = "resumed before all server connections were closed";
                return Err(CommandError::WrongState(message.to_owned()));
            }
        }
        Ok(())
    }

    fn kill(&self, database: Option<&str>) -> Result<(), CommandError> {
        // What is killed does not keep the process from ending.
        self.hold_back(database, "kill", || Ok(()))?;
        self.shared.clients.kill_all(database);
        Ok(())
    }

    fn resume(&self, database: Option<&str>) -> Result<(), CommandError> {
        match database {
            None => {
                self.check_not_draining()?;
                if self.shared.let_go() {
                    return Ok(());
                }
            }
            // It is never paused.
            Some(name) if client::is_console(name) => {}
            Some(_) => drop(self.pools_of(database, "resume")?),
        }
        self.shared.held.lock().resume(database)?;
        for pool in self.shared.all_pools() {
            if pool.is_paused() && !self.shared.is_paused(&pool.key.database) {
                pool.resume();
            }
        }
        Ok(())
    }

    fn reconnect(&self, database: Option<&str>) -> Result<(), CommandError> {
        for pool in self.pools_of(database, "reconnect")? {
            pool.reconnect();
        }
        Ok(())
    }

    async fn wait_close(&self, database: Option<&str>) -> Result<(), CommandError> {
        if let Some(name) = database.filter(|name| client::is_console(name)) {
            return Err(CommandError::WrongState(format!("cannot wait in admin db: {name}")));
        }
        let mut tick = tokio::time::interval(TICK);
        while self.pools_of(database, "wait for")?.iter().any(|pool| pool.has_obsolete()) {
            tick.tick().await;
        }
        Ok(())
    }

    /// New settings, for clients that log in from now on and for all pools.
    pub fn reconfigure(&self, settings: ProxySettings) {
        let settings = Arc::new(settings);
        self.shared.auth.prepare(&settings.login);
        self.shared.clusters.set(settings.hosts);
        self.shared.peers.reconfigure(&settings.peers);
        *self.shared.settings.write() = Arc::clone(&settings);
        self.shared.clients.reprioritise(&settings.priorities);
        // Replication connections stay as they are.
        let pools = self.shared.all_pools();
        for pool in pools.iter().filter(|pool| pool.replication == Replication::None) {
            // A database that is gone keeps its pool until its clients have left.
            let target = (settings.find_pool)(&pool.key.database, &pool.key.user);
            if let Some(target) = target {
                pool.set_timeouts(target.timeouts);
                pool.keep_warm(settings.warm.contains(&pool.key));
                let clusters = &self.shared.clusters;
                pool.reconfigure(settings.pool_setup(&pool.key, target, clusters));
            }
        }
    }
}
