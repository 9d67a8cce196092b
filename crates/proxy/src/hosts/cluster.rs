//! The servers that some pools go to, and connecting to one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::ServerId;
use parking_lot::{Mutex, RwLock};
use pooling::hosts::{Attempt, Candidate, HostId, Hosts, Report, TargetSessionAttrs, Wish};
use tokio::sync::{Notify, watch};

use super::names::{Names, Resolve};
use super::question::{self, Answer};
use super::{Endpoint, HostSettings, check};
use crate::error::ProxyError;
use crate::server::{ServerConnection, Upstream, connect};
use crate::stream::ServerAddress;

/// The servers that some pools go to.
#[derive(Debug)]
pub(crate) struct Cluster {
    written: Vec<ServerAddress>,
    settings: Arc<RwLock<HostSettings>>,
    pub(super) hosts: Mutex<Hosts<Endpoint>>,
    /// That of `hosts`: who has seen it has nothing to do, and takes no lock.
    version: AtomicU64,
    /// Tells of each change of it.
    changed: watch::Sender<()>,
    names: Names,
    /// As whom a connection was opened last: so the hosts are checked.
    login: Mutex<Option<Upstream>>,
    /// Whether it must be known what each host is.
    has_roles: AtomicBool,
    is_tended: AtomicBool,
    /// Hosts are to be checked now.
    pub(super) check_now: Notify,
    /// There may be places that nobody looks after yet.
    pub(super) look_around: Notify,
}

impl Cluster {
    pub(super) fn new(
        written: Vec<ServerAddress>,
        settings: Arc<RwLock<HostSettings>>,
        resolve: Resolve,
    ) -> Arc<Self> {
        let mut hosts = Hosts::default();
        for (position, address) in written.iter().enumerate() {
            hosts.set_places(position, Endpoint::of(address).into_iter().collect());
        }
        Arc::new(Self {
            names: Names::of(&written, resolve),
            version: AtomicU64::new(hosts.version()),
            changed: watch::Sender::new(()),
            has_roles: AtomicBool::new(written.len() > 1),
            written,
            settings,
            hosts: Mutex::new(hosts),
            login: Mutex::default(),
            is_tended: AtomicBool::new(false),
            check_now: Notify::new(),
            look_around: Notify::new(),
        })
    }

    pub(crate) fn written(&self) -> &[ServerAddress] {
        &self.written
    }

    pub(super) fn settings(&self) -> HostSettings {
        *self.settings.read()
    }

    /// Changes with whatever may make another choice of it.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Changes what is known of the hosts.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Hosts<Endpoint>) -> T) -> T {
        let mut hosts = self.hosts.lock();
        let result = change(&mut hosts);
        let version = hosts.version();
        drop(hosts);
        if self.version.fetch_max(version, Ordering::AcqRel) < version {
            self.changed.send_replace(());
        }
        result
    }

    /// The hosts, these among them, whose connections are not to be used any more by pools with this
    /// wish.
    pub(crate) fn unwelcome(
        &self,
        wish: &Wish,
        mut used: Vec<HostId>,
        now: Instant,
    ) -> Vec<HostId> {
        let hosts = self.hosts.lock();
        used.extend(hosts.views().map(|host| host.id));
        used.sort_unstable();
        used.dedup();
        used.retain(|host| !hosts.is_welcome(*host, wish, now));
        used
    }

    /// Whether there ever was a host that is what is wished for.
    pub(crate) fn was_there(&self, wish: &Wish) -> bool {
        self.hosts.lock().was_there(wish)
    }

    /// There is reason to believe that a host is not what it was.
    pub(crate) fn suspect(&self) {
        self.check_now.notify_waiters();
    }

    pub(super) fn has_roles(&self) -> bool {
        self.has_roles.load(Ordering::Relaxed)
    }

    pub(super) fn login(&self) -> Option<Upstream> {
        self.login.lock().clone()
    }

    /// Opens a connection to a host that is as the upstream wishes. Cancel-safe: dropping the future
    /// closes it.
    ///
    /// # Errors
    /// That of the only host there is; [`ProxyError::NoHost`] where there are several.
    pub(crate) async fn connect(
        self: &Arc<Self>,
        upstream: &Upstream,
        id: ServerId,
    ) -> Result<ServerConnection, ProxyError> {
        self.be_tended(&upstream.wish);
        self.look_up_names(self.settings().dns_max_ttl, upstream.timeout).await;
        let (mut attempt, mut failures) = (Attempt::default(), Vec::new());
        loop {
            let next = self.change(|hosts| {
                let candidate =
                    hosts.next(&upstream.wish, &mut attempt, Instant::now(), rand::random())?;
                Some((candidate, hosts.place(candidate.id)?.clone()))
            });
            let Some((candidate, endpoint)) = next else {
                return Err(self.nowhere(upstream, failures));
            };
            match self.try_host(upstream, candidate.id, &endpoint, id).await {
                Ok((mut server, answer)) => {
                    if self.accepts(upstream, candidate, answer, &mut attempt, &mut failures) {
                        server.host = candidate.id;
                        return Ok(server);
                    }
                    tokio::spawn(server.close());
                }
                Err(error) => {
                    self.failed(candidate.id, &endpoint, &error);
                    self.hosts.lock().give_up_on(candidate, &mut attempt);
                    failures.push(error);
                }
            }
        }
    }

    /// Opens a connection to this host, and finds out what it is, as far as that matters.
    async fn try_host(
        &self,
        upstream: &Upstream,
        host: HostId,
        endpoint: &Endpoint,
        id: ServerId,
    ) -> Result<(ServerConnection, Option<Answer>), ProxyError> {
        let mut changes = self.changed.subscribe();
        let opening = async {
            let mut server = connect(upstream, endpoint, id).await?;
            let mut answer = question::told_at_login(&server);
            if upstream.wish.depends_on_role() {
                let now = Instant::now();
                if answer.is_none() || self.hosts.lock().must_ask(host, &upstream.wish, now) {
                    let asking = tokio::time::timeout(upstream.timeout, question::ask(&mut server));
                    let timed_out = ProxyError::TimedOut("server_connect_timeout");
                    answer = Some(asking.await.unwrap_or(Err(timed_out))?);
                }
            }
            Ok((server, answer))
        };
        // Whoever checks the hosts may know sooner that this one does not answer.
        let given_up = async {
            let was_down = self.hosts.lock().is_down(host);
            while changes.changed().await.is_ok() {
                if !was_down && self.hosts.lock().is_down(host) {
                    return;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            opened = opening => opened,
            () = given_up => Err(ProxyError::TimedOut("the host is down")),
        }
    }

    fn accepts(
        &self,
        upstream: &Upstream,
        candidate: Candidate,
        answer: Option<Answer>,
        attempt: &mut Attempt,
        failures: &mut Vec<ProxyError>,
    ) -> bool {
        self.reached(candidate.id, answer.map(|answer| answer.report));
        let is_read_only =
            answer.is_some_and(|answer| answer.session_read_only && !answer.report.in_recovery);
        if upstream.wish.attrs == TargetSessionAttrs::ReadWrite && is_read_only {
            let message = format!(
                "sessions of user {} are read-only there (default_transaction_read_only)",
                upstream.user
            );
            let mut hosts = self.hosts.lock();
            hosts.refused(candidate.id, message);
            hosts.give_up_on(candidate, attempt);
            return false;
        }
        let fits = self.hosts.lock().accept(&upstream.wish, candidate, attempt, Instant::now());
        if fits {
            failures.clear();
            let mut login = self.login.lock();
            // It has shown that it may log in.
            *login = Some(upstream.clone());
        }
        fits
    }

    /// What whoever wanted a connection is told.
    fn nowhere(&self, upstream: &Upstream, mut failures: Vec<ProxyError>) -> ProxyError {
        self.names.doubt();
        self.check_now.notify_waiters();
        let hosts = self.hosts.lock();
        let only = hosts.len() == 1 && failures.len() == 1;
        // The servers have answered, and the answer is no.
        let all_say_no = !failures.is_empty() && failures.iter().all(ProxyError::is_permanent);
        if only || all_say_no {
            return failures.swap_remove(0);
        }
        let attrs = upstream.wish.attrs;
        let said = match (hosts.is_empty(), self.names.last_error()) {
            (true, Some(error)) => error,
            _ => hosts.explain(&upstream.wish, Instant::now()),
        };
        let message = match attrs {
            TargetSessionAttrs::Any => format!("no server can be reached: {said}"),
            _ => format!("no server is {attrs} (target_session_attrs): {said}"),
        };
        ProxyError::NoHost(message)
    }

    /// A host was reached.
    pub(super) fn reached(&self, id: HostId, report: Option<Report>) {
        let (news, endpoint, several) = self.change(|hosts| {
            let news = hosts.reached(id, report, Instant::now());
            (news, hosts.place(id).cloned(), hosts.len() > 1)
        });
        let Some(endpoint) = endpoint.filter(|_| several) else { return };
        if news.came_back || news.other_role {
            let role = report.map(|report| if report.in_recovery { "standby" } else { "primary" });
            tracing::info!(server = %endpoint, role, "server is up");
        }
    }

    /// A host could not be reached, or would not have us.
    pub(super) fn failed(&self, id: HostId, endpoint: &Endpoint, error: &ProxyError) {
        if !error.is_of_a_host_that_is_down() {
            self.hosts.lock().refused(id, error.to_string());
            return;
        }
        self.names.doubt();
        let (is_new, several) = self.change(|hosts| {
            let random = rand::random();
            let is_new = hosts.failed(id, error.to_string(), Instant::now(), random);
            (is_new, hosts.len() > 1)
        });
        if is_new && several {
            tracing::warn!(server = %endpoint, "server is down: {error}");
        }
    }

    /// Looks up the names of hosts if the last answers are older than that; none is always.
    pub(super) async fn look_up_names(&self, max_age: Option<Duration>, patience: Duration) {
        let learned = |position, endpoints| {
            let before = self.version();
            self.change(|hosts| hosts.set_places(position, endpoints));
            if before != self.version() {
                self.look_around.notify_waiters();
            }
        };
        self.names.look_up(max_age.unwrap_or_default(), patience, learned).await;
    }

    /// Somebody looks after it from now on, if there is anything to look after.
    fn be_tended(self: &Arc<Self>, wish: &Wish) {
        if wish.depends_on_role() && !self.has_roles.swap(true, Ordering::Relaxed) {
            self.look_around.notify_waiters();
        }
        let has_work = self.has_roles() || self.names.are_there();
        if has_work && !self.is_tended.swap(true, Ordering::Relaxed) {
            tokio::spawn(check::tend(Arc::downgrade(self)));
        }
    }
}
