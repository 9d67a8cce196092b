//! A statement with its literals left out.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use model::{FingerprintId, ShapeId, StrictId};

use crate::canonical::{self, Ids};
use crate::normalise::normalise;
use crate::{Bindable, Calls, Class, Facts, SessionEffect, Unparsed};

/// A statement with its literals left out, known to the registry from its first execution on.
#[derive(Debug)]
pub struct Shape {
    /// What the lexical pass tells apart; the registry's key.
    pub id: ShapeId,
    /// What kind of statement.
    pub class: Class,
    /// What it may leave behind in the session.
    pub effect: SessionEffect,
    /// The functions that it may call, of which nobody knows what they leave behind.
    pub calls: Calls,
    /// Which of its constants may be bound as parameters instead.
    pub bindable: Bindable,
    /// The class's name, for reports.
    pub keyword: &'static str,
    /// The statement has [`Shape::STATEMENT_LIMIT`] bytes or more: what follows them was not looked
    /// at and counts neither in the ids nor in `class` and `effect`.
    pub truncated: bool,
    described: OnceLock<Description>,
    /// What is to be described; gone once it is.
    source: Mutex<Option<Source>>,
    wants_sample: AtomicBool,
    facts: OnceLock<Result<Arc<Facts>, Unparsed>>,
    /// The registry's sweep number at the last use.
    used: AtomicU32,
}

/// What is worked out when it is first asked for.
#[derive(Clone, Debug)]
struct Description {
    ids: Ids,
    text: Arc<str>,
}

/// A statement's text with its values, which nobody is to read.
struct Source(Box<[u8]>);

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("bytes", &self.0.len()).finish()
    }
}

/// Longer texts are described at once: shapes that wait to be described shall not take much memory.
const SOURCE_LIMIT: usize = 2 * 1024;

/// What a shape is known to be when it is first met.
pub(crate) struct ShapeParts {
    pub(crate) id: ShapeId,
    /// The statement as it was met, as far as it is looked at.
    pub(crate) source: Box<[u8]>,
    pub(crate) class: Class,
    pub(crate) effect: SessionEffect,
    pub(crate) calls: Calls,
    pub(crate) bindable: Bindable,
    pub(crate) truncated: bool,
}

impl Shape {
    /// The longest normalised text kept, in bytes.
    pub const TEXT_LIMIT: usize = 8 * 1024;
    /// How much of a statement is looked at, in bytes. A caller that has more may hand over just
    /// the first that many and gets the same shape.
    pub const STATEMENT_LIMIT: usize = 64 * 1024;

    pub(crate) fn new(parts: ShapeParts, used: u32) -> Self {
        let long = parts.source.len() > SOURCE_LIMIT;
        let shape = Self {
            id: parts.id,
            described: OnceLock::new(),
            source: Mutex::new(Some(Source(parts.source))),
            class: parts.class,
            effect: parts.effect,
            calls: parts.calls,
            bindable: parts.bindable,
            keyword: parts.class.name(),
            truncated: parts.truncated,
            wants_sample: AtomicBool::new(false),
            facts: OnceLock::new(),
            used: AtomicU32::new(used),
        };
        if long {
            shape.description();
        }
        shape
    }

    /// The id that is the same for statements that pg_stat_statements on PostgreSQL 15 counts
    /// together, as far as the text tells. Worked out when first asked for, as the fingerprint and
    /// the text are: not on the data path.
    #[must_use]
    pub fn strict(&self) -> StrictId {
        self.description().ids.strict
    }

    /// The id with lists of constants squashed and without the constants' types.
    #[must_use]
    pub fn fingerprint(&self) -> FingerprintId {
        self.description().ids.fingerprint
    }

    /// The normalised text, for reading: literals are `$n`, comments are gone, white space is
    /// folded, long lists are squashed. At most [`Shape::TEXT_LIMIT`] bytes, and then ends in `…`.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.description().text
    }

    fn description(&self) -> &Description {
        self.described.get_or_init(|| {
            let source = self.source.lock().unwrap_or_else(PoisonError::into_inner).take();
            let text = source.as_ref().map_or(&[][..], |source| &source.0);
            Description {
                ids: canonical::ids(text, self.class, self.truncated),
                text: Arc::from(normalise(text, self.truncated)),
            }
        })
    }

    /// The shape that stands for everything that the registry has no room to remember. Class,
    /// effect and calls are the statement's own: pinning depends on them.
    #[must_use]
    pub fn others(class: Class, effect: SessionEffect, calls: Calls) -> Arc<Self> {
        let (id, source, truncated) = (ShapeId::OTHERS, Box::default(), false);
        let bindable = Bindable::default();
        let parts = ShapeParts { id, source, class, effect, calls, bindable, truncated };
        let ids = Ids { strict: StrictId::OTHERS, fingerprint: FingerprintId::OTHERS };
        let text = Arc::from("(others)");
        let shape = Self {
            described: OnceLock::from(Description { ids, text }),
            source: Mutex::default(),
            ..Self::new(parts, 0)
        };
        Arc::new(shape)
    }

    /// Asks for the text and the values of the next execution. No effect on the others' row, whose
    /// executions have nothing in common.
    pub fn request_sample(&self) {
        if self.id != ShapeId::OTHERS {
            self.wants_sample.store(true, Ordering::Relaxed);
        }
    }

    /// Takes the request: true once for each [`Shape::request_sample`].
    #[must_use]
    pub fn take_sample_request(&self) -> bool {
        // The plain load keeps the usual case (no request) free of a locked instruction.
        self.wants_sample.load(Ordering::Relaxed)
            && self.wants_sample.swap(false, Ordering::Relaxed)
    }

    /// What the parser found; none before [`Shape::set_facts`] and where it could not read the text.
    #[must_use]
    pub fn facts(&self) -> Option<&Arc<Facts>> {
        self.facts.get().and_then(|outcome| outcome.as_ref().ok())
    }

    /// Keeps the parser's outcome; the first one stays.
    pub fn set_facts(&self, outcome: Result<Facts, Unparsed>) {
        let _already_set = self.facts.set(outcome.map(Arc::new));
    }

    /// Whether the parser could read the text; none while it has not been tried.
    #[must_use]
    pub fn parsed(&self) -> Option<bool> {
        self.facts.get().map(Result::is_ok)
    }

    /// Notes a use in the given sweep period.
    pub(crate) fn mark_used(&self, sweep: u32) {
        if self.used.load(Ordering::Relaxed) != sweep {
            self.used.store(sweep, Ordering::Relaxed);
        }
    }

    /// The sweep period of the last use.
    pub(crate) fn last_used(&self) -> u32 {
        self.used.load(Ordering::Relaxed)
    }
}
