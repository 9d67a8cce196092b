//! A statement with its literals left out.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use model::{FingerprintId, ShapeId};

use crate::{Class, Facts, SessionEffect, Unparsed};

/// A statement with its literals left out, known to the registry from its first execution on.
#[derive(Debug)]
pub struct Shape {
    /// The strict id, the registry's key.
    pub id: ShapeId,
    /// The id with lists of constants squashed.
    pub fingerprint: FingerprintId,
    /// The normalised text, for reading: literals are `$n`, comments are gone, white space is
    /// folded, long lists are squashed. At most [`Shape::TEXT_LIMIT`] bytes, and then ends in `…`.
    pub text: Arc<str>,
    /// What kind of statement.
    pub class: Class,
    /// What it may leave behind in the session.
    pub effect: SessionEffect,
    /// The class's name, for reports.
    pub keyword: &'static str,
    /// The statement has [`Shape::STATEMENT_LIMIT`] bytes or more: what follows them was not looked
    /// at and counts neither in the ids nor in `class` and `effect`.
    pub truncated: bool,
    wants_sample: AtomicBool,
    facts: OnceLock<Result<Arc<Facts>, Unparsed>>,
    /// The registry's sweep number at the last use.
    used: AtomicU32,
}

/// What a shape is known to be when it is first met.
pub(crate) struct ShapeParts {
    pub(crate) id: ShapeId,
    pub(crate) fingerprint: FingerprintId,
    pub(crate) text: Arc<str>,
    pub(crate) class: Class,
    pub(crate) effect: SessionEffect,
    pub(crate) truncated: bool,
}

impl Shape {
    /// The longest normalised text kept, in bytes.
    pub const TEXT_LIMIT: usize = 8 * 1024;
    /// How much of a statement is looked at, in bytes. A caller that has more may hand over just
    /// the first that many and gets the same shape.
    pub const STATEMENT_LIMIT: usize = 64 * 1024;

    pub(crate) fn new(parts: ShapeParts, used: u32) -> Self {
        Self {
            id: parts.id,
            fingerprint: parts.fingerprint,
            text: parts.text,
            class: parts.class,
            effect: parts.effect,
            keyword: parts.class.name(),
            truncated: parts.truncated,
            wants_sample: AtomicBool::new(false),
            facts: OnceLock::new(),
            used: AtomicU32::new(used),
        }
    }

    /// The shape that stands for everything that the registry has no room to remember. Class and
    /// effect are the statement's own: pinning depends on them.
    #[must_use]
    pub fn others(class: Class, effect: SessionEffect) -> Arc<Self> {
        Arc::new(Self::new(
            ShapeParts {
                id: ShapeId::OTHERS,
                fingerprint: FingerprintId::OTHERS,
                text: Arc::from("(others)"),
                class,
                effect,
                truncated: false,
            },
            0,
        ))
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
