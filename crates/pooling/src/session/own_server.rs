//! Statements whose effect depends on what a server process has done before: they run on a server
//! connection that no other client has used.

use sql::Shape;
use wire::backend::TransactionStatus;

use super::client::Taken;
use super::effect::{Effect, may_need_own_server};
use super::probe::Doubt;
use super::{ClientSession, Io, ServerSession};

impl ClientSession {
    /// Some statements must not run on a server connection that others have used before. Only while
    /// nothing of the client's own is left on it can it be changed for another. `text` is of a message
    /// that nothing has been done about yet, and `shape` is its first statement's.
    pub(super) fn need_own_server(
        &mut self,
        shape: &Shape,
        text: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Option<Taken> {
        if !server.shared || !may_need_own_server(shape.effect) {
            return None;
        }
        let nothing_runs = self.status == TransactionStatus::Idle && self.replies.owes_nothing();
        if !nothing_runs || self.mid_client_message() || !self.pins.is_empty() {
            return None;
        }
        if !Effect::of(shape, text).needs_own_server(shape) {
            return None;
        }
        if self.doubt != Doubt::None {
            if !self.replies.has_question() {
                self.ask_if_in_doubt(server, io);
            }
            return Some(Taken::NeedsAnswer);
        }
        // Settings that were written on attach go down with this one.
        self.replies.clear().for_each(drop);
        self.quiet = true;
        Some(Taken::NeedsOwnServer)
    }
}
