//! Statements whose effect depends on what a server process has done before: they run on a server
//! connection that no other client has used.

use wire::backend::TransactionStatus;
use wire::frame::Head;
use wire::frontend::{self, Parse};

use super::client::Taken;
use super::effect::{Effect, may_need_own_server};
use super::probe::Doubt;
use super::{ClientSession, Io, ServerSession};

impl ClientSession {
    /// Some statements must not run on a server connection that others have used before. Only while
    /// nothing of the client's own is left on it can it be changed for another.
    pub(super) fn need_own_server(
        &mut self,
        head: Head,
        front: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Option<Taken> {
        let nothing_runs = self.status == TransactionStatus::Idle && self.replies.owes_nothing();
        if !server.shared || !nothing_runs || self.mid_client_message() || !self.pins.is_empty() {
            return None;
        }
        let text = match head.kind {
            frontend::QUERY => frontend::read_query(front),
            frontend::PARSE => Parse::read_front(front).ok()?.text,
            _ => return None,
        };
        // The first letter keeps most statements from being looked at twice.
        if !may_begin_such(text) {
            return None;
        }
        let first = io.shapes.observe_one(text);
        if !may_need_own_server(first.shape.effect)
            || !Effect::of(&first.shape, text).needs_own_server(&first.shape)
        {
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

/// Whether a text may begin, after white space, with LOAD, SELECT or SET.
fn may_begin_such(text: &[u8]) -> bool {
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_none_or(|byte| matches!(byte.to_ascii_lowercase(), b'l' | b's' | b'/' | b'-'))
}
