//! What the pool's mode does not allow.
//!
//! A statement that is not allowed is not sent. Another goes in its place, which is sure to fail, so
//! that a block fails and a pipeline is skipped as after any error; the error is put in our words.

use model::{PoolMode, SqlState};
use sql::{Class, Observed, Shape};
use wire::backend::TransactionStatus;
use wire::error_response::{ErrorFields, Severity};

use super::ClientSession;
use super::effect::Effect;
use super::pins::PinReason;
use super::probe::Doubt;

/// Fails wherever it is run, and before it is run.
pub(super) const IN_ITS_PLACE: &[u8] =
    b"SELECT 'a statement that pool_mode does not allow'::pg_catalog.int4";

/// Why a statement is not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It would leave this in the session.
    State(PinReason),
    /// It begins a transaction block.
    Block,
}

impl Refusal {
    /// What the client is told.
    #[must_use]
    pub fn words(self) -> ErrorFields {
        match self {
            Self::State(reason) => ErrorFields::error(
                "0A000",
                format!("session state ({}) is not allowed in this pool", reason.as_str()),
            )
            .with_hint(
                "Its pool_mode is transaction_strict: every transaction may run on another server \
                 connection. Use pool_mode transaction, which keeps the connection for as long as \
                 such state is there, or session.",
            ),
            Self::Block => {
                ErrorFields::error("0A000", "transaction blocks are not allowed in this pool")
                    .with_hint(
                        "Its pool_mode is statement: every statement is a transaction of its own. \
                         Use pool_mode transaction.",
                    )
            }
        }
    }

    /// What the client is told when it is too late to refuse the statement: its connection ends.
    #[must_use]
    pub fn last_words(self) -> ErrorFields {
        let mut words = self.words();
        words.severity = Severity::Fatal;
        words
    }

    /// What the error is that stands for the refusal; none if the server would have refused the
    /// statement as well, as in a block that has failed.
    pub(super) fn of_error(refused: Option<Self>, sqlstate: SqlState) -> Option<Self> {
        refused.filter(|_| sqlstate == SqlState::from_bytes(b"22P02"))
    }
}

impl ClientSession {
    /// Whether one of a Query's statements is not allowed.
    pub(super) fn refusal(&self, observed: &[Observed], text: &[u8]) -> Option<Refusal> {
        match self.mode {
            PoolMode::Session | PoolMode::Transaction => None,
            PoolMode::TransactionStrict => observed.iter().find_map(|one| {
                refused_state(&one.shape, text.get(one.range.clone()).unwrap_or_default())
            }),
            PoolMode::Statement => {
                let bounds = |one: &&Observed| {
                    matches!(
                        one.shape.class,
                        Class::Begin | Class::Commit | Class::Rollback | Class::PrepareTransaction
                    )
                };
                let last = observed.iter().rfind(bounds)?;
                (last.shape.class == Class::Begin).then_some(Refusal::Block)
            }
        }
    }

    /// Whether what is to be prepared is not allowed. `whole`: the text is at hand, so that it can be
    /// prepared again elsewhere.
    pub(super) fn refusal_of_parse(
        &self,
        shape: &Shape,
        text: &[u8],
        is_kept: bool,
    ) -> Option<Refusal> {
        match self.mode {
            PoolMode::Session | PoolMode::Transaction => None,
            PoolMode::TransactionStrict if !is_kept => {
                Some(Refusal::State(PinReason::LargeStatement))
            }
            PoolMode::TransactionStrict => refused_state(shape, text),
            PoolMode::Statement => (shape.class == Class::Begin).then_some(Refusal::Block),
        }
    }

    /// What is there though it is not allowed, since no text told that it would be: the client must
    /// go.
    #[must_use]
    pub fn not_allowed(&self) -> Option<Refusal> {
        match self.mode {
            PoolMode::Session | PoolMode::Transaction => None,
            PoolMode::TransactionStrict => {
                let known = self.between_transactions() && self.doubt == Doubt::None;
                self.pins.reason().filter(|_| known).map(Refusal::State)
            }
            PoolMode::Statement => (self.server_is_quiet()
                && self.status != TransactionStatus::Idle)
                .then_some(Refusal::Block),
        }
    }
}

fn refused_state(shape: &Shape, text: &[u8]) -> Option<Refusal> {
    match Effect::of(shape, text) {
        // Gone with its transaction.
        Effect::Pin(PinReason::TemporaryTable) if is_dropped_on_commit(text) => None,
        Effect::Pin(reason) | Effect::Settings(_, Some(reason)) => Some(Refusal::State(reason)),
        _ => None,
    }
}

fn is_dropped_on_commit(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    let words: Vec<_> =
        text.split_ascii_whitespace().map(|word| word.trim_end_matches(';')).collect();
    words.windows(3).any(|words| words == ["on", "commit", "drop"])
}
