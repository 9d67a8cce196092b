//! What statements that have succeeded do to the session, and what of it holds when the transaction
//! ends.

use std::time::Instant;

use model::{Outcome, PoolMode};
use sql::{Calls, Class, SessionEffect, SettingChange};
use wire::backend::{self, TransactionStatus};
use wire::frame::Head;

use super::effect::Effect;
use super::pins::PinReason;
use super::probe::Doubt;
use super::{ClientSession, Io, ServerSession};

impl ClientSession {
    /// A statement is done.
    pub(super) fn complete(
        &mut self,
        head: Head,
        body: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) {
        let rows = match head.kind {
            backend::COMMAND_COMPLETE => backend::rows_of_tag(body),
            _ => 0,
        };
        let Some(done) = self.meter.finish(Outcome::Done, rows, io.now, io.events) else { return };
        self.calls_took_effect(&done.shape.calls, io.now);
        // A suspended portal has done some of it, and may never be finished.
        if head.kind != backend::COMMAND_COMPLETE
            && !matches!(done.effect, Effect::Pin(_) | Effect::Doubt)
        {
            return;
        }
        match done.shape.class {
            Class::Commit | Class::PrepareTransaction => self.block_ended(body, server),
            Class::Rollback => self.rolled_back(server),
            Class::Create | Class::Alter | Class::Drop => {
                self.known.routines.forget();
                // What is temporary is nobody else's.
                self.schema_changed |= done.shape.effect != SessionEffect::CreateTemporary
                    && !self.pins.has(PinReason::TemporaryTable);
            }
            _ => {}
        }
        self.took_effect(done.effect, server);
    }

    /// COMMIT was answered: with ROLLBACK, if the block had failed.
    fn block_ended(&mut self, tag: &[u8], server: &mut ServerSession) {
        if tag.starts_with(b"ROLLBACK") {
            self.rolled_back(server);
        } else {
            self.parameters.transaction_ended();
            self.journal.commit(&mut self.parameters, &mut server.parameters);
        }
    }

    fn rolled_back(&mut self, server: &mut ServerSession) {
        self.journal.discard();
        server.parameters.rolled_back(&mut self.parameters);
    }

    /// Functions were called: what they have left is asked of the server, unless they are known to
    /// leave nothing.
    pub(super) fn calls_took_effect(&mut self, calls: &Calls, now: Instant) {
        if calls.is_empty() || self.mode == PoolMode::Session {
            return;
        }
        let standing = self.known.routines.standing(calls, now);
        if standing.leaves_state {
            self.doubt.about_all();
            self.unknown_routines.extend(standing.unknown);
            self.doubtful_settings.extend(standing.settings);
        }
    }

    fn took_effect(&mut self, effect: Effect, server: &mut ServerSession) {
        match effect {
            Effect::None => {}
            Effect::Settings(changes, pin) => {
                changes.into_iter().for_each(|change| self.changed(change, server));
                if let Some(reason) = pin {
                    self.pin(reason, server);
                } else if self.pins.has(PinReason::TemporaryTable) {
                    // It may have been the search path that made them temporary.
                    self.doubt.about_pins();
                }
            }
            Effect::Pin(reason) => self.pin(reason, server),
            Effect::Doubt => self.doubt.about_all(),
            Effect::Unpin => {
                if self.pins.may_end() {
                    self.doubt.about_pins();
                }
            }
            Effect::Discard { sequences } => {
                if sequences {
                    self.pins.remove(PinReason::SequenceState);
                }
                self.doubt.about_pins();
            }
            Effect::DeallocateAll => {
                self.statements.clear();
                server.statements.clear();
                if self.pins.has(PinReason::SqlPrepare) {
                    self.doubt.about_pins();
                }
            }
            Effect::DiscardAll => {
                self.pins.clear();
                self.doubt = Doubt::None;
                self.statements.clear();
                server.statements.clear();
                self.journal.discard();
                self.parameters.reset(&server.parameters);
                self.discarded_all(server);
                self.settings_due = true;
            }
            Effect::Savepoint(name) => {
                if !self.journal.savepoint(&name) {
                    self.doubt.about_all();
                }
            }
            Effect::Release(name) => self.journal.release(&name),
            Effect::RollbackTo(name) => {
                self.journal.rollback_to(&name);
                server.parameters.rolled_back(&mut self.parameters);
            }
        }
    }

    /// DISCARD ALL leaves settings with a prefix. To take them back may fail where a library has
    /// reserved the prefix since, and is not what a client expects that has the session to itself: such
    /// a connection is closed afterwards instead.
    fn discarded_all(&mut self, server: &mut ServerSession) {
        let has_custom = !server.parameters.custom(&self.parameters).is_empty();
        server.worn |= has_custom && self.mode == PoolMode::Session;
        if server.worn {
            server.parameters.forget();
        } else {
            server.parameters.reset();
        }
    }

    /// The client must keep its server connection, at least until the server has been asked whether
    /// the state outlived the transaction that made it.
    fn pin(&mut self, reason: PinReason, server: &mut ServerSession) {
        self.pins.add(reason);
        if matches!(reason, PinReason::Load | PinReason::Module) {
            // No command takes a library out of a server process again.
            server.worn = true;
        }
        // What PREPARE prepared may do anything when it is executed.
        match reason {
            PinReason::SqlPrepare => self.doubt.about_all(),
            _ => self.doubt.about_pins(),
        }
    }

    fn changed(&mut self, change: SettingChange, server: &mut ServerSession) {
        match &change {
            // Its new value is reported.
            SettingChange::Set { name, .. } | SettingChange::Reset { name }
                if server.parameters.reports(name) =>
            {
                return self.changed_reported(&change, name, server);
            }
            SettingChange::Set { .. } => {}
            SettingChange::Reset { name } => self.settings_due |= self.parameters.asked_for(name),
            SettingChange::ResetAll => {
                server.parameters.maybe_reset(&mut self.parameters);
                self.settings_due = true;
            }
        }
        self.note_change(change);
    }

    /// What changes a setting that the server does not report holds when its transaction does.
    fn note_change(&mut self, change: SettingChange) {
        let Some(untold) = self.journal.change(change) else { return };
        self.doubt.about_all();
        if let SettingChange::Set { name, .. } | SettingChange::Reset { name } = untold {
            self.doubtful_settings.extend(sql::custom_setting(&name));
        }
    }

    fn changed_reported(&mut self, change: &SettingChange, name: &str, server: &mut ServerSession) {
        match change {
            SettingChange::Reset { .. } => {
                self.settings_due |= server.parameters.maybe_reset_one(&mut self.parameters, name);
            }
            _ => server.parameters.maybe_set(&mut self.parameters, name),
        }
        // It sets the role to none (manual, SET SESSION AUTHORIZATION).
        if name == "session_authorization" {
            self.note_change(SettingChange::Reset { name: "role".into() });
        }
    }

    /// ReadyForQuery came: a transaction that was not begun by a statement is over with it.
    pub(super) fn transaction_ended(
        &mut self,
        status: TransactionStatus,
        server: &mut ServerSession,
    ) {
        let failed = std::mem::take(&mut self.failed);
        if status != TransactionStatus::Idle {
            return;
        }
        if std::mem::take(&mut self.schema_changed) {
            self.known.next_epoch();
        }
        self.parameters.transaction_ended();
        if failed {
            self.journal.discard();
        } else {
            self.journal.commit(&mut self.parameters, &mut server.parameters);
        }
    }
}
