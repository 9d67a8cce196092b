//! What is seen to change from tick to tick: plans, new applications and statements, servers that
//! cannot be reached.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::iter;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use model::{CatalogFacts, FingerprintId, MarkKind, PlanShape, PoolStatus, Published, Snapshot};

use super::super::marks::Marks;

/// What is new within this time after the start is new to pgweir only.
const SETTLING: SignedDuration = SignedDuration::from_mins(5);
/// Statements that appear within this time appear together.
const TOGETHER: SignedDuration = SignedDuration::from_mins(1);
/// So many new statements at once are a deploy; fewer are somebody who tries something.
const DEPLOY_STATEMENTS: usize = 10;
/// Applications that are remembered.
const MAX_APPLICATIONS: usize = 10_000;
/// So many new applications within [`CALM`] are names without end, as with a process id in each: marks of
/// them would leave no room for others.
const CROWD: usize = 20;
/// After so long without a crowd new applications are marked again.
const CALM: SignedDuration = SignedDuration::from_hours(1);
/// Of an application's name so much is in a mark, as much as PostgreSQL keeps.
const NAME_CHARS: usize = 63;

/// Compares each tick with what was before, and keeps marks of what is different.
pub(super) struct Changes {
    marks: Arc<Marks>,
    started_at: Timestamp,
    plans: HashMap<(String, FingerprintId), PlanShape>,
    applications: HashSet<Arc<str>>,
    newcomers: Newcomers,
    /// Until when new statements belong to a deploy that is marked already.
    deploy_until: Option<Timestamp>,
    /// Databases whose server cannot be reached.
    lost: BTreeSet<Arc<str>>,
}

impl Changes {
    pub(super) fn new(marks: Arc<Marks>, started_at: Timestamp) -> Self {
        Self {
            marks,
            started_at,
            plans: HashMap::new(),
            applications: HashSet::new(),
            newcomers: Newcomers::default(),
            deploy_until: None,
            lost: BTreeSet::new(),
        }
    }

    /// Looks at a tick.
    pub(super) fn note_tick(&mut self, published: &Published) {
        self.note_plans(&published.catalog);
        self.note_deploys(&published.snapshot);
    }

    fn note_plans(&mut self, catalog: &CatalogFacts) {
        for (name, facts) in &catalog.databases {
            for (id, versions) in &facts.plan_history {
                let Some(last) = versions.last().map(|version| version.plan.shape) else {
                    continue;
                };
                let before = self.plans.insert((name.clone(), *id), last);
                if let Some(before) = before.filter(|before| *before != last) {
                    let text = format!("statement {id} in {name}: plan {before} became {last}");
                    self.marks.add(MarkKind::PlanChange, text);
                }
            }
        }
        // Statements that are forgotten elsewhere are here.
        self.plans.retain(|(name, id), _| {
            catalog.databases.get(name).is_some_and(|facts| facts.plan_history.contains_key(id))
        });
    }

    fn note_deploys(&mut self, snapshot: &Snapshot) {
        let now = snapshot.taken_at;
        let settled = now.duration_since(self.started_at) > SETTLING;
        let mut appeared = BTreeSet::new();
        if self.applications.len() >= MAX_APPLICATIONS {
            // Those that have not been there for long make room; should they come again, they are new.
            let there: HashSet<_> = snapshot.labels.values().map(|it| &it.application).collect();
            self.applications.retain(|name| there.contains(name));
        }
        for labels in snapshot.labels.values() {
            let name = &labels.application;
            if !name.is_empty()
                && self.applications.len() < MAX_APPLICATIONS
                && self.applications.insert(Arc::clone(name))
            {
                appeared.insert(Arc::clone(name));
            }
        }
        if !settled {
            return;
        }
        if let Some(outlook) = self.newcomers.note(appeared.len(), now) {
            let shortened = |name: &Arc<str>| name.chars().take(NAME_CHARS).collect::<String>();
            let names = appeared.iter().take(5).map(shortened).collect::<Vec<_>>();
            let text = format!("first seen: application {}{outlook}", names.join(", "));
            self.marks.add(MarkKind::Deploy, text);
        }
        let fresh = snapshot
            .shapes
            .values()
            .filter(|shape| now.duration_since(shape.first_seen) <= TOGETHER)
            .count();
        let known = self.deploy_until.is_some_and(|until| now < until);
        if fresh >= DEPLOY_STATEMENTS {
            if !known {
                let text = format!("{fresh} statements appeared within a minute");
                self.marks.add(MarkKind::Deploy, text);
            }
            self.deploy_until = now.checked_add(SETTLING).ok();
        }
    }

    /// Looks at the pools.
    pub(super) fn note_pools(&mut self, pools: &[PoolStatus]) {
        let mut failing: BTreeMap<&Arc<str>, &str> = BTreeMap::new();
        for pool in pools {
            // A pool with server connections has a server.
            let connected = pool.servers_active + pool.servers_idle + pool.servers_tested > 0;
            if let Some(failure) = pool.last_failure.as_deref().filter(|_| !connected) {
                failing.insert(&pool.key.database, failure);
            }
        }
        for (database, failure) in &failing {
            if self.lost.insert(Arc::clone(database)) {
                let text = format!("no server connection for {database}: {failure}");
                self.marks.add(MarkKind::Failover, text);
            }
        }
        let back = |database: &Arc<str>| !failing.contains_key(database);
        for database in self.lost.extract_if(.., back) {
            let text = format!("server connections for {database} again");
            self.marks.add(MarkKind::Failover, text);
        }
    }
}

/// Applications that were seen for the first time of late.
#[derive(Default)]
struct Newcomers {
    /// When the last of them were, the oldest first; no more than make a crowd.
    seen: VecDeque<Timestamp>,
    /// Until when they are not marked, since they are too many.
    crowd_until: Option<Timestamp>,
}

impl Newcomers {
    /// Notes that `count` are seen first; what a mark of them says at its end, where one is to be made.
    fn note(&mut self, count: usize, now: Timestamp) -> Option<&'static str> {
        if count == 0 {
            return None;
        }
        let known = self.crowd_until.is_some_and(|until| now < until);
        self.seen.extend(iter::repeat_n(now, count.min(CROWD)));
        self.seen.drain(..self.seen.len().saturating_sub(CROWD));
        let crowd = self.seen.len() == CROWD
            && self.seen.front().is_some_and(|first| now.duration_since(*first) <= CALM);
        if crowd {
            self.crowd_until = now.checked_add(CALM).ok();
        }
        match (known, crowd) {
            (true, _) => None,
            (false, true) => Some(" (so many are new that no more are noted for an hour at least)"),
            (false, false) => Some(""),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{
        DatabaseFacts, LabelId, Labels, PlanText, PlanVersion, PoolKey, PoolMode, ShapeInfo,
    };

    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_000_000_000 + 60 * minutes).expect("a time")
    }

    fn texts(changes: &Changes) -> Vec<String> {
        changes.marks.all().into_iter().map(|mark| mark.text).collect()
    }

    fn catalog(shape: u64) -> CatalogFacts {
        let plan = PlanText { shape: PlanShape(shape), ..PlanText::default() };
        let version =
            PlanVersion { since: at(0), until: at(1), plan, sample: model::Sample::default() };
        let mut facts = DatabaseFacts::default();
        facts.plan_history.insert(FingerprintId(7), vec![version]);
        let mut catalog = CatalogFacts::default();
        catalog.databases.insert("shop".to_owned(), facts);
        catalog
    }

    #[test]
    fn a_plan_that_changes_is_a_mark_and_its_first_is_not() {
        let mut changes = Changes::new(Arc::default(), at(0));
        for shape in [1, 1, 2, 2] {
            changes.note_plans(&catalog(shape));
        }
        let text = "statement 0000000000000007 in shop: plan 0000000000000001 became \
                    0000000000000002";
        assert_eq!(texts(&changes), [text]);
    }

    #[test]
    fn a_server_that_is_lost_and_back_is_marked_once_each_by_database() {
        let pool = |user: &str, idle, failure: Option<&str>| PoolStatus {
            key: PoolKey { database: "shop".into(), user: user.into() },
            mode: PoolMode::Transaction,
            clients_active: 0,
            clients_waiting: 0,
            clients_pinned: 0,
            cancels_active: 0,
            servers_active: 0,
            servers_idle: idle,
            servers_tested: 0,
            servers_login: 0,
            size: 5,
            longest_wait: Duration::ZERO,
            wait_p95: Duration::ZERO,
            transactions: 0,
            pinned_transactions: 0,
            load_balance_hosts: None,
            rejected: model::Rejections::default(),
            paused: false,
            last_failure: failure.map(str::to_owned),
        };
        let mut changes = Changes::new(Arc::default(), at(0));
        // One connection that failed while others live is no lost server.
        changes.note_pools(&[pool("web", 3, Some("refused"))]);
        assert_eq!(texts(&changes), [""; 0]);
        for _ in 0..2 {
            changes
                .note_pools(&[pool("web", 0, Some("refused")), pool("batch", 0, Some("refused"))]);
        }
        for _ in 0..2 {
            changes.note_pools(&[pool("web", 1, None), pool("batch", 0, None)]);
        }
        let expected =
            ["no server connection for shop: refused", "server connections for shop again"];
        assert_eq!(texts(&changes), expected);
    }

    #[test]
    fn the_newest_application_is_marked_however_many_there_were() {
        let mut changes = Changes::new(Arc::default(), at(0));
        let tick = |minute: i64, names: std::ops::Range<usize>| {
            let labels = names.enumerate().map(|(number, name)| {
                let labels = Labels::new("shop", "web", name.to_string());
                (LabelId::of_history(u32::try_from(number).unwrap()), Arc::new(labels))
            });
            Snapshot { taken_at: at(minute), labels: labels.collect(), ..Snapshot::default() }
        };
        for part in 0..3 {
            changes.note_deploys(&tick(1, part * MAX_APPLICATIONS..(part + 1) * MAX_APPLICATIONS));
        }
        assert_eq!(texts(&changes), [""; 0]);
        let newest = 3 * MAX_APPLICATIONS..3 * MAX_APPLICATIONS + 1;
        changes.note_deploys(&tick(10, newest));
        assert_eq!(texts(&changes), ["first seen: application 30000"]);
    }

    #[test]
    fn names_without_end_are_no_marks_until_an_hour_was_calm() {
        let mut changes = Changes::new(Arc::default(), at(0));
        let mut tick = |minute: i64, name: String| {
            let labels = Arc::new(Labels::new("shop", "web", name));
            let labels = HashMap::from([(LabelId::of_history(0), labels)]);
            changes.note_deploys(&Snapshot { taken_at: at(minute), labels, ..Default::default() });
            texts(&changes)
        };
        for minute in 10..24 * 60 {
            tick(minute, format!("worker {minute}"));
        }
        let marked = tick(24 * 60, "the same day".to_owned());
        assert_eq!(marked.len(), CROWD);
        assert_eq!(marked[0], "first seen: application worker 10");
        let last = "first seen: application worker 29 (so many are new that no more are noted for \
                    an hour at least)";
        assert_eq!(marked[CROWD - 1], last);
        assert_eq!(tick(25 * 60 - 1, "within the hour".to_owned()).len(), CROWD);
        let marked = tick(25 * 60, "n".repeat(100));
        assert_eq!(marked[CROWD..], [format!("first seen: application {}", "n".repeat(63))]);
    }

    #[test]
    fn many_statements_at_once_are_one_deploy_once_things_have_settled() {
        let mut changes = Changes::new(Arc::default(), at(0));
        let tick = |minute: i64, shapes: u64| {
            let shape = ShapeInfo { first_seen: at(minute), ..ShapeInfo::default() };
            let shapes = (0..shapes).map(|id| (FingerprintId(id), shape.clone())).collect();
            Snapshot { taken_at: at(minute), shapes, ..Snapshot::default() }
        };
        changes.note_deploys(&tick(2, 50));
        changes.note_deploys(&tick(10, 9));
        assert_eq!(texts(&changes), [""; 0]);
        changes.note_deploys(&tick(20, 12));
        changes.note_deploys(&tick(21, 12));
        assert_eq!(texts(&changes), ["12 statements appeared within a minute"]);
        changes.note_deploys(&tick(40, 10));
        assert_eq!(texts(&changes).len(), 2);
    }
}
