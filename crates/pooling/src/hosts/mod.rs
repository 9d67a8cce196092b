//! Which of several servers a connection goes to: what is known of each, and what follows from it.
//!
//! Pure: the shell says what it found and when; all pools that go to the same servers share one
//! [`Hosts`], each with a [`Wish`] of its own. `P` is a place that can be connected to: one address
//! of one host.

mod backoff;
mod choice;
#[cfg(test)]
mod tests;
mod wish;

use std::fmt::Display;
use std::time::{Duration, Instant};

pub use backoff::Backoff;
pub use choice::{Attempt, Candidate};
pub use wish::{LoadBalance, TargetSessionAttrs, Wish};

/// How long what a server was found to be is believed where that speaks against it; longer, and it
/// is asked again.
const BELIEVED: Duration = Duration::from_secs(15);
/// How long a primary that is away keeps one of an older timeline from being taken for it.
const TIMELINE_KEPT: Duration = Duration::from_secs(60);
/// How often hosts are looked at while there is none that will do.
const URGENT: Duration = Duration::from_millis(200);
/// For how long a pool that finds no host keeps them being looked at so often.
const URGENT_FOR: Duration = Duration::from_secs(3);

/// One of the places of a [`Hosts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(pub u32);

/// What a server is, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// It is a standby (`pg_is_in_recovery`, `in_hot_standby`).
    pub in_recovery: bool,
    /// What only a question tells; none where it was not asked.
    pub asked: Option<Asked>,
}

/// What only a question tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Sessions of no user can write unless they ask for it (`default_transaction_read_only` of the
    /// server itself).
    pub read_only: bool,
    /// How far it is behind; none if it cannot tell.
    pub lag: Option<Duration>,
    /// The timeline that it writes; none for a standby, or if it cannot tell.
    pub timeline: Option<u32>,
}

/// What is new about a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// It was down, and is there.
    pub came_back: bool,
    /// It is something else than it was, or it is known for the first time what it is.
    pub other_role: bool,
}

/// One host, as SHOW HOSTS prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostView<P> {
    /// Which.
    pub id: HostId,
    /// Where.
    pub place: P,
    /// What it said last.
    pub report: Option<Report>,
    /// When it said so.
    pub reported: Option<Instant>,
    /// Whether the last attempt to reach it failed.
    pub is_down: bool,
    /// Why an attempt to reach or to ask it failed last.
    pub last_error: Option<String>,
    /// How many attempts to reach it have failed.
    pub failures: u64,
}

#[derive(Clone, Debug)]
struct Host<P> {
    id: HostId,
    /// Which of the hosts as written it is an address of.
    written: usize,
    place: P,
    report: Option<(Report, Instant)>,
    /// The timeline that it wrote when it was last asked as a primary, and when it was last there.
    timeline: Option<(u32, Instant)>,
    /// None: it was there when it was last tried, or was never tried.
    down: Option<Backoff>,
    last_error: Option<String>,
    failures: u64,
}

/// All servers that a pool may go to.
#[derive(Clone, Debug)]
pub struct Hosts<P> {
    hosts: Vec<Host<P>>,
    next_id: u32,
    turn: usize,
    version: u64,
    urgent_until: Option<Instant>,
    /// Whether there ever was one that can be written to, and one that is a standby.
    seen: (bool, bool),
    /// The one that was found to be the primary last, and how often that was another than before.
    primary: Option<HostId>,
    failovers: u64,
}

impl<P> Default for Hosts<P> {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            next_id: 0,
            turn: 0,
            version: 0,
            urgent_until: None,
            seen: (false, false),
            primary: None,
            failovers: 0,
        }
    }
}

impl<P: Clone + PartialEq + Display> Hosts<P> {
    /// The places of the host that is written at this position: of a name, the addresses that it
    /// leads to now. What is known of those that stay is kept.
    pub fn set_places(&mut self, written: usize, places: Vec<P>) {
        let known: Vec<_> = self.hosts.iter().filter(|host| host.written == written).collect();
        // Servers of names give their answers in another order each time.
        if known.len() == places.len() && known.iter().all(|host| places.contains(&host.place)) {
            return;
        }
        let (mut before, mut others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.hosts).into_iter().partition(|host| host.written == written);
        for place in places {
            let host = match before.iter().position(|host| host.place == place) {
                Some(index) => before.swap_remove(index),
                None => {
                    self.next_id += 1;
                    let id = HostId(self.next_id);
                    let (report, timeline, down, last_error) = (None, None, None, None);
                    Host { id, written, place, report, timeline, down, last_error, failures: 0 }
                }
            };
            others.push(host);
        }
        others.sort_by_key(|host| host.written);
        self.hosts = others;
        self.version += 1;
    }

    /// A server was reached, and says what it is; none where it was not asked.
    pub fn reached(&mut self, id: HostId, report: Option<Report>, now: Instant) -> News {
        let Some(host) = self.hosts.iter_mut().find(|host| host.id == id) else {
            return News::default();
        };
        let mut news = News { came_back: host.down.take().is_some(), other_role: false };
        let mut has_changed = news.came_back;
        if let Some((timeline, _)) = host.timeline {
            host.timeline = Some((timeline, now));
        }
        if let Some(mut report) = report {
            let known = host.report.map(|(known, _)| known);
            news.other_role = known.is_none_or(|known| known.in_recovery != report.in_recovery);
            if report.asked.is_none() && !news.other_role {
                // It says no more than it did when it was asked.
                report.asked = known.and_then(|known| known.asked);
            } else {
                let timeline = report.asked.and_then(|asked| asked.timeline);
                host.timeline = timeline.map(|timeline| (timeline, now));
            }
            has_changed |= known != Some(report);
            host.report = Some((report, now));
            let read_only = report.asked.is_some_and(|asked| asked.read_only);
            self.seen.0 |= !report.in_recovery && !read_only;
            self.seen.1 |= report.in_recovery;
            if !report.in_recovery {
                self.follow(id, now);
            }
        }
        self.version += u64::from(has_changed);
        news
    }

    /// A server could not be reached. Returns whether that is new. `random`: between 0 and 1.
    pub fn failed(&mut self, id: HostId, error: String, now: Instant, random: f64) -> bool {
        let Some(host) = self.hosts.iter_mut().find(|host| host.id == id) else { return false };
        host.last_error = Some(error);
        host.failures += 1;
        let is_new = host.down.is_none();
        host.down = Some(match host.down {
            Some(down) => down.again(now, random),
            None => Backoff::first(now, random),
        });
        self.version += u64::from(is_new);
        is_new
    }

    /// A server was reached and would not have us: that is no sign that it is down.
    pub fn refused(&mut self, id: HostId, error: String) {
        if let Some(host) = self.hosts.iter_mut().find(|host| host.id == id) {
            host.last_error = Some(error);
        }
    }

    /// When to look at a host next, where all is well every `interval`: sooner after it failed, and
    /// while there is none that will do. `random`: between 0 and 1.
    #[must_use]
    pub fn check_after(
        &self,
        id: HostId,
        interval: Duration,
        now: Instant,
        random: f64,
    ) -> Option<Duration> {
        let host = self.get(id)?;
        let is_urgent = self.urgent_until.is_some_and(|until| now < until);
        let usual =
            backoff::jittered(if is_urgent { interval.min(URGENT) } else { interval }, random);
        Some(match host.down {
            Some(down) if is_urgent => down.left(now).min(usual),
            Some(down) => down.left(now).max(FASTEST.min(usual)),
            None => usual,
        })
    }

    /// Grows with each change that may make another choice of it.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many places there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether there is none: no name was resolved yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// The place of a host; none if it is not there any more.
    #[must_use]
    pub fn place(&self, id: HostId) -> Option<&P> {
        self.get(id).map(|host| &host.place)
    }

    /// Whether the last attempt to reach it failed.
    #[must_use]
    pub fn is_down(&self, id: HostId) -> bool {
        self.get(id).is_some_and(|host| host.down.is_some())
    }

    /// All hosts, in the order in which they are written.
    pub fn views(&self) -> impl Iterator<Item = HostView<P>> + '_ {
        self.hosts.iter().map(|host| HostView {
            id: host.id,
            place: host.place.clone(),
            report: host.report.map(|(report, _)| report),
            reported: host.report.map(|(_, at)| at),
            is_down: host.down.is_some(),
            last_error: host.last_error.clone(),
            failures: host.failures,
        })
    }

    fn get(&self, id: HostId) -> Option<&Host<P>> {
        self.hosts.iter().find(|host| host.id == id)
    }
}

/// Hosts that are down are not looked at more often than this where others will do.
const FASTEST: Duration = Duration::from_millis(500);
