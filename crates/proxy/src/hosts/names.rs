//! Names of hosts, and the addresses that they lead to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::Endpoint;
use crate::admin::BoxFuture;
use crate::stream::ServerAddress;

/// Looks up a name, as the system does.
pub(crate) type Resolve =
    Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The system's way.
pub(crate) fn by_the_system() -> Resolve {
    Arc::new(|host, port| {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    })
}

/// The names among the hosts of a cluster.
pub(super) struct Names {
    resolve: Resolve,
    names: Vec<(usize, ServerAddress)>,
    /// When they were looked up last; none: they are to be looked up before they are used.
    looked_up: Mutex<Option<Instant>>,
    /// One at a time: the others take its answer.
    turn: tokio::sync::Mutex<()>,
    last_error: Mutex<Option<String>>,
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Names {
    /// Those of the hosts that are names.
    pub(super) fn of(written: &[ServerAddress], resolve: Resolve) -> Self {
        let is_name = |(_, address): &(usize, &ServerAddress)| Endpoint::of(address).is_none();
        let names = written.iter().enumerate().filter(is_name);
        Self {
            resolve,
            names: names.map(|(position, address)| (position, address.clone())).collect(),
            looked_up: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            last_error: Mutex::default(),
        }
    }

    pub(super) fn are_there(&self) -> bool {
        !self.names.is_empty()
    }

    /// What was last wrong with one of them.
    pub(super) fn last_error(&self) -> Option<String> {
        self.last_error.lock().clone()
    }

    /// What they led to does not serve: they are looked up again before they are used.
    pub(super) fn doubt(&self) {
        *self.looked_up.lock() = None;
    }

    fn are_due(&self, max_age: Duration) -> bool {
        self.are_there() && self.looked_up.lock().is_none_or(|at| at.elapsed() >= max_age)
    }

    /// Looks them up, if the last answers are older than that; those that cannot be looked up within
    /// `patience` keep what they led to. Calls `learned` with the answers. Cancel-safe.
    pub(super) async fn look_up(
        &self,
        max_age: Duration,
        patience: Duration,
        mut learned: impl FnMut(usize, Vec<Endpoint>),
    ) {
        if !self.are_due(max_age) {
            return;
        }
        let _turn = self.turn.lock().await;
        if !self.are_due(max_age) {
            return;
        }
        let mut questions = JoinSet::new();
        for (position, address) in self.names.clone() {
            let answer = (self.resolve)(address.host(), address.port());
            questions.spawn(async move {
                let answer = tokio::time::timeout(patience, answer).await;
                let answer = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                (position, address, answer)
            });
        }
        let mut error = None;
        while let Some(answered) = questions.join_next().await {
            let Ok((position, address, answer)) = answered else { continue };
            match answer {
                Ok(ips) if !ips.is_empty() => {
                    let mut endpoints: Vec<Endpoint> = Vec::new();
                    for ip in ips {
                        let endpoint = Endpoint::resolved(&address, ip);
                        if !endpoints.contains(&endpoint) {
                            endpoints.push(endpoint);
                        }
                    }
                    learned(position, endpoints);
                }
                Ok(_) => error = Some(format!("{address} leads to no address")),
                Err(why) => error = Some(format!("{address} cannot be looked up: {why}")),
            }
        }
        if let Some(error) = &error {
            tracing::warn!("{error}");
        }
        *self.last_error.lock() = error;
        *self.looked_up.lock() = Some(Instant::now());
    }
}
