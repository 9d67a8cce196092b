//! Which client of ours holds which session of the server.

use std::collections::HashMap;

use model::{ClientId, HorizonHolder, LockQueue, ShapeId};
use proxy::Proxy;

/// The clients that hold server connections, by the server's port and process.
pub(super) struct Names {
    holders: HashMap<(u16, i32), Holder>,
}

struct Holder {
    client: ClientId,
    application: String,
    shape: ShapeId,
}

impl Names {
    /// As it is now.
    pub(super) fn of(proxy: &Proxy) -> Self {
        let clients: HashMap<ClientId, _> =
            proxy.clients().into_iter().map(|client| (client.id, client)).collect();
        let servers = proxy.servers();
        let holders = servers.iter().filter_map(|server| {
            let client = clients.get(&server.client?)?;
            let holder = Holder {
                client: client.id,
                application: client.application.to_string(),
                shape: client.statement,
            };
            Some(((server.address.port(), server.remote_pid), holder))
        });
        Self { holders: holders.collect() }
    }

    /// Names the sessions of a queue on the server with this port.
    pub(super) fn name_sessions(&self, port: u16, queue: &mut LockQueue) {
        for session in &mut queue.sessions {
            if let Some(holder) = self.holders.get(&(port, session.pid)) {
                session.client = Some(holder.client);
                session.shape = Some(holder.shape);
                session.application.clone_from(&holder.application);
            }
        }
    }

    /// Names those who hold VACUUM back.
    pub(super) fn name_horizon(&self, port: u16, horizon: &mut [HorizonHolder]) {
        for one in horizon.iter_mut().filter(|one| one.pid > 0) {
            if let Some(holder) = self.holders.get(&(port, one.pid)) {
                one.client = Some(holder.client);
                one.name.clone_from(&holder.application);
            }
        }
    }
}
