//! The task that reads the upstream's catalogue and asks its planner, one thing at a time.

mod names;
mod pace;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::{Catalog, CatalogSettings, Upstream};
use model::{CatalogFacts, LockQueue, PlanQuestion, PoolStatus, Snapshot};
use parking_lot::RwLock;
use proxy::Proxy;
use sql::ShapeRegistry;
use tokio::sync::watch;

use crate::run::reloader::Reloader;
use crate::settings::{HostList, Settings, for_tokio_postgres};
use names::Names;
use pace::{Pace, SLOWER_WHEN_SATURATED};

/// Everything is asked one at a time: one connection a database is enough.
const MAX_CONNECTIONS: usize = 1;
/// How often the catalogue is read.
const READ: Duration = Duration::from_secs(15);
/// Reading is at most one part in so many of the time.
const READ_REST_FACTOR: u32 = 30;
/// How often locks are looked at. It waits for nothing and reads no table.
const LOOK: Duration = Duration::from_secs(4);
/// Looking at locks is at most one part in so many of the time: more than for reading, because a
/// queue is to be seen as long as it stands, and longest on a slow server.
const LOOK_REST_FACTOR: u32 = 10;
/// Looks at lock queues that are kept.
const LOOKS_KEPT: usize = 120;
/// A client that has queued for so long for a server connection says that its pool is too small,
/// or the server at its limit.
const SATURATED: Duration = Duration::from_secs(1);
/// Work on the upstream is at most this share of the time, so that asking never becomes a load.
const REST_FACTOR: u32 = 10;
/// The shortest rest between two plans.
const SHORTEST_REST: Duration = Duration::from_millis(100);

/// What the analyser wants to know.
#[derive(Clone, Default)]
struct Wanted {
    /// Databases that traffic was seen in, with a user of each.
    databases: BTreeMap<String, String>,
    questions: Arc<[PlanQuestion]>,
    /// Whether clients queue for server connections.
    saturated: bool,
}

/// Texts of sessions that are not ours, kept normalised.
const TEXTS: usize = 100;

/// A handle to the task. The task ends when the handle is dropped.
pub(super) struct Planner {
    wanted: watch::Sender<Wanted>,
    facts: Arc<RwLock<Arc<CatalogFacts>>>,
}

impl Planner {
    /// Starts the task.
    pub(super) fn start(reloader: Arc<Reloader>, proxy: Proxy) -> Self {
        let (wanted, receiver) = watch::channel(Wanted::default());
        let facts = Arc::new(RwLock::new(Arc::new(CatalogFacts::default())));
        let work = Work {
            reloader,
            wanted: receiver,
            facts: Arc::clone(&facts),
            catalogs: BTreeMap::new(),
            proxy,
            texts: ShapeRegistry::new(TEXTS),
            looking: Pace::new(LOOK, LOOK_REST_FACTOR),
        };
        tokio::spawn(work.run());
        Self { wanted, facts }
    }

    /// The catalogue as last read, with the plans asked for so far.
    pub(super) fn facts(&self) -> Arc<CatalogFacts> {
        Arc::clone(&self.facts.read())
    }

    /// Says what is wanted now; what was wanted before and is not begun is forgotten.
    pub(super) fn ask(&self, snapshot: &Snapshot, questions: Vec<PlanQuestion>) {
        let databases = databases(snapshot);
        let saturated = snapshot.pools.iter().any(is_saturated);
        self.wanted.send_replace(Wanted { databases, questions: questions.into(), saturated });
    }
}

/// Databases that traffic was seen in, each with the first of its users by name: one that is another each
/// time would mean connections of another user each time.
fn databases(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let mut first = BTreeMap::<&str, &str>::new();
    for labels in snapshot.labels.values().filter(|labels| *labels.database != *"(others)") {
        let user = first.entry(&labels.database).or_insert(&labels.user);
        *user = (*user).min(&labels.user);
    }
    first.into_iter().map(|(database, user)| (database.to_owned(), user.to_owned())).collect()
}

fn is_saturated(pool: &PoolStatus) -> bool {
    pool.clients_waiting > 0 && pool.longest_wait >= SATURATED
}

/// Where a database is and who may look into it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    hosts: HostList,
    user: String,
}

struct Work {
    reloader: Arc<Reloader>,
    wanted: watch::Receiver<Wanted>,
    facts: Arc<RwLock<Arc<CatalogFacts>>>,
    catalogs: BTreeMap<Place, (Upstream, Catalog)>,
    proxy: Proxy,
    texts: ShapeRegistry,
    /// When to look at locks next.
    looking: Pace,
}

/// The databases of one place: what clients call each, and what the server does.
type ByPlace = BTreeMap<Place, Vec<(String, String)>>;

impl Work {
    async fn run(mut self) {
        let mut reading = Pace::new(READ, READ_REST_FACTOR);
        let mut known = BTreeSet::new();
        loop {
            // Ends with the analyser.
            if self.wanted.changed().await.is_err() {
                return;
            }
            let wanted = self.wanted.borrow_and_update().clone();
            let places = self.places(&wanted.databases);
            // With their connections: nobody else looks after those.
            self.catalogs.retain(|place, _| places.contains_key(place));
            self.look_if_due(&places).await;
            let databases: BTreeSet<_> = wanted.databases.keys().cloned().collect();
            let began = Instant::now();
            if !databases.is_subset(&known) || reading.is_due(began) {
                self.read(&places).await;
                reading.done(began, Instant::now(), wanted.saturated);
                known = databases;
            }
            let most = match wanted.saturated {
                true => wanted.questions.len().div_ceil(SLOWER_WHEN_SATURATED as usize),
                false => wanted.questions.len(),
            };
            for question in wanted.questions.iter().take(most) {
                let began = Instant::now();
                self.plan(question, &wanted.databases).await;
                let rest = (began.elapsed() * REST_FACTOR).max(SHORTEST_REST);
                self.rest(Instant::now() + rest, &places).await;
            }
        }
    }

    /// Asks for no plan until `until`; a queue for a lock stands and goes meanwhile, and is looked at.
    async fn rest(&mut self, until: Instant, places: &ByPlace) {
        while Instant::now() < until {
            let next = self.looking.next_due().map_or(until, |next| next.min(until));
            tokio::time::sleep_until(next.into()).await;
            self.look_if_due(places).await;
        }
    }

    async fn look_if_due(&mut self, places: &ByPlace) {
        let began = Instant::now();
        if self.looking.is_due(began) {
            self.look_at_locks(places).await;
            // Who waits for whom may be why clients queue: it is asked as often then.
            self.looking.done(began, Instant::now(), false);
        }
    }

    /// Where the databases are.
    fn places(&mut self, databases: &BTreeMap<String, String>) -> ByPlace {
        let settings = self.reloader.settings();
        let mut by_place = ByPlace::new();
        for (name, user) in databases {
            if let Some((place, there)) = self.catalog(&settings, name, user) {
                by_place.entry(place).or_default().push((name.clone(), there));
            }
        }
        by_place
    }

    /// Sees who waits for a lock, on each server once.
    async fn look_at_locks(&self, places: &ByPlace) {
        let mut seen = BTreeSet::new();
        for (place, names) in places {
            let (Some((_, catalog)), Some((_, there))) = (self.catalogs.get(place), names.first())
            else {
                continue;
            };
            if !seen.insert(&place.hosts) {
                continue;
            }
            let normalise =
                |text: &str| self.texts.observe_one(text.as_bytes()).shape.text().to_string();
            let queue = match catalog.lock_queue(there, &normalise).await {
                Ok(queue) => queue,
                Err(error) => {
                    tracing::debug!(database = there, %error, "locks were not read");
                    continue;
                }
            };
            let ours = places
                .iter()
                .filter(|(other, _)| other.hosts == place.hosts)
                .flat_map(|(_, names)| names.iter().map(|(_, there)| there.as_str()))
                .collect();
            let queue = queue.map(|mut queue| {
                keep_ours(&mut queue, &ours);
                Names::of(&self.proxy).name_sessions(place.hosts.first().1, &mut queue);
                queue
            });
            let mut facts = CatalogFacts::clone(&self.facts.read());
            let server = facts.servers.entry(catalog.server().to_owned()).or_default();
            server.locks_read_at = Some(jiff::Timestamp::now());
            let queues = &mut server.lock_queues;
            queues.extend(queue.filter(|queue| !queue.waits.is_empty()));
            let surplus = queues.len().saturating_sub(LOOKS_KEPT);
            queues.drain(..surplus);
            *self.facts.write() = Arc::new(facts);
        }
    }

    /// The catalogue of a database, and its name there.
    fn catalog(&mut self, settings: &Settings, name: &str, user: &str) -> Option<(Place, String)> {
        let (user, password) = credentials(settings, user);
        let pool = settings.pool(name, &user)?;
        let place = Place { hosts: pool.hosts.clone(), user: pool.user.clone() };
        let password = password.or_else(|| match pool.password {
            Some(crate::settings::Password::Plain(secret)) => Some(secret.reveal().to_owned()),
            _ => None,
        });
        let tls = self.reloader.tls().servers.get(&pool.tls).and_then(for_tokio_postgres);
        let hosts = pool.hosts.pairs();
        let to_write = pool.hosts.are_several() && pool.wish.attrs.is_to_write();
        let upstream = Upstream { hosts, to_write, user: pool.user, password, tls };
        let current = self.catalogs.get(&place).is_some_and(|(made_for, _)| *made_for == upstream);
        if !current {
            let bounds =
                CatalogSettings { max_connections: MAX_CONNECTIONS, ..CatalogSettings::default() };
            let catalog = Catalog::new(upstream.clone(), bounds);
            self.catalogs.insert(place.clone(), (upstream, catalog));
        }
        Some((place, pool.dbname))
    }

    async fn read(&self, by_place: &ByPlace) {
        let previous = Arc::clone(&self.facts.read());
        let mut all = CatalogFacts::default();
        for (place, names) in by_place {
            let Some((_, catalog)) = self.catalogs.get(place) else { continue };
            let there: Vec<String> = names.iter().map(|(_, there)| there.clone()).collect();
            // What clients call `name` the server calls `there`.
            let mut before = CatalogFacts { databases: BTreeMap::new(), ..(*previous).clone() };
            for (name, there) in names {
                if let Some(facts) = previous.databases.get(name) {
                    before.databases.insert(there.clone(), facts.clone());
                }
            }
            let mut read = catalog.read(&there, &before).await;
            if let Some(server) = read.servers.get_mut(catalog.server()) {
                Names::of(&self.proxy).name_horizon(place.hosts.first().1, &mut server.horizon);
            }
            all.read_at = read.read_at.or(all.read_at);
            all.server_version = read.server_version.max(all.server_version);
            all.unavailable.extend(read.unavailable);
            all.servers.extend(read.servers);
            for (name, there) in names {
                if let Some(facts) = read.databases.get(there) {
                    all.databases.insert(name.clone(), facts.clone());
                }
            }
        }
        *self.facts.write() = Arc::new(all);
    }

    async fn plan(&mut self, question: &PlanQuestion, databases: &BTreeMap<String, String>) {
        let settings = self.reloader.settings();
        let Some(user) = databases.get(&question.database) else { return };
        let Some((place, there)) = self.catalog(&settings, &question.database, user) else {
            return;
        };
        let Some((_, catalog)) = self.catalogs.get(&place) else { return };
        let asked = PlanQuestion { database: there, ..question.clone() };
        let answer = catalog.plan(&asked).await;
        let mut facts = CatalogFacts::clone(&self.facts.read());
        if let Some(database) = facts.databases.get_mut(&question.database) {
            insight::remember_plan(database, question, &answer);
            database.plans.insert(question.fingerprint, answer);
        }
        *self.facts.write() = Arc::new(facts);
    }
}

/// Leaves out those who wait in databases that are none of ours.
fn keep_ours(queue: &mut LockQueue, databases: &BTreeSet<&str>) {
    let sessions = &queue.sessions;
    queue.waits.retain(|wait| {
        let session = sessions.iter().find(|session| session.pid == wait.pid);
        session.is_some_and(|session| databases.contains(session.database.as_str()))
    });
}

/// Who looks into the catalogue: the user set for it, else the URL's, else one that was seen.
fn credentials(settings: &Settings, seen: &str) -> (String, Option<String>) {
    if let Some(user) = &settings.catalog_user {
        let password = settings.catalog_password.as_ref().map(|secret| secret.reveal().to_owned());
        return (user.clone(), password);
    }
    let of_url = settings.upstreams.iter().find_map(|upstream| upstream.user.clone());
    (of_url.unwrap_or_else(|| seen.to_owned()), None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{LabelId, Labels};

    #[test]
    fn a_database_is_looked_into_as_the_same_user_whatever_the_order() {
        for users in [["ada", "bob", "eve"], ["eve", "ada", "bob"], ["bob", "eve", "ada"]] {
            let labels = users.iter().enumerate().map(|(number, user)| {
                let id = LabelId::of_history(u32::try_from(number).unwrap());
                (id, Arc::new(Labels::new("shop", *user, "")))
            });
            let snapshot = Snapshot { labels: labels.collect(), ..Snapshot::default() };
            let expected = BTreeMap::from([("shop".to_owned(), "ada".to_owned())]);
            assert_eq!(databases(&snapshot), expected);
        }
    }
}
