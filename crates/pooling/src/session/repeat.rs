//! What is sent again when a table has changed under a statement that only pgweir has prepared.
//!
//! A driver that prepares each statement anew never meets "cached plan must not change result type".
//! Where its unnamed statement is served from a named one it would. The error comes with the Bind,
//! before anything has run; so what was sent from there on is sent once more, with a Parse of its own,
//! and the client does not hear of it.

use std::sync::Arc;

use wire::backend::TransactionStatus;
use wire::frontend::{self, Bind};

use super::server::Fate;
use super::{ClientSession, ClientStep, Io, ServerSession};
use crate::replies::Expected;

/// Longer requests are not kept: the client is told of the error.
const MAX_BYTES: usize = 16 * 1024;

/// Where a request that may be sent again begins in the bytes at hand.
pub(super) type From = Option<usize>;

impl ClientSession {
    /// A Bind is to be sent. If it is the first that the server gets, and outside of a transaction,
    /// all that follows it can be sent again.
    pub(super) fn begin_repeatable(&mut self, bind: &Bind<'_>) {
        self.may_repeat = bind.statement.is_empty()
            && self.unnamed_by_name
            && self.quiet
            && self.status == TransactionStatus::Idle;
    }

    /// A message was dealt with: `input` ends with it, and it begins at `at`. Keeps the request once
    /// its Sync is there.
    pub(super) fn follow_repeatable(&mut self, kind: u8, input: &[u8], at: usize, from: &mut From) {
        if kind == frontend::BIND && std::mem::take(&mut self.may_repeat) {
            *from = Some(at);
            return;
        }
        self.repeatable = None;
        match kind {
            frontend::DESCRIBE | frontend::EXECUTE => {}
            frontend::SYNC => {
                let request = from.take().and_then(|from| input.get(from..));
                self.repeatable =
                    request.filter(|request| request.len() <= MAX_BYTES).map(Into::into);
            }
            _ => *from = None,
        }
    }

    /// The statement that the server has under a name of ours is not valid any more. Sends the request
    /// again, if it can be; what becomes of the error then.
    pub(super) fn repeat(&mut self, server: &mut ServerSession, io: &mut Io<'_>) -> Option<Fate> {
        let is_first = matches!(self.replies.front(), Some(Expected::Bind));
        let request = self.repeatable.take().filter(|_| is_first)?;
        let statement = self.statements.get(b"").filter(|statement| statement.is_kept())?;
        let anew = statement.again().in_epoch(self.known.epoch());
        let executes = self
            .replies
            .skip_to_sync()
            .filter(|expected| matches!(expected, Expected::Execute))
            .count();
        self.meter.abandon(executes);
        // Its ReadyForQuery is not the one that the client waits for.
        if let Some(sync @ Expected::Sync) = self.replies.front_mut() {
            *sync = Expected::OwnSync;
        }
        self.statements.insert(b"", Arc::new(anew));
        // The server's own, of the same text, is as old.
        server.statements.set_unnamed(None);
        self.unnamed_by_name = false;
        match self.on_client(&request, Some(server), io) {
            Ok(ClientStep::More { consumed, .. }) if consumed == request.len() => {
                Some(Fate::Swallow)
            }
            // Nothing in it asks for anything else.
            _ => Some(Fate::Lost),
        }
    }
}
