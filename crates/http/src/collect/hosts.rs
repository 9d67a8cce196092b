//! The servers that pools go to.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{HostState, HostStatus};

use crate::exposition::Exposition;
use crate::families as f;

/// Hosts, each once for each database, that are served.
const HOSTS_LIMIT: usize = 1_000;

/// Database, host with its port, and the address that its name leads to.
type Labels = (Arc<str>, Arc<str>, Arc<str>);

pub(super) fn add(to: &mut Exposition, hosts: &[HostStatus], now: jiff::Timestamp) {
    // After a change of settings a database may for a moment have hosts of before, too.
    let mut each: BTreeMap<Labels, &HostStatus> = BTreeMap::new();
    let mut failovers: BTreeMap<&str, u64> = BTreeMap::new();
    for host in hosts {
        let (name, address) = (Arc::from(name(host)), Arc::from(&*host.address));
        for database in &host.databases {
            let labels = (Arc::from(&**database), Arc::clone(&name), Arc::clone(&address));
            if each.len() < HOSTS_LIMIT || each.contains_key(&labels) {
                each.insert(labels, host);
                let count = failovers.entry(database).or_default();
                *count = host.failovers.max(*count);
            }
        }
    }
    for (labels, host) in each {
        one(to, &labels, host, now);
    }
    for (database, count) in failovers {
        to.add(&f::FAILOVERS, [&Arc::from(database)], count);
    }
}

fn name(host: &HostStatus) -> String {
    match host.host.contains(':') {
        true => format!("[{}]:{}", host.host, host.port),
        false => format!("{}:{}", host.host, host.port),
    }
}

fn one(
    to: &mut Exposition,
    (database, name, address): &Labels,
    host: &HostStatus,
    now: jiff::Timestamp,
) {
    let labels = [database, name, address];
    to.add(&f::HOST_UP, labels, host.state != HostState::Down);
    to.add(&f::HOST_CONNECT_FAILURES, labels, host.failures);
    for role in ["primary", "standby"] {
        if let Some(found) = host.role {
            to.add(&f::HOST_ROLE, [database, name, address, &Arc::from(role)], found == role);
        }
    }
    // A primary is not behind.
    if let Some(lag) = host.lag.filter(|_| host.role == Some("standby")) {
        to.add(&f::HOST_LAG, labels, lag);
    }
    if let Some(checked) = host.checked {
        let age = std::time::Duration::try_from(now.duration_since(checked)).unwrap_or_default();
        to.add(&f::HOST_CHECK_AGE, labels, age);
    }
}
