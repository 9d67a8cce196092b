//! Where the application was in its trace when it sent a statement.
//!
//! A prepared text keeps the comment that it was prepared with. That comment is true of the first
//! execution behind the Parse, which drivers that prepare each statement send at once; of later ones
//! it says where the application was once, and they get no parent.

use std::sync::Arc;

use model::TraceContext;
use sql::{Observed, ShapeRegistry};

use super::ClientSession;
use crate::prepared::Statement;

/// The places in traces of one client's statements.
#[derive(Debug, Default)]
pub(super) struct Traces {
    wanted: bool,
    /// That of the statement parsed last, until it is bound.
    parsed: Option<(Arc<Statement>, Box<TraceContext>)>,
}

impl Traces {
    /// What a comment beside the statement says, if anybody wants to know.
    pub(super) fn of_text(&self, text: &[u8], observed: &Observed) -> Option<Box<TraceContext>> {
        if !self.wanted {
            return None;
        }
        sql::trace_context(text, observed).map(Box::new)
    }

    /// The same, of a text that was not looked at yet.
    pub(super) fn of_parse(
        &self,
        text: &[u8],
        shapes: &ShapeRegistry,
    ) -> Option<Box<TraceContext>> {
        if !self.wanted {
            return None;
        }
        self.of_text(text, &shapes.observe_one(text))
    }

    /// This was said in the Parse of `statement`.
    pub(super) fn parsed(&mut self, trace: Option<Box<TraceContext>>, statement: &Arc<Statement>) {
        if self.wanted {
            self.parsed = trace.map(|trace| (Arc::clone(statement), trace));
        }
    }

    /// What the Parse of `statement` said, once.
    pub(super) fn take(&mut self, statement: &Arc<Statement>) -> Option<Box<TraceContext>> {
        let (_, trace) = self.parsed.take_if(|(parsed, _)| Arc::ptr_eq(parsed, statement))?;
        Some(trace)
    }
}

impl ClientSession {
    /// The same client; events carry what its comments say of traces.
    #[must_use]
    pub fn with_traces(mut self, wanted: bool) -> Self {
        self.traces.wanted = wanted;
        self
    }
}
