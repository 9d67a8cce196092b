//! The live state, as SHOW prints it.

use model::{ClientStatus, DatabaseStatus, PoolStatus, Replication, ServerStatus};

use crate::proxy::Shared;

impl Shared {
    pub(crate) fn pool_status(&self) -> Vec<PoolStatus> {
        let mut pools = self.all_pools();
        pools.retain(|pool| pool.replication == Replication::None);
        let mut status: Vec<_> = pools.iter().map(|pool| pool.status()).collect();
        status.sort_by(|a, b| a.key.cmp(&b.key));
        status
    }

    pub(crate) fn server_status(&self) -> Vec<ServerStatus> {
        let mut status: Vec<_> =
            self.all_pools().iter().flat_map(|pool| pool.server_status()).collect();
        status.sort_by_key(|server| server.id);
        status
    }

    pub(crate) fn client_status(&self) -> Vec<ClientStatus> {
        self.clients.status()
    }

    /// Databases as configured, and those met through the fallback.
    pub(crate) fn database_status(&self) -> Vec<DatabaseStatus> {
        let settings = self.settings();
        // Replication connections count too.
        let pools: Vec<_> = self.all_pools().iter().map(|pool| pool.status()).collect();
        let mut names: Vec<String> = settings.databases.clone();
        names.extend(pools.iter().map(|pool| pool.key.database.to_string()));
        names.extend(self.held_databases());
        names.sort();
        names.dedup();
        let status = |name: String| {
            let target = (settings.find_pool)(&name, "")?;
            let own: Vec<_> = pools.iter().filter(|pool| *pool.key.database == *name).collect();
            Some(DatabaseStatus {
                host: target.address.host(),
                port: target.address.port(),
                database: target.database,
                force_user: Some(target.user).filter(|user| !user.is_empty()),
                pool_size: target.size,
                min_pool_size: target.min_size,
                reserve_pool_size: target.reserve_size,
                max_connections: target.maxima.db_connections,
                max_client_connections: target.maxima.db_client_connections,
                mode: target.mode,
                server_lifetime: target.server_lifetime,
                servers: own
                    .iter()
                    .map(|pool| {
                        pool.servers_active
                            + pool.servers_idle
                            + pool.servers_tested
                            + pool.servers_login
                    })
                    .sum(),
                clients: own.iter().map(|pool| pool.clients_active + pool.clients_waiting).sum(),
                paused: self.is_paused(&name),
                disabled: self.is_disabled(&name),
                name,
            })
        };
        names.into_iter().filter_map(status).collect()
    }
}
