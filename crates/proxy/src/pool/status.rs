//! Pools and server connections as SHOW prints them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use jiff::Timestamp;
use model::{Address, ClientId, PoolStatus, ServerId, ServerState, ServerStatus};
use pooling::hosts::{HostId, Wish};

use super::{Inner, Pool};
use crate::hosts::Cluster;
use crate::server::ServerConnection;

/// What SHOW SERVERS says of a connection that is out.
#[derive(Clone, Debug)]
pub(super) struct Out {
    client: Option<ClientId>,
    host: HostId,
    /// Where it leads, as the pool counts.
    place: u32,
    since: Instant,
    address: Address,
    local_address: Address,
    tls: &'static str,
    opened_at: Timestamp,
    process_id: i32,
    prepared: usize,
}

impl Out {
    pub(super) fn of(server: &ServerConnection, client: Option<ClientId>, since: Instant) -> Self {
        Self {
            client,
            host: server.host,
            place: server.place,
            since,
            address: server.address,
            local_address: server.local_address,
            tls: server.stream.tls_description(),
            opened_at: server.opened_at,
            process_id: server.cancel.process_id,
            prepared: server.session.statements.len(),
        }
    }

    pub(super) fn client(&self) -> Option<ClientId> {
        self.client
    }

    pub(super) fn host(&self) -> HostId {
        self.host
    }

    /// Whether it will be closed when it is given back.
    pub(super) fn is_obsolete(&self, inner: &Inner) -> bool {
        self.place != inner.place || inner.unwelcome.contains(&self.host)
    }

    fn status(&self, id: ServerId, pool: &Pool, inner: &Inner, state: ServerState) -> ServerStatus {
        let ago = jiff::SignedDuration::try_from(self.since.elapsed()).unwrap_or_default();
        ServerStatus {
            id,
            pool: pool.key.clone(),
            replication: pool.replication,
            state,
            address: self.address,
            local_address: self.local_address,
            tls: self.tls,
            connected: self.opened_at,
            requested: Timestamp::now().checked_sub(ago).unwrap_or(self.opened_at),
            client: self.client,
            remote_pid: self.process_id,
            prepared_statements: u32::try_from(self.prepared).unwrap_or(u32::MAX),
            close_needed: self.is_obsolete(inner),
            host: inner.cluster.host_name(self.host).unwrap_or_default(),
        }
    }
}

/// As PgBouncer shows it: only where there are several hosts.
fn load_balance(wish: &Wish, cluster: &Cluster) -> Option<&'static str> {
    (cluster.written().len() > 1).then(|| wish.balance.as_str())
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Pool {
    /// The hosts that it goes to, and how many of its connections go to each.
    pub(crate) fn hosts(&self) -> (Arc<Cluster>, HashMap<HostId, u32>) {
        let inner = self.inner.lock();
        let mut connections = HashMap::new();
        let idle = inner.idle.values().map(|server| server.host);
        for host in inner.out.values().map(Out::host).chain(idle) {
            *connections.entry(host).or_default() += 1;
        }
        (Arc::clone(&inner.cluster), connections)
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let now = Instant::now();
        let inner = self.inner.lock();
        let scheduler = &inner.scheduler;
        let held = count(inner.out.values().filter(|out| out.client.is_some()).count());
        let clients = self.clients.load(Ordering::Relaxed);
        let waiting = count(scheduler.waiting());
        PoolStatus {
            key: self.key.clone(),
            mode: inner.mode,
            clients_active: clients.saturating_sub(waiting),
            clients_waiting: waiting,
            clients_pinned: self.counters.pinned.load(Ordering::Relaxed),
            cancels_active: self.cancels.load(Ordering::Relaxed),
            servers_active: held,
            servers_idle: count(inner.idle.len()),
            servers_tested: scheduler.out().saturating_sub(held),
            servers_login: scheduler.connecting(),
            size: scheduler.limits().size,
            longest_wait: scheduler.longest_wait(now),
            wait_p95: inner.waits.p95(),
            transactions: self.counters.transactions.load(Ordering::Relaxed),
            pinned_transactions: self.counters.pinned_transactions.load(Ordering::Relaxed),
            load_balance_hosts: load_balance(&inner.upstream.wish, &inner.cluster),
            rejected: inner.rejected,
            paused: scheduler.is_paused(),
            last_failure: inner.last_failure.as_ref().map(|failure| failure.message.clone()),
        }
    }

    pub(crate) fn server_status(&self) -> Vec<ServerStatus> {
        let inner = self.inner.lock();
        let out = inner.out.iter().map(|(id, out)| {
            let state =
                if out.client.is_some() { ServerState::Active } else { ServerState::Tested };
            out.status(*id, self, &inner, state)
        });
        let now = Instant::now();
        let idle = inner.idle.values().map(|server| {
            Out::of(server, None, now).status(server.id, self, &inner, ServerState::Idle)
        });
        out.chain(idle).collect()
    }
}
