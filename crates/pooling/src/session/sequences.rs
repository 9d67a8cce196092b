//! `currval` and `lastval`: what they answer was left in the server's session by `nextval`, and must
//! not be what another client has drawn.

use model::PoolMode;
use sql::{Class, SessionEffect, Shape};
use wire::backend::TransactionStatus;
use wire::frontend;

use super::{ClientSession, Io, ServerSession};
use crate::replies::Expected;

/// Whose sequence values a server connection remembers: a client's, as of one of its holds on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    client: model::ClientId,
    hold: u64,
}

impl ClientSession {
    /// A server connection was had. The values are the client's own only if it had this one last, and
    /// nobody else since.
    pub(super) fn attached_to_sequences(&mut self, server: &mut ServerSession) {
        let client = self.meter.client;
        let last = Drawn { client, hold: self.holds };
        self.foreign_sequences = self.mode != PoolMode::Session && server.drawn != Some(last);
        self.holds += 1;
        server.drawn = Some(Drawn { client, hold: self.holds });
    }

    /// A statement goes to the server, or is prepared or bound there if not `runs`. What it would
    /// read of others' values is forgotten first, so that it fails as in a session that has drawn
    /// nothing (55000).
    pub(super) fn guard_sequences(
        &mut self,
        shape: &Shape,
        runs: bool,
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) {
        if !self.foreign_sequences {
            return;
        }
        if shape.effect == SessionEffect::SequenceSession {
            self.foreign_sequences = false;
            if self.status != TransactionStatus::Failed {
                frontend::write_parse(io.to_server, b"", b"DISCARD SEQUENCES", &[0, 0]);
                frontend::write_bind_unnamed(io.to_server);
                frontend::write_execute_unnamed(io.to_server);
                server.statements.set_unnamed(None);
                self.replies.push(Expected::OwnSettings(1));
                self.quiet = false;
            }
        } else if runs && may_draw(shape.class) {
            self.foreign_sequences = false;
        }
    }
}

/// Whether a statement of this class may draw from a sequence.
fn may_draw(class: Class) -> bool {
    !matches!(
        class,
        Class::Begin | Class::Savepoint | Class::Set | Class::Show | Class::Reset | Class::Lock
    )
}
