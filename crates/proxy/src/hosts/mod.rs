//! Servers: where their names lead, what is known of each, which one a new connection goes to. The
//! shell around `pooling::hosts`, which decides.
//!
//! All pools that go to the same hosts share one [`Cluster`]. One with a single address that any
//! server will do for costs nothing: it has no task, and asks nothing.

mod check;
mod cluster;
mod endpoint;
mod names;
mod question;
mod status;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

pub(crate) use cluster::Cluster;
pub(crate) use endpoint::Endpoint;
pub(crate) use names::{Resolve, by_the_system};

use crate::stream::ServerAddress;

/// How hosts are looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostSettings {
    /// How often it is checked what each of several hosts is; none is never.
    pub check_interval: Option<Duration>,
    /// How long a host may take to answer that.
    pub check_timeout: Duration,
    /// How long the addresses that a name leads to are used; none: for one connection.
    pub dns_max_ttl: Option<Duration>,
}

/// The clusters that pools use.
pub(crate) struct Clusters {
    settings: Arc<RwLock<HostSettings>>,
    resolve: Resolve,
    clusters: Mutex<HashMap<Vec<ServerAddress>, Weak<Cluster>>>,
}

impl Clusters {
    /// `resolve`: how names are looked up.
    pub(crate) fn new(settings: HostSettings, resolve: Resolve) -> Self {
        let settings = Arc::new(RwLock::new(settings));
        Self { settings, resolve, clusters: Mutex::default() }
    }

    pub(crate) fn set(&self, settings: HostSettings) {
        *self.settings.write() = settings;
    }

    /// The cluster of these hosts, made if nobody uses it yet.
    pub(crate) fn of(&self, written: &[ServerAddress]) -> Arc<Cluster> {
        let mut clusters = self.clusters.lock();
        if let Some(cluster) = clusters.get(written).and_then(Weak::upgrade) {
            return cluster;
        }
        clusters.retain(|_, cluster| cluster.strong_count() > 0);
        let (settings, resolve) = (Arc::clone(&self.settings), Arc::clone(&self.resolve));
        let cluster = Cluster::new(written.to_vec(), settings, resolve);
        clusters.insert(written.to_vec(), Arc::downgrade(&cluster));
        cluster
    }
}

impl std::fmt::Debug for Clusters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clusters").field("clusters", &self.clusters).finish_non_exhaustive()
    }
}
