//! The prepared statements of a server connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use foldhash::fast::RandomState;

use super::{ByContent, SERVER_NAME_PREFIX, ServerName, Statement, same};

/// The statements that a server connection has.
#[derive(Debug)]
pub struct ServerStatements {
    limit: usize,
    by_content: HashMap<ByContent, Prepared, RandomState>,
    unnamed: Option<(Arc<Statement>, u64)>,
    /// Pipelines, which end with a Sync each, that were sent.
    sent: u64,
    /// Of these, those that are answered. What was prepared in one that is not may be skipped yet.
    answered: u64,
    /// Names to be closed: evicted, but the Close was not sent or did not take effect.
    orphans: Vec<ServerName>,
    next_name: u64,
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Prepared {
    name: ServerName,
    last_used: u64,
    /// How often it was bound here where it serves the unnamed statement.
    binds: u32,
    /// The epoch of the statement that was parsed; a client that prepared it later gets it anew.
    epoch: u64,
    /// When it was sent to be parsed.
    parsed: Instant,
    /// The number of the pipeline that prepared it.
    pipeline: u64,
}

/// What must be sent before a statement can be used under `name`.
#[derive(Debug, PartialEq, Eq)]
pub struct Preparation {
    /// Its name on the server.
    pub name: ServerName,
    /// Whether it must be parsed first.
    pub parse: bool,
    /// Names to close first, to stay within the limit.
    pub close: Vec<ServerName>,
}

impl ServerStatements {
    /// A connection that keeps at most `limit` named statements.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            by_content: HashMap::default(),
            unnamed: None,
            sent: 0,
            answered: 0,
            orphans: Vec::new(),
            next_name: 0,
            clock: 0,
        }
    }

    /// The statement's name here, counted as used now; if `oldest` is given, not one that was parsed
    /// before.
    ///
    /// A table may change under a statement. A client that goes on with what it has prepared gets the
    /// server's answer, as without pgweir; one that prepares again, in a later epoch, must get what is
    /// true now.
    pub fn lookup(
        &mut self,
        statement: &Arc<Statement>,
        oldest: Option<Instant>,
    ) -> Option<ServerName> {
        self.clock += 1;
        let prepared = self.by_content.get_mut(&ByContent(Arc::clone(statement)))?;
        let is_there = prepared.pipeline == self.sent || prepared.pipeline < self.answered;
        prepared.last_used = self.clock;
        let is_stale = statement.epoch > prepared.epoch
            || oldest.is_some_and(|oldest| prepared.parsed < oldest);
        (is_there && !is_stale).then_some(prepared.name)
    }

    /// Counts one more Bind of a statement that serves the unnamed one. Says how many there were on
    /// this connection; none if it does not have the statement.
    pub fn count_bind(&mut self, statement: &Arc<Statement>) -> Option<u32> {
        let prepared = self.by_content.get_mut(&ByContent(Arc::clone(statement)))?;
        let before = prepared.binds;
        prepared.binds = before.saturating_add(1);
        Some(before)
    }

    /// The client ended a pipeline: what it sends next is run even if all of that is skipped.
    pub fn pipeline_sent(&mut self) {
        self.sent += 1;
    }

    /// A pipeline was answered to its end; if `all` is, nothing is under way.
    pub fn pipeline_answered(&mut self, all: bool) {
        self.answered = if all { self.sent } else { self.sent.min(self.answered + 1) };
    }

    /// Makes room for `statement` and says what to send for it; see [`Self::lookup`].
    pub fn prepare(
        &mut self,
        statement: &Arc<Statement>,
        now: Instant,
        oldest: Option<Instant>,
    ) -> Preparation {
        if let Some(name) = self.lookup(statement, oldest) {
            return Preparation { name, parse: false, close: Vec::new() };
        }
        let mut close = std::mem::take(&mut self.orphans);
        let unsettled = self.by_content.remove(&ByContent(Arc::clone(statement)));
        close.extend(unsettled.map(|prepared| prepared.name));
        while self.by_content.len() >= self.limit {
            let Some(name) = self.evict() else { break };
            close.push(name);
        }
        let name = ServerName::new(self.next_name);
        self.next_name += 1;
        let (last_used, pipeline) = (self.clock, self.sent);
        let (epoch, parsed) = (statement.epoch, now);
        let prepared = Prepared { name, last_used, binds: 0, epoch, parsed, pipeline };
        self.by_content.insert(ByContent(Arc::clone(statement)), prepared);
        Preparation { name, parse: true, close }
    }

    /// What was parsed means something else by now: it is parsed anew when it is next wanted.
    pub(crate) fn distrust(&mut self, statement: &Arc<Statement>) {
        let removed = self.by_content.remove(&ByContent(Arc::clone(statement)));
        self.orphans.extend(removed.map(|prepared| prepared.name));
    }

    /// Drops the statement used least recently; one that is not kept exists only here and stays.
    fn evict(&mut self) -> Option<ServerName> {
        let oldest = self
            .by_content
            .iter()
            .filter(|(statement, _)| statement.0.kept)
            .min_by_key(|(_, prepared)| prepared.last_used)
            .map(|(statement, _)| statement.clone())?;
        self.by_content.remove(&oldest).map(|prepared| prepared.name)
    }

    /// The Parse of `name` failed or was never run.
    pub fn forget(&mut self, name: ServerName) {
        self.by_content.retain(|_, prepared| prepared.name != name);
    }

    /// The statement that has this name here.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&Arc<Statement>> {
        let number = name.strip_prefix(SERVER_NAME_PREFIX.as_bytes())?;
        let number: u64 = std::str::from_utf8(number).ok()?.parse().ok()?;
        let found =
            self.by_content.iter().find(|(_, prepared)| prepared.name == ServerName::new(number));
        found.map(|(statement, _)| &statement.0)
    }

    /// The Close of `name` was never run: it is tried again with the next preparation.
    pub fn not_closed(&mut self, name: ServerName) {
        self.orphans.push(name);
    }

    /// The server forgot all: DEALLOCATE ALL or DISCARD ALL.
    pub fn clear(&mut self) {
        self.by_content.clear();
        self.orphans.clear();
        self.unnamed = None;
    }

    /// Whether the unnamed statement here is `statement`.
    #[must_use]
    pub fn unnamed_is(&self, statement: &Arc<Statement>) -> bool {
        self.unnamed.as_ref().is_some_and(|(found, pipeline)| {
            same(found, statement) && (*pipeline == self.sent || *pipeline < self.answered)
        })
    }

    /// The unnamed statement here is now this one, or none.
    pub fn set_unnamed(&mut self, statement: Option<Arc<Statement>>) {
        self.unnamed = statement.map(|statement| (statement, self.sent));
    }

    /// Named statements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_content.len()
    }

    /// Whether there is no named statement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_content.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepared::tests::statement;

    fn prepare(server: &mut ServerStatements, statement: &Arc<Statement>) -> Preparation {
        server.prepare(statement, Instant::now(), None)
    }

    #[test]
    fn one_that_was_parsed_long_ago_or_before_a_change_is_parsed_anew() {
        let mut server = ServerStatements::new(2);
        let (a, now) = (statement("select 1"), Instant::now());
        let later = now + std::time::Duration::from_secs(1);
        let first = server.prepare(&a, now, Some(now));
        assert!(first.parse);
        assert_eq!(server.lookup(&a, Some(now)), Some(first.name));
        assert_eq!(server.lookup(&a, Some(later)), None);
        let second = server.prepare(&a, later, Some(later));
        assert_eq!((second.parse, second.close), (true, vec![first.name]));
        let changed = Arc::new(a.again().in_epoch(1));
        assert_eq!(server.lookup(&changed, None), None);
        let third = server.prepare(&changed, later, None);
        assert_eq!((third.parse, third.close), (true, vec![second.name]));
        assert_eq!(server.lookup(&a, None), Some(third.name), "whoever goes on with it has that");
        server.distrust(&a);
        assert_eq!(prepare(&mut server, &a).close, [third.name]);
    }

    #[test]
    fn clients_share_by_content_and_the_oldest_makes_room() {
        let mut server = ServerStatements::new(2);
        let (a, b, c) = (statement("select 1"), statement("select 2"), statement("select 3"));
        let first = prepare(&mut server, &a);
        assert!(first.parse && first.close.is_empty());
        let second = prepare(&mut server, &b);
        assert_eq!(prepare(&mut server, &statement("select 1")).name, first.name);
        let third = prepare(&mut server, &c);
        assert_eq!(third.close, [second.name], "b was used least recently");
        assert_eq!(server.len(), 2);
        server.forget(third.name);
        assert!(prepare(&mut server, &c).parse);
        server.not_closed(second.name);
        assert!(prepare(&mut server, &b).close.contains(&second.name), "tried again");
    }

    #[test]
    fn one_that_is_not_kept_is_equal_only_to_itself_and_stays() {
        let mut server = ServerStatements::new(1);
        let shape = statement("select 1").shape.clone();
        let (a, b) =
            (Arc::new(Statement::not_kept(shape.clone())), Arc::new(Statement::not_kept(shape)));
        assert!(!same(&a, &b) && same(&a, &a));
        prepare(&mut server, &a);
        assert!(prepare(&mut server, &b).close.is_empty());
    }
}
