//! Hosts as SHOW HOSTS prints them.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use model::{HostState, HostStatus};
use pooling::hosts::{HostId, HostView};

use super::{Cluster, Endpoint};

impl Cluster {
    /// Its hosts; databases and connections are for the caller to fill in.
    pub(crate) fn status(&self) -> Vec<(HostId, HostStatus)> {
        let hosts = self.hosts.lock();
        let failovers = hosts.failovers();
        hosts.views().map(|host| (host.id, status(host, failovers))).collect()
    }

    /// A host as it is written; none if it is not there any more.
    pub(crate) fn host_name(&self, id: HostId) -> Option<String> {
        self.hosts.lock().place(id).map(|endpoint| endpoint.address.to_string())
    }
}

fn status(host: HostView<Endpoint>, failovers: u64) -> HostStatus {
    let asked = host.report.and_then(|report| report.asked);
    HostStatus {
        host: host.place.host(),
        port: host.place.address.port(),
        address: host.place.looked_up().map(|ip| ip.to_string()).unwrap_or_default(),
        role: host.report.map(|report| if report.in_recovery { "standby" } else { "primary" }),
        read_only: asked.map(|asked| asked.read_only),
        state: match (host.is_down, host.report) {
            (true, _) => HostState::Down,
            (false, Some(_)) => HostState::Up,
            (false, None) => HostState::Unknown,
        },
        lag: asked.and_then(|asked| asked.lag),
        timeline: asked.and_then(|asked| asked.timeline),
        checked: host.reported.map(time_of),
        last_error: host.last_error,
        failures: host.failures,
        failovers,
        databases: Vec::new(),
        connections: 0,
    }
}

fn time_of(at: Instant) -> Timestamp {
    let ago = SignedDuration::try_from(at.elapsed()).unwrap_or_default();
    let now = Timestamp::now();
    now.checked_sub(ago).unwrap_or(now)
}
