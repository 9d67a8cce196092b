//! Prepared statements by content.
//!
//! A client names its statements as it likes; servers know them by names of ours. The same text with
//! the same parameter types is one [`Statement`] whoever prepared it, so that clients share what a
//! server has already parsed.

mod server;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::{FixedState, RandomState};

use model::Tags;
use sql::Shape;

use crate::plan_trial::PlanTimes;
use crate::reading::Reading;
pub use crate::server_name::{SERVER_NAME_PREFIX, ServerName, SpelledName};
pub use server::{Preparation, ServerStatements};

/// A statement as a client prepared it.
#[derive(Debug)]
pub struct Statement {
    text: Box<[u8]>,
    types: Box<[u8]>,
    hash: u64,
    reading: Reading,
    /// Set for a text too long to be kept: it is on one server only, and equal only to itself.
    kept: bool,
    /// When the client prepared it, counted in changes of tables under statements; see
    /// [`ServerStatements::doubt`].
    epoch: u64,
    /// What it looks like.
    pub shape: Arc<Shape>,
    /// A hash of the literals in its text.
    pub values: u64,
    /// What the comments in its text say.
    pub tags: Option<Arc<Tags>>,
    /// How long it takes, where the unnamed statement is served from a named one.
    pub(crate) plan_times: PlanTimes,
}

/// A hash of what makes two statements the same to a server.
#[must_use]
pub(crate) fn content_hash(text: &[u8], types: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    text.hash(&mut hasher);
    types.hash(&mut hasher);
    hasher.finish()
}

impl Statement {
    /// A statement whose text is kept, so that it can be prepared on any server.
    #[must_use]
    pub fn new(text: &[u8], types: &[u8], shape: Arc<Shape>, values: u64) -> Self {
        let hash = content_hash(text, types);
        Self {
            text: text.into(),
            types: types.into(),
            hash,
            reading: Reading::With(0),
            kept: true,
            epoch: 0,
            shape,
            values,
            tags: None,
            plan_times: PlanTimes::default(),
        }
    }

    /// A statement too long to be kept. The client must stay on the server that has it.
    #[must_use]
    pub fn not_kept(shape: Arc<Shape>) -> Self {
        let (text, types) = (Box::default(), Box::default());
        Self {
            text,
            types,
            hash: 0,
            reading: Reading::Alone,
            kept: false,
            epoch: 0,
            shape,
            values: 0,
            tags: None,
            plan_times: PlanTimes::default(),
        }
    }

    /// Another one of the same content.
    #[must_use]
    pub fn again(&self) -> Self {
        let (shape, tags) = (Arc::clone(&self.shape), self.tags.clone());
        let other = if self.kept {
            Self::new(&self.text, &self.types, shape, self.values)
        } else {
            Self::not_kept(shape)
        };
        other.read_as(self.reading).in_epoch(self.epoch).tagged(tags)
    }

    /// The same, read so.
    #[must_use]
    pub fn read_as(mut self, reading: Reading) -> Self {
        self.hash ^= self.reading.bits() ^ reading.bits();
        self.reading = reading;
        self
    }

    /// How it is read.
    pub(crate) fn reading(&self) -> Reading {
        self.reading
    }

    /// The same, prepared in this epoch.
    #[must_use]
    pub fn in_epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }

    /// The same; its comments say this.
    #[must_use]
    pub fn tagged(mut self, tags: Option<Arc<Tags>>) -> Self {
        self.tags = tags;
        self
    }

    /// The text, or nothing for one that is not kept.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Parameter types as in a Parse body.
    #[must_use]
    pub fn types(&self) -> &[u8] {
        &self.types
    }

    /// When the client prepared it; see [`Self::in_epoch`].
    #[must_use]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The hash of its content.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// Whether it has this content, and is read so.
    pub(crate) fn is(&self, text: &[u8], types: &[u8], reading: Reading) -> bool {
        self.kept && self.reading == reading && *self.text == *text && *self.types == *types
    }

    /// Whether its text is kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.kept
    }
}

/// Compares by content.
#[derive(Clone, Debug)]
pub(crate) struct ByContent(pub(crate) Arc<Statement>);

impl PartialEq for ByContent {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}
impl Eq for ByContent {}
impl Hash for ByContent {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

/// Whether two statements are the same to a server.
#[must_use]
pub fn same(a: &Arc<Statement>, b: &Arc<Statement>) -> bool {
    let are_read_alike = || a.reading == b.reading && a.reading != Reading::Alone;
    Arc::ptr_eq(a, b)
        || (a.kept
            && b.kept
            && a.hash == b.hash
            && are_read_alike()
            && a.text == b.text
            && a.types == b.types)
}

/// The statements of a client.
#[derive(Debug, Default)]
pub struct ClientStatements {
    named: HashMap<Box<[u8]>, Arc<Statement>, RandomState>,
    unnamed: Option<Arc<Statement>>,
}

impl ClientStatements {
    /// The statement of this name; the empty name is the unnamed statement.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Arc<Statement>> {
        if name.is_empty() { self.unnamed.as_ref() } else { self.named.get(name) }
    }

    /// Remembers a statement.
    pub fn insert(&mut self, name: &[u8], statement: Arc<Statement>) {
        if name.is_empty() {
            self.unnamed = Some(statement);
        } else {
            self.named.insert(name.into(), statement);
        }
    }

    /// Forgets the statement of this name.
    pub fn remove(&mut self, name: &[u8]) -> Option<Arc<Statement>> {
        if name.is_empty() { self.unnamed.take() } else { self.named.remove(name) }
    }

    /// Forgets `name` if it still stands for `statement`: its Parse failed.
    pub fn undo(&mut self, name: &[u8], statement: &Arc<Statement>) {
        if self.get(name).is_some_and(|found| Arc::ptr_eq(found, statement)) {
            self.remove(name);
        }
    }

    /// Forgets all: DEALLOCATE ALL or DISCARD ALL.
    pub fn clear(&mut self) {
        self.named.clear();
        self.unnamed = None;
    }

    /// All of them, with their names; the unnamed one has an empty name.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Arc<Statement>)> {
        let unnamed = self.unnamed.iter().map(|statement| (&b""[..], statement));
        self.named.iter().map(|(name, statement)| (&**name, statement)).chain(unnamed)
    }

    /// Whether one of them is too long to be kept.
    #[must_use]
    pub fn any_not_kept(&self) -> bool {
        self.named.values().chain(&self.unnamed).any(|statement| !statement.kept)
    }

    /// The client's name for a statement.
    #[must_use]
    pub fn name_of(&self, statement: &Arc<Statement>) -> Option<&[u8]> {
        if self.unnamed.as_ref().is_some_and(|unnamed| same(unnamed, statement)) {
            return Some(b"");
        }
        self.named.iter().find(|(_, found)| same(found, statement)).map(|(name, _)| &**name)
    }

    /// Named statements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.named.len()
    }

    /// Whether there is no named statement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn statement(text: &str) -> Arc<Statement> {
        let registry = sql::ShapeRegistry::new(100);
        let observed = registry.observe_one(text.as_bytes());
        Arc::new(Statement::new(text.as_bytes(), &[0, 0], observed.shape, observed.values))
    }

    #[test]
    fn a_failed_parse_does_not_take_a_newer_statement_of_the_name_with_it() {
        let mut client = ClientStatements::default();
        let (old, new) = (statement("select 1"), statement("select 2"));
        client.insert(b"s", Arc::clone(&old));
        client.insert(b"s", Arc::clone(&new));
        client.undo(b"s", &old);
        assert!(client.get(b"s").is_some());
        client.undo(b"s", &new);
        assert!(client.get(b"s").is_none());
    }
}
