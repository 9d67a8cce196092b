//! What is sent again when a table has changed under a statement that only pgweir has prepared.
//!
//! A driver that prepares each statement anew never meets "cached plan must not change result type".
//! Where its unnamed statement is served from a named one it would. The error comes with the Bind or
//! with the Describe, before anything has run; so what was sent from there on is sent once more, with a
//! Parse of its own, and the client does not hear of it.

use std::sync::Arc;

use wire::backend::TransactionStatus;
use wire::frame::Head;
use wire::frontend;

use super::server::Fate;
use super::{Barrier, ClientSession, ClientStep, Io, ServerSession};
use crate::replies::Expected;

/// Longer requests are not kept: the client is told of the error.
const MAX_BYTES: usize = 16 * 1024;

/// Where a request that may be sent again begins in the bytes at hand.
pub(super) type From = Option<usize>;

impl ClientSession {
    /// A Bind or a Describe of this statement is to be sent. If it is the first of the client's that
    /// the server gets, and outside of a transaction, all that follows it can be sent again.
    pub(super) fn begin_repeatable(&mut self, statement: &[u8]) {
        self.may_repeat = statement.is_empty()
            && self.unnamed_by_name
            && self.status == TransactionStatus::Idle
            && (self.quiet || (!self.replies.is_empty() && self.replies.owes_nothing()));
    }

    /// A message was dealt with: `input` ends with it, and it begins at `at`. Keeps the request once
    /// its Sync is there.
    pub(super) fn follow_repeatable(&mut self, kind: u8, input: &[u8], at: usize, from: &mut From) {
        self.repeatable = None;
        if std::mem::take(&mut self.may_repeat) {
            *from = Some(at);
            return;
        }
        match kind {
            frontend::BIND | frontend::DESCRIBE | frontend::EXECUTE => {}
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
        // Of what was sent nothing is answered yet.
        let is_first = |request: &[u8]| self.replies.len() == messages(request);
        let request = self.repeatable.take().filter(|request| is_first(request))?;
        // To a Describe the parameters were told before the error.
        self.parameters_told = matches!(self.replies.front(), Some(Expected::Describe));
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
        // Shut perhaps by its Sync, which comes again.
        self.barrier = Barrier::Open;
        match self.on_client(&request, Some(server), io) {
            Ok(ClientStep::More { consumed, .. }) if consumed == request.len() => {
                Some(Fate::Swallow)
            }
            // Nothing in it asks for anything else.
            _ => Some(Fate::Lost),
        }
    }
}

/// How many messages these are.
fn messages(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Ok(Some(head)) = Head::from_client(bytes)
        && let Some(rest) = bytes.get(head.total()..)
    {
        bytes = rest;
        count += 1;
    }
    count
}
