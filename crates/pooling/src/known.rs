//! Statements that a server of the pool has parsed without an error.
//!
//! A Parse of one of these is answered without a server connection: whichever the client gets when
//! it binds will have the statement, or raise the error then. So a driver that prepares everything
//! first (`PQprepare` does, and blocks) does not stand in the queue behind clients whose
//! transactions wait for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use foldhash::fast::FixedState;

use crate::prepared::{Statement, content_hash, same};
use crate::reading::Reading;
use crate::routines::KnownRoutines;

/// Texts longer than this are not remembered.
const MAX_TEXT_BYTES: usize = 16 * 1024;
/// Statements remembered per pool.
const MAX_STATEMENTS: usize = 1_000;

/// What is served from named statements that the client has not named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Serves {
    /// The unnamed statement.
    pub unnamed: bool,
    /// Queries of the simple protocol.
    pub queries: bool,
}

/// How often each query came, as far as it matters here. A query takes the place of another one whose
/// hash leads there, too: then it takes longer until it is prepared.
#[derive(Debug, Default)]
struct Sightings(OnceLock<Box<[AtomicU64]>>);

/// A power of two.
const SIGHTINGS: usize = 512;
/// A query is prepared when it comes for this time: what comes once or twice is not worth it.
const ENOUGH_SIGHTINGS: u64 = 3;
/// The lowest bits of a place count; the others are the hash's. So no lock is needed.
const COUNT_BITS: u64 = 3;
/// In place of a count: never.
const REFUSED: u64 = 0;

impl Sightings {
    fn place(&self, hash: u64) -> Option<&AtomicU64> {
        let places = self.0.get_or_init(|| (0..SIGHTINGS).map(|_| AtomicU64::new(0)).collect());
        places.get((hash >> 2) as usize % SIGHTINGS)
    }

    /// Whether it has come often enough now.
    fn add(&self, hash: u64) -> bool {
        let Some(place) = self.place(hash) else { return false };
        let found = place.load(Ordering::Relaxed);
        let count = match ((found ^ hash) & !COUNT_BITS, found & COUNT_BITS) {
            (0, REFUSED) => REFUSED,
            (0, before) => (before + 1).min(ENOUGH_SIGHTINGS),
            _ => 1,
        };
        place.store((hash & !COUNT_BITS) | count, Ordering::Relaxed);
        count == ENOUGH_SIGHTINGS
    }

    /// It is not to be prepared, until another one takes its place.
    fn refuse(&self, hash: u64) {
        if let Some(place) = self.place(hash) {
            place.store((hash & !COUNT_BITS) | REFUSED, Ordering::Relaxed);
        }
    }
}

/// Statements that a server of the pool has parsed. Written only when one is new. Clients that
/// prepare the same share what is kept of it.
#[derive(Debug, Default)]
pub struct KnownStatements {
    /// By a hash of the content: of two that share one, the later.
    statements: RwLock<HashMap<u64, Arc<Statement>, FixedState>>,
    epoch: AtomicU64,
    /// See [`Serves`].
    leaves_unnamed: AtomicBool,
    serves_queries: AtomicBool,
    sightings: Sightings,
    /// The functions that the pool's statements call.
    pub routines: KnownRoutines,
}

impl KnownStatements {
    /// The statement of this content that is read so, as prepared in the present epoch.
    #[must_use]
    pub fn find(&self, text: &[u8], types: &[u8], reading: Reading) -> Option<Arc<Statement>> {
        if reading == Reading::Alone {
            return None;
        }
        let statements = self.statements.read().unwrap_or_else(PoisonError::into_inner);
        let found = statements.get(&(content_hash(text, types) ^ reading.bits()))?;
        (found.epoch() == self.epoch() && found.is(text, types, reading)).then(|| Arc::clone(found))
    }

    /// Whether the unnamed statement is served from a named one where that can be.
    #[must_use]
    pub fn serves_unnamed(&self) -> bool {
        !self.leaves_unnamed.load(Ordering::Relaxed)
    }

    /// Whether a query of the simple protocol is.
    #[must_use]
    pub fn serves_queries(&self) -> bool {
        self.serves_queries.load(Ordering::Relaxed)
    }

    /// Sets both. From the start the unnamed statement is, and queries are not.
    pub fn serve(&self, serves: Serves) {
        self.leaves_unnamed.store(!serves.unnamed, Ordering::Relaxed);
        self.serves_queries.store(serves.queries, Ordering::Relaxed);
    }

    /// A query came that a statement of this hash would serve: whether it has come often enough.
    pub(crate) fn sighted(&self, hash: u64) -> bool {
        self.sightings.add(hash)
    }

    /// A server will not have the statement that was to serve a query.
    pub(crate) fn refuse(&self, statement: &Arc<Statement>) {
        self.sightings.refuse(statement.hash());
        self.forget(statement);
    }

    /// How often a table was seen to have changed under a statement, or something was made, changed or
    /// dropped by a client of the pool.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// A table may have changed under a statement: what is prepared from now on is parsed anew.
    pub fn next_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// A server has parsed it.
    pub fn learn(&self, statement: &Arc<Statement>) {
        let is_shared = statement.is_kept() && statement.reading() != Reading::Alone;
        if !is_shared || statement.text().len() > MAX_TEXT_BYTES {
            return;
        }
        {
            let statements = self.statements.read().unwrap_or_else(PoisonError::into_inner);
            let found = statements.get(&statement.hash());
            let is_known = |found: &Arc<Statement>| {
                same(found, statement) && found.epoch() >= statement.epoch()
            };
            if found.is_some_and(is_known) {
                return;
            }
        }
        let mut statements = self.statements.write().unwrap_or_else(PoisonError::into_inner);
        if statements.len() >= MAX_STATEMENTS {
            // Those in use are known again soon; this happens where texts are made up.
            statements.clear();
        }
        statements.insert(statement.hash(), Arc::clone(statement));
    }

    /// A server has refused it: the next one to prepare it must be told.
    pub fn forget(&self, statement: &Arc<Statement>) {
        let mut statements = self.statements.write().unwrap_or_else(PoisonError::into_inner);
        if statements.get(&statement.hash()).is_some_and(|found| same(found, statement)) {
            statements.remove(&statement.hash());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepared::tests::statement;

    fn has(known: &KnownStatements, statement: &Arc<Statement>) -> bool {
        known.find(statement.text(), statement.types(), statement.reading()).is_some()
    }

    #[test]
    fn what_was_parsed_is_known_by_content_until_it_is_refused() {
        let known = KnownStatements::default();
        assert!(!has(&known, &statement("select 1")));
        known.learn(&statement("select 1"));
        assert!(has(&known, &statement("select 1")));
        assert!(!has(&known, &statement("select 2")));
        known.forget(&statement("select 1"));
        assert!(!has(&known, &statement("select 1")));
    }

    #[test]
    fn it_is_bounded() {
        let known = KnownStatements::default();
        for n in 0..=MAX_STATEMENTS {
            known.learn(&statement(&format!("select {n}")));
        }
        assert!(!has(&known, &statement("select 0")));
        let long = statement(&format!("select '{}'", "x".repeat(MAX_TEXT_BYTES)));
        known.learn(&long);
        assert!(!has(&known, &long));
    }

    #[test]
    fn what_comes_for_the_third_time_has_come_often_enough() {
        let sightings = Sightings::default();
        let times = |hash: u64| (0..4).map(|_| sightings.add(hash)).collect::<Vec<_>>();
        assert_eq!(times(4), [false, false, true, true]);
        assert_eq!(times(u64::MAX), [false, false, true, true]);
        assert!(sightings.add(4), "it is known still");
        let in_its_place = 4 + ((SIGHTINGS as u64) << 2);
        assert!(!sightings.add(in_its_place) && !sightings.add(4));
        sightings.refuse(u64::MAX);
        assert_eq!(times(u64::MAX), [false; 4]);
    }

    #[test]
    fn what_was_prepared_before_a_table_changed_is_not_known_after() {
        let known = KnownStatements::default();
        known.learn(&statement("select 1"));
        known.next_epoch();
        assert!(!has(&known, &statement("select 1")));
        let shape = statement("select 1").shape.clone();
        let anew = Statement::new(b"select 1", &[0, 0], shape, 0).in_epoch(known.epoch());
        known.learn(&Arc::new(anew));
        assert!(has(&known, &statement("select 1")));
    }
}
