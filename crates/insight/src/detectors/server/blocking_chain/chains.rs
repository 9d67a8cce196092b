//! From who waited for whom at some moments to queues, each with its head.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use model::{LockQueue, SessionFacts};

/// A queue behind one session, over all moments at which it was seen.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    /// The session that waits for nobody; 0 is a prepared transaction.
    pub(super) head: i32,
    pub(super) head_session: Option<&'a SessionFacts>,
    /// The most that waited at one moment, directly or behind others.
    pub(super) most_waiting: u64,
    /// The longest wait, ms.
    pub(super) longest_ms: u64,
    /// Whether the server did not say how long, and it is told from the moments at which somebody
    /// was seen waiting.
    pub(super) estimated: bool,
    /// The longest wait of each who waited, summed, ms.
    pub(super) waited_ms: u64,
    pub(super) tables: BTreeSet<&'a str>,
    pub(super) modes: Vec<&'a str>,
    pub(super) last_seen: Timestamp,
}

/// How long somebody has waited.
#[derive(Clone, Copy, Debug)]
struct Waited {
    /// When it was seen first, in an unbroken row of looks, and last.
    since: Timestamp,
    seen: Timestamp,
    longest_ms: u64,
}

/// Looks that are further apart say nothing of the time between them.
const UNBROKEN: SignedDuration = SignedDuration::from_secs(12);

impl Waited {
    fn new(at: Timestamp) -> Self {
        Self { since: at, seen: at, longest_ms: 0 }
    }

    /// How long it has waited by `at`, as far as looks tell, ms.
    fn see(&mut self, at: Timestamp) -> u64 {
        if at.duration_since(self.seen) > UNBROKEN {
            self.since = at;
        }
        self.seen = at;
        u64::try_from(at.duration_since(self.since).as_millis()).unwrap_or(0)
    }
}

/// Who heads a queue, and in which transaction.
type Head = (i32, Option<Timestamp>);

/// The queues, in the order in which they were first seen.
pub(super) fn chains<'a>(queues: impl Iterator<Item = &'a LockQueue>) -> Vec<Chain<'a>> {
    let mut chains: Vec<(Head, Chain<'a>, BTreeMap<i32, Waited>)> = Vec::new();
    for queue in queues {
        for (head, waiters) in heads(queue) {
            let session = queue.sessions.iter().find(|session| session.pid == head);
            let key = (head, session.and_then(|session| session.transaction_began));
            let place = chains.iter().position(|(known, ..)| *known == key).unwrap_or_else(|| {
                chains.push((key, Chain::new(head, queue.at), BTreeMap::new()));
                chains.len() - 1
            });
            let (_, chain, waits) = &mut chains[place];
            chain.add(queue, session, &waiters, waits);
        }
    }
    chains.into_iter().map(|(_, chain, _)| chain).collect()
}

/// For each session that others wait for and that waits for nobody, those who wait behind it.
/// Sessions that wait for each other have no head; the server ends such a deadlock by itself.
fn heads(queue: &LockQueue) -> BTreeMap<i32, BTreeSet<i32>> {
    let mut heads: BTreeMap<i32, BTreeSet<i32>> = BTreeMap::new();
    for wait in &queue.waits {
        let mut seen = BTreeSet::from([wait.pid]);
        let mut open: Vec<i32> = wait.blocked_by.clone();
        while let Some(pid) = open.pop() {
            if !seen.insert(pid) {
                continue;
            }
            match queue.waits.iter().find(|other| other.pid == pid) {
                Some(other) => open.extend(&other.blocked_by),
                None => {
                    heads.entry(pid).or_default().insert(wait.pid);
                }
            }
        }
    }
    heads
}

impl<'a> Chain<'a> {
    fn new(head: i32, at: Timestamp) -> Self {
        Self {
            head,
            head_session: None,
            most_waiting: 0,
            longest_ms: 0,
            estimated: false,
            waited_ms: 0,
            tables: BTreeSet::new(),
            modes: Vec::new(),
            last_seen: at,
        }
    }

    fn add(
        &mut self,
        queue: &'a LockQueue,
        session: Option<&'a SessionFacts>,
        waiters: &BTreeSet<i32>,
        waits: &mut BTreeMap<i32, Waited>,
    ) {
        self.head_session = session.or(self.head_session);
        self.most_waiting = self.most_waiting.max(waiters.len() as u64);
        self.last_seen = self.last_seen.max(queue.at);
        for wait in queue.waits.iter().filter(|wait| waiters.contains(&wait.pid)) {
            let waited = waits.entry(wait.pid).or_insert_with(|| Waited::new(queue.at));
            let seen_ms = waited.see(queue.at);
            // Before PostgreSQL 14 only pg_monitor is told since when somebody waits.
            self.estimated |= wait.waited_ms == 0 && seen_ms > 0;
            let ms = if wait.waited_ms == 0 { seen_ms } else { wait.waited_ms };
            waited.longest_ms = waited.longest_ms.max(ms);
            self.longest_ms = self.longest_ms.max(ms);
            self.tables.extend(wait.table.as_deref());
            if !self.modes.contains(&&*wait.mode) {
                self.modes.push(&wait.mode);
            }
        }
        self.waited_ms = waits.values().map(|waited| waited.longest_ms).sum();
    }
}
