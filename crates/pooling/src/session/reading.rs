//! How the texts that a client prepares are read: see [`crate::reading`].

use std::borrow::Cow;
use std::sync::Arc;

use sql::{Class, SessionEffect, Shape};
use wire::backend::TransactionStatus;

use super::ClientSession;
use crate::parameters::Mention;
use crate::prepared::Statement;
use crate::reading::Reading;

impl ClientSession {
    /// How the server reads what is prepared now. While a statement is under way that may change it,
    /// nobody knows.
    pub(super) fn reading(&self) -> Reading {
        match self.reading_changes {
            Mention::None => Reading::With(self.parameters.reading()),
            Mention::Reported | Mention::Other => Reading::Alone,
        }
    }

    /// A statement is sent to be run: it may change how those behind it are read.
    pub(super) fn note_reading(&mut self, shape: &Shape, text: &[u8]) {
        let mention = match (shape.effect, shape.class) {
            // Whatever they set.
            (SessionEffect::SetConfig, _) if !names_setting(text) => Mention::Other,
            (SessionEffect::Reset, _) if is_of_all(text) => Mention::Other,
            (
                SessionEffect::Do
                | SessionEffect::DiscardAll
                | SessionEffect::SetRole
                | SessionEffect::ResetRole
                | SessionEffect::SetAuthorization,
                _,
            ) => Mention::Other,
            (
                SessionEffect::SetLocal
                | SessionEffect::SetSession
                | SessionEffect::SetConfig
                | SessionEffect::Reset,
                _,
            ) => Mention::in_text(text),
            (_, Class::Commit | Class::Rollback | Class::RollbackToSavepoint)
                if self.parameters.have_changed() =>
            {
                Mention::Reported
            }
            _ => return,
        };
        self.reading_changes = self.reading_changes.max(mention);
    }

    /// All was answered.
    pub(super) fn reading_is_known(&mut self) {
        if self.reading_changes != Mention::Other || self.status == TransactionStatus::Idle {
            self.reading_changes = Mention::None;
        }
    }

    /// A statement that the server lacks is about to be prepared there: under settings that its client
    /// may have changed since, so that it is not what it was to others.
    pub(super) fn read_now<'a>(&self, statement: &'a Arc<Statement>) -> Cow<'a, Arc<Statement>> {
        let is_as_before =
            statement.reading() == Reading::Alone || statement.reading() == self.reading();
        if is_as_before || !statement.is_kept() {
            return Cow::Borrowed(statement);
        }
        Cow::Owned(Arc::new(statement.again().read_as(self.reading())))
    }
}

/// Whether it is `RESET ALL`.
fn is_of_all(text: &[u8]) -> bool {
    text.windows(3).any(|part| part.eq_ignore_ascii_case(b"all"))
}

/// Whether a call of `set_config` says which setting it is about, and not with a bound value.
fn names_setting(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    let mut calls = text.split("set_config").skip(1);
    calls.all(|call| {
        let name = call.trim_start().strip_prefix('(');
        name.is_some_and(|name| !name.trim_start().starts_with('$'))
    })
}
