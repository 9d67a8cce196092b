//! What an admin can do to it.

use std::sync::Arc;

use model::{Command, CommandError};

use super::{Proxy, TICK};
use crate::client;
use crate::pool::Pool;
use crate::settings::ProxySettings;

impl Proxy {
    /// Carries out an admin's command; RELOAD, RESET STATS and NOTE are the caller's, who has the
    /// configuration and the statistics.
    ///
    /// # Errors
    /// See [`CommandError`].
    ///
    /// Cancel-safe: a PAUSE that is dropped while it waits stays in force.
    pub async fn execute(&self, command: Command) -> Result<(), CommandError> {
        match command {
            Command::Pause(database) => self.pause(database).await,
            Command::Resume(database) => self.resume(database),
            Command::KillClient(id) => {
                let client = self.shared.clients.get(id);
                client.ok_or(CommandError::NoSuchClient(id))?.give_order(client::Order::Kill);
                Ok(())
            }
            Command::Shutdown(mode) => {
                self.shut_down(mode);
                Ok(())
            }
            Command::Cancel(id) => {
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
            Command::Reload | Command::ResetStats | Command::Note(_) => Ok(()),
        }
    }

    fn pools_of(&self, database: Option<&str>) -> Result<Vec<Arc<Pool>>, CommandError> {
        let mut pools = self.shared.all_pools();
        if let Some(name) = database {
            pools.retain(|pool| *pool.key.database == *name);
            if pools.is_empty() && (self.shared.settings().find_pool)(name, "").is_none() {
                return Err(CommandError::NoSuchDatabase(name.to_owned()));
            }
        }
        Ok(pools)
    }

    async fn pause(&self, database: Option<String>) -> Result<(), CommandError> {
        self.pools_of(database.as_deref())?;
        {
            let mut paused = self.shared.paused.lock();
            let fresh = match &database {
                Some(name) => !paused.all && paused.databases.insert(name.clone()),
                None => !std::mem::replace(&mut paused.all, true),
            };
            if !fresh {
                return Err(CommandError::WrongState("already suspended/paused".to_owned()));
            }
        }
        // Asked for now, not before: a pool made in between has not heard of it.
        let pools = self.pools_of(database.as_deref())?;
        for pool in &pools {
            pool.pause();
        }
        // Done when no transaction runs; the idle connections are closed then, as PgBouncer does, so
        // that the server can be restarted.
        let mut tick = tokio::time::interval(TICK);
        while pools.iter().any(|pool| pool.is_paused() && pool.out() > 0) {
            tick.tick().await;
        }
        for pool in &pools {
            if pool.is_paused() {
                pool.close_idle();
            }
        }
        Ok(())
    }

    fn resume(&self, database: Option<String>) -> Result<(), CommandError> {
        self.pools_of(database.as_deref())?;
        {
            let mut paused = self.shared.paused.lock();
            let was = match &database {
                Some(name) => !paused.all && paused.databases.remove(name),
                None => {
                    let some = !paused.databases.is_empty();
                    paused.databases.clear();
                    std::mem::replace(&mut paused.all, false) || some
                }
            };
            if !was {
                return Err(CommandError::WrongState("not paused".to_owned()));
            }
        }
        for pool in self.pools_of(database.as_deref())? {
            pool.resume();
        }
        Ok(())
    }

    /// New settings, for clients that log in from now on and for all pools.
    pub fn reconfigure(&self, settings: ProxySettings) {
        let settings = Arc::new(settings);
        self.shared.auth.prepare(&settings.login);
        self.shared.clusters.set(settings.hosts);
        *self.shared.settings.write() = Arc::clone(&settings);
        for pool in self.shared.all_pools() {
            // A database that is gone keeps its pool until its clients have left.
            let target = (settings.find_pool)(&pool.key.database, &pool.key.user);
            if let Some(target) = target {
                pool.set_timeouts(target.timeouts);
                pool.keep_warm(settings.warm.contains(&pool.key));
                let clusters = &self.shared.clusters;
                pool.reconfigure(settings.pool_setup(&pool.key.database, target, clusters));
            }
        }
    }
}
