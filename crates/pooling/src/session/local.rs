//! What many drivers and connection pools send between two pieces of work, and what is answered
//! without a server: statements that are known to change nothing there.
//!
//! A client that holds no server connection has no state on one. So DISCARD ALL, DEALLOCATE ALL and
//! RESET ALL are only about what pgweir keeps for it, unless it has changed settings; and a SET to the
//! value that it has already is about nothing.

use std::sync::Arc;

use model::Outcome;
use sql::{Class, SettingChange};
use wire::backend::{self, TransactionStatus};
use wire::frontend;

use super::detached::Detached;
use super::effect::Effect;
use super::measure::Running;
use super::{ClientSession, Io};

/// Longer texts are not looked at.
const MAX_TEXT_BYTES: usize = 256;

impl ClientSession {
    /// Answers a Query of one such statement. False if it is not one.
    pub(super) fn answer_locally(&mut self, body: &[u8], io: &mut Io<'_>) -> bool {
        let text = frontend::read_query(body);
        if !matches!(self.detached, Detached::Clean)
            || self.status != TransactionStatus::Idle
            || text.len() > MAX_TEXT_BYTES
            || !may_be_local(text)
        {
            return false;
        }
        let mut observed = Vec::new();
        io.shapes.observe(text, &mut observed);
        let [only] = &observed[..] else { return false };
        if only.shape.truncated || self.refusal(&observed, text).is_some() {
            return false;
        }
        let effect = Effect::of(&only.shape, text);
        let Some(tag) = self.tag_of_local(&effect, only.shape.class) else { return false };
        match effect {
            Effect::DiscardAll => {
                self.statements.clear();
                // Values of sequences that a server remembers are not this client's any more.
                self.holds += 1;
            }
            Effect::DeallocateAll => self.statements.clear(),
            // Both sides forget the unnamed statement (manual 55.2.3).
            _ => drop(self.statements.remove(b"")),
        }
        self.meter.arrived(body.len(), None, io.now);
        self.meter.begin(Running {
            values: only.values,
            ..Running::new(Arc::clone(&only.shape), Effect::None, io.now)
        });
        self.meter.finish(Outcome::Done, 0, io.now, io.events);
        backend::write_command_complete(io.to_client, tag);
        backend::write_ready(io.to_client, self.status);
        self.meter.ready(self.status, true, io.now, io.events);
        true
    }

    /// What PostgreSQL answers to a statement of this effect, if it changes nothing on any server.
    fn tag_of_local(&self, effect: &Effect, class: Class) -> Option<&'static str> {
        match effect {
            Effect::DiscardAll => self.parameters.are_as_at_startup().then_some("DISCARD ALL"),
            Effect::DeallocateAll => Some("DEALLOCATE ALL"),
            Effect::Settings(changes, None) => match &changes[..] {
                [SettingChange::ResetAll] => self.parameters.are_as_at_startup().then_some("RESET"),
                [SettingChange::Set { name, value }] if class == Class::Set => {
                    self.parameters.has(name, value).then_some("SET")
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// Whether a text may begin, after white space, with DISCARD, DEALLOCATE, RESET or SET. The first
/// letter keeps most statements from being looked at twice; of SET and SELECT, the third.
fn may_be_local(text: &[u8]) -> bool {
    let Some(from) = text.iter().position(|byte| !byte.is_ascii_whitespace()) else { return false };
    let mut letters = text[from..].iter().map(u8::to_ascii_lowercase);
    match letters.next() {
        Some(b'd') => letters.next().is_some_and(|second| matches!(second, b'i' | b'e')),
        Some(b'r') => letters.next() == Some(b'e'),
        Some(b's') => letters.nth(1) == Some(b't'),
        _ => false,
    }
}
