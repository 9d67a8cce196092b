//! Statements that a server of the pool has parsed without an error.
//!
//! A Parse of one of these is answered without a server connection: whichever the client gets when
//! it binds will have the statement, or raise the error then. So a driver that prepares everything
//! first (`PQprepare` does, and blocks) does not stand in the queue behind clients whose
//! transactions wait for it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::prepared::{ByContent, Statement};
use crate::routines::KnownRoutines;

/// Texts longer than this are not remembered.
const MAX_TEXT_BYTES: usize = 16 * 1024;
/// Statements remembered per pool.
const MAX_STATEMENTS: usize = 1_000;

/// Statements that a server of the pool has parsed. Locked only when a client prepares one.
#[derive(Debug, Default)]
pub struct KnownStatements {
    statements: RwLock<HashSet<ByContent>>,
    epoch: AtomicU64,
    /// The functions that the pool's statements call.
    pub routines: KnownRoutines,
}

impl KnownStatements {
    /// Whether a statement of this content is known.
    #[must_use]
    pub fn has(&self, statement: &Arc<Statement>) -> bool {
        let statements = self.statements.read().unwrap_or_else(PoisonError::into_inner);
        statements.contains(&ByContent(Arc::clone(statement)))
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
        if !statement.is_kept() || statement.text().len() > MAX_TEXT_BYTES {
            return;
        }
        let mut statements = self.statements.write().unwrap_or_else(PoisonError::into_inner);
        if statements.len() >= MAX_STATEMENTS {
            // Those in use are known again soon; this happens where texts are made up.
            statements.clear();
        }
        statements.insert(ByContent(Arc::clone(statement)));
    }

    /// A server has refused it: the next one to prepare it must be told.
    pub fn forget(&self, statement: &Arc<Statement>) {
        let mut statements = self.statements.write().unwrap_or_else(PoisonError::into_inner);
        statements.remove(&ByContent(Arc::clone(statement)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &str) -> Arc<Statement> {
        let observed = sql::ShapeRegistry::new(10).observe_one(text.as_bytes());
        Arc::new(Statement::new(text.as_bytes(), &[0, 0], observed.shape, observed.values))
    }

    #[test]
    fn what_was_parsed_is_known_by_content_until_it_is_refused() {
        let known = KnownStatements::default();
        assert!(!known.has(&statement("select 1")));
        known.learn(&statement("select 1"));
        assert!(known.has(&statement("select 1")));
        assert!(!known.has(&statement("select 2")));
        known.forget(&statement("select 1"));
        assert!(!known.has(&statement("select 1")));
    }

    #[test]
    fn it_is_bounded() {
        let known = KnownStatements::default();
        for n in 0..=MAX_STATEMENTS {
            known.learn(&statement(&format!("select {n}")));
        }
        assert!(!known.has(&statement("select 0")));
        let long = statement(&format!("select '{}'", "x".repeat(MAX_TEXT_BYTES)));
        known.learn(&long);
        assert!(!known.has(&long));
    }
}
