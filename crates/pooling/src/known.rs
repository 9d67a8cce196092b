//! Statements that a server of the pool has parsed without an error.
//!
//! A Parse of one of these is answered without a server connection: whichever the client gets when
//! it binds will have the statement, or raise the error then. So a driver that prepares everything
//! first (`PQprepare` does, and blocks) does not stand in the queue behind clients whose
//! transactions wait for it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::fast::FixedState;

use crate::prepared::{Statement, content_hash, same};
use crate::reading::Reading;
use crate::routines::KnownRoutines;

/// Texts longer than this are not remembered.
const MAX_TEXT_BYTES: usize = 16 * 1024;
/// Statements remembered per pool.
const MAX_STATEMENTS: usize = 1_000;

/// Statements that a server of the pool has parsed. Written only when one is new. Clients that
/// prepare the same share what is kept of it.
#[derive(Debug, Default)]
pub struct KnownStatements {
    /// By a hash of the content: of two that share one, the later.
    statements: RwLock<HashMap<u64, Arc<Statement>, FixedState>>,
    epoch: AtomicU64,
    /// The unnamed statement is not served from named ones.
    leaves_unnamed: AtomicBool,
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

    /// Sets [`Self::serves_unnamed`], which is true from the start.
    pub fn serve_unnamed(&self, serve: bool) {
        self.leaves_unnamed.store(!serve, Ordering::Relaxed);
    }

    /// How often a table was seen to have changed under a statement.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// A table has changed under a statement. Returns the epoch that begins.
    pub fn next_epoch(&self) -> u64 {
        self.epoch.fetch_add(1, Ordering::AcqRel) + 1
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

    fn statement(text: &str) -> Arc<Statement> {
        let observed = sql::ShapeRegistry::new(10).observe_one(text.as_bytes());
        Arc::new(Statement::new(text.as_bytes(), &[0, 0], observed.shape, observed.values))
    }

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
    fn what_was_prepared_before_a_table_changed_is_not_known_after() {
        let known = KnownStatements::default();
        known.learn(&statement("select 1"));
        let epoch = known.next_epoch();
        assert!(!has(&known, &statement("select 1")));
        let shape = statement("select 1").shape.clone();
        let anew = Statement::new(b"select 1", &[0, 0], shape, 0).in_epoch(epoch);
        known.learn(&Arc::new(anew));
        assert!(has(&known, &statement("select 1")));
    }
}
