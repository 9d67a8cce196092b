//! The health check of hosts, and the names that may lead somewhere else: a task for each cluster
//! that has any of it, and one for each host whose role matters.

use std::collections::HashSet;
use std::sync::Weak;
use std::time::{Duration, Instant};

use model::ServerId;
use pooling::hosts::HostId;

use super::question::{self, Answer};
use super::{Cluster, Endpoint};
use crate::error::ProxyError;
use crate::server::{ServerConnection, Upstream, connect};

/// How often a cluster is looked at whose names do not expire and whose hosts are not checked: the
/// settings may change.
const NOW_AND_THEN: Duration = Duration::from_secs(5);
/// However often somebody asks for it, a host is not checked again before.
const REST: Duration = Duration::from_millis(100);

/// Looks after a cluster until nobody uses it any more.
pub(super) async fn tend(cluster: Weak<Cluster>) {
    let mut watched = HashSet::new();
    while let Some(of) = cluster.upgrade() {
        let settings = of.settings();
        if settings.dns_max_ttl.is_some() {
            of.look_up_names(settings.dns_max_ttl, settings.check_timeout).await;
        }
        if of.has_roles() && settings.check_interval.is_some() {
            let there: HashSet<HostId> = of.hosts.lock().views().map(|host| host.id).collect();
            for host in there.difference(&watched) {
                tokio::spawn(watch(cluster.clone(), *host));
            }
            watched = there;
        } else {
            // Those who watch leave by themselves.
            watched.clear();
        }
        let pause = settings.dns_max_ttl.unwrap_or(NOW_AND_THEN).min(NOW_AND_THEN);
        let news = of.look_around.notified();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = news => {}
        }
    }
}

/// Checks a host until it is none of the cluster's any more, or hosts are not to be checked.
async fn watch(cluster: Weak<Cluster>, host: HostId) {
    let mut connection = None;
    loop {
        let Some(of) = cluster.upgrade() else { break };
        let Some(interval) = of.settings().check_interval else { break };
        let random = rand::random();
        let pause = of.hosts.lock().check_after(host, interval, Instant::now(), random);
        let Some(pause) = pause else { break };
        tokio::time::sleep(pause.min(REST)).await;
        tokio::select! {
            () = tokio::time::sleep(pause.saturating_sub(REST)) => {}
            () = of.check_now.notified() => {}
        }
        check(&of, host, &mut connection).await;
    }
    if let Some(connection) = connection {
        connection.close().await;
    }
}

async fn check(cluster: &Cluster, host: HostId, connection: &mut Option<ServerConnection>) {
    let Some(endpoint) = cluster.hosts.lock().place(host).cloned() else { return };
    // Before anybody has logged in there is nobody to ask as.
    let Some(upstream) = cluster.login() else { return };
    let patience = cluster.settings().check_timeout;
    let asked = tokio::time::timeout(patience, ask(&upstream, &endpoint, connection)).await;
    match asked.unwrap_or(Err(ProxyError::TimedOut("host_check_timeout"))) {
        Ok(answer) => cluster.reached(host, Some(answer.report)),
        Err(error) => {
            *connection = None;
            cluster.failed(host, &endpoint, &error);
        }
    }
}

/// Asks over the connection that is there; over a new one if that has died meanwhile.
async fn ask(
    upstream: &Upstream,
    endpoint: &Endpoint,
    connection: &mut Option<ServerConnection>,
) -> Result<Answer, ProxyError> {
    if let Some(mut open) = connection.take()
        && let Ok(answer) = question::ask(&mut open).await
    {
        *connection = Some(open);
        return Ok(answer);
    }
    let mut fresh = connect(upstream, endpoint, ServerId(0)).await?;
    question::prepare(&mut fresh).await?;
    let answer = question::ask(&mut fresh).await?;
    *connection = Some(fresh);
    Ok(answer)
}
