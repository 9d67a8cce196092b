//! Whether pgweir lives, and whether clients may be sent to it.

use jiff::Timestamp;
use model::PoolStatus;
use serde_json::{Value, json};

/// Whether clients may be sent here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// They may.
    Ready,
    /// It has been told to end, and takes no new clients.
    Draining,
    /// Every server that was tried refused the last attempt, and no connection is left.
    NoServer,
}

impl Readiness {
    /// What the pools say: one that has a server connection, or whose last attempt did not fail, can
    /// be used; so can what was not tried yet.
    #[must_use]
    pub(crate) fn of(draining: bool, pools: &[PoolStatus]) -> Self {
        let usable = |pool: &PoolStatus| {
            let servers = pool.servers_active + pool.servers_idle + pool.servers_tested;
            servers > 0 || pool.last_failure.is_none()
        };
        if draining {
            Self::Draining
        } else if pools.is_empty() || pools.iter().any(usable) {
            Self::Ready
        } else {
            Self::NoServer
        }
    }

    pub(crate) fn body(self) -> Value {
        match self {
            Self::Ready => json!({ "status": "ready" }),
            Self::Draining => json!({ "status": "not ready", "reason": "draining" }),
            Self::NoServer => {
                json!({ "status": "not ready", "reason": "no server can be reached" })
            }
        }
    }
}

/// The answer of `/health`: pgweir is alive, whatever its servers are.
pub(crate) fn alive(version: &str, started_at: Timestamp, now: Timestamp) -> Value {
    let uptime_s = now.duration_since(started_at).as_secs().max(0);
    json!({ "status": "alive", "version": version, "uptime_seconds": uptime_s })
}
