//! The live state, as SHOW prints it.

use std::sync::Arc;

use model::{ClientStatus, DatabaseStatus, HostStatus, PoolStatus, Replication, ServerStatus};

use crate::hosts::Cluster;
use crate::proxy::Shared;
use crate::settings::PoolTarget;
use crate::stream::ServerAddress;

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

    /// The hosts of all pools, each once.
    pub(crate) fn host_status(&self) -> Vec<HostStatus> {
        let mut clusters: Vec<(Arc<Cluster>, Vec<_>)> = Vec::new();
        for pool in self.all_pools() {
            let (cluster, connections) = pool.hosts();
            let known = clusters.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &cluster));
            let of_pool = (pool.key.database.to_string(), connections);
            match known {
                Some((_, pools)) => pools.push(of_pool),
                None => clusters.push((cluster, vec![of_pool])),
            }
        }
        let mut all = Vec::new();
        for (cluster, pools) in clusters {
            let mut databases: Vec<_> = pools.iter().map(|(name, _)| name.clone()).collect();
            databases.sort();
            databases.dedup();
            for (id, mut host) in cluster.status() {
                let own = pools.iter().filter_map(|(_, connections)| connections.get(&id));
                host.connections = own.sum();
                host.databases.clone_from(&databases);
                all.push(host);
            }
        }
        all.sort_by(|a, b| (&a.databases, &a.host, a.port).cmp(&(&b.databases, &b.host, b.port)));
        all
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
                host: hosts(&target),
                port: target.hosts.first().map_or(0, ServerAddress::port),
                load_balance_hosts: (target.hosts.len() > 1).then(|| target.wish.balance.as_str()),
                target_session_attrs: target.wish.attrs.as_str(),
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

/// As PgBouncer shows them: with commas between.
fn hosts(target: &PoolTarget) -> String {
    let hosts: Vec<_> = target.hosts.iter().map(ServerAddress::host).collect();
    hosts.join(",")
}
