//! What becomes of a pool's connections when its hosts change.

use std::sync::Arc;
use std::time::Instant;

use super::{Inner, Pool};
use crate::server::ServerConnection;

impl Inner {
    /// Whether a connection goes to a host that it should not go to any more.
    pub(super) fn is_unwelcome(&self, server: &ServerConnection) -> bool {
        if self.unwelcome.contains(&server.host) {
            return true;
        }
        if !self.upstream.wish.depends_on_role() {
            return false;
        }
        let is_to_write = self.upstream.wish.attrs.is_to_write();
        let is_standby = server.session.parameters.reported_value("in_hot_standby") == Some("on");
        let in_doubt = is_to_write && (is_standby || server.session.has_refused_a_write());
        if in_doubt {
            self.cluster.suspect();
        }
        in_doubt
    }
}

impl Pool {
    /// Hosts have changed since it was last looked: closes idle connections that go to where they
    /// should not any more, and tries again at once where no host would do.
    pub(super) fn look_at_hosts(self: &Arc<Self>, inner: &mut Inner, now: Instant) {
        let version = inner.cluster.version();
        if inner.cluster_version == Some(version) {
            return;
        }
        inner.cluster_version = Some(version);
        let idle = inner.idle.values().map(|server| server.host);
        let used = idle.chain(inner.out.values().map(super::status::Out::host)).collect();
        inner.unwelcome = inner.cluster.unwelcome(&inner.upstream.wish, used, now);
        let close: Vec<_> = inner
            .idle
            .iter()
            .filter(|(_, server)| inner.unwelcome.contains(&server.host))
            .map(|(id, _)| *id)
            .collect();
        for id in close {
            if inner.scheduler.idle_died(id)
                && let Some(server) = inner.idle.remove(&id)
            {
                self.close_in_background(server);
            }
        }
        inner.scheduler.try_again(now);
    }
}
