//! Which reply belongs to whom.
//!
//! PostgreSQL answers in order. So for every message sent to a server, whoever sent it, one entry
//! says what is to be done with its answer; and answers that pgweir gives itself wait in the same
//! queue for their turn.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::prepared::{ServerName, Statement};
use crate::session::Refusal;

/// A statement that SQL's DEALLOCATE is to remove.
#[derive(Clone, Debug)]
pub struct Deallocated {
    /// The client's name for it.
    pub name: Box<[u8]>,
    /// What it stands for.
    pub statement: Arc<Statement>,
    /// The server's name for it.
    pub server: ServerName,
}

/// An answer that is due.
#[derive(Clone, Debug)]
pub enum Expected {
    /// pgweir's own settings on attach: swallowed, up to that many CommandComplete.
    OwnSettings(u32),
    /// pgweir's own question about the session: its rows are read, the rest is swallowed.
    OwnQuestion,
    /// pgweir's own Parse: swallowed. None is the unnamed statement.
    OwnParse(Option<ServerName>),
    /// pgweir's own Close: swallowed. None is the unnamed statement.
    OwnClose(Option<ServerName>),
    /// ParseComplete that pgweir gives, since the server has the statement.
    LocalParseComplete {
        /// The client's name for it.
        name: Box<[u8]>,
        /// What it stands for.
        statement: Arc<Statement>,
    },
    /// CloseComplete that pgweir gives, since only the client's name goes.
    LocalCloseComplete {
        /// The name, and what it stood for; none if the client never had it.
        closed: Option<(Box<[u8]>, Arc<Statement>)>,
    },
    /// The client's Parse.
    Parse {
        /// The client's name for it.
        name: Box<[u8]>,
        /// What it stands for.
        statement: Arc<Statement>,
        /// The server's name for it; none is the unnamed statement.
        server: Option<ServerName>,
        /// Why the server got another one, which fails.
        refused: Option<Refusal>,
    },
    /// The client's Bind.
    Bind,
    /// The client's Describe.
    Describe,
    /// The client's Close, of a portal or of a statement that pgweir does not know.
    Close,
    /// The client's Execute: one running statement.
    Execute,
    /// CopyDone or CopyFail went by: no answer of its own, but Syncs sent before it are lost if a
    /// COPY was reading.
    CopyEnd,
    /// The client's Query, up to its ReadyForQuery, with that many running statements.
    Query {
        /// Statements in the string that are not answered yet.
        statements: u32,
        /// The statement that it deallocates, in case it fails.
        deallocated: Option<Box<Deallocated>>,
        /// Why the server got another one, which fails.
        refused: Option<Refusal>,
        /// The server got Bind, Describe, Execute and Sync in its place.
        is_bound: bool,
    },
    /// The client's FunctionCall, up to its ReadyForQuery.
    FunctionCall,
    /// The client's Sync.
    Sync,
    /// A Sync whose ReadyForQuery the client must not see.
    OwnSync,
}

impl Expected {
    /// Whether pgweir itself gives the answer, or there is none.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(
            self,
            Self::LocalParseComplete { .. } | Self::LocalCloseComplete { .. } | Self::CopyEnd
        )
    }
}

/// Answers that are due, in order.
#[derive(Debug, Default)]
pub struct ReplyQueue {
    queue: VecDeque<Expected>,
    /// What is due first is a COPY that reads.
    copies_in: bool,
}

impl ReplyQueue {
    /// Adds what was sent last.
    pub fn push(&mut self, expected: Expected) {
        if self.queue.capacity() == 0 {
            // A Query has one; what has more gets more.
            self.queue.reserve_exact(1);
        }
        self.queue.push_back(expected);
    }

    /// What is due first.
    #[must_use]
    pub fn front(&self) -> Option<&Expected> {
        self.queue.front()
    }

    /// What is due first, to be changed in place.
    pub fn front_mut(&mut self) -> Option<&mut Expected> {
        self.queue.front_mut()
    }

    /// Takes what is due first.
    pub fn pop(&mut self) -> Option<Expected> {
        self.queue.pop_front()
    }

    /// Whether nothing is due.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many are due.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is due from the server.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.queue.iter().all(Expected::is_local)
    }

    /// Whether a statement is due, which may end a transaction block.
    #[must_use]
    pub fn has_statement(&self) -> bool {
        let is_statement = |expected: &Expected| {
            matches!(expected, Expected::Query { .. } | Expected::Execute | Expected::FunctionCall)
        };
        self.queue.iter().any(is_statement)
    }

    /// Whether the end of a request is due.
    #[must_use]
    pub fn has_end(&self) -> bool {
        let is_end = |expected: &Expected| {
            matches!(
                expected,
                Expected::Query { .. }
                    | Expected::FunctionCall
                    | Expected::Sync
                    | Expected::OwnSync
                    | Expected::OwnQuestion
            )
        };
        // Usually the last.
        self.queue.iter().rev().any(is_end)
    }

    /// Whether the server was asked a question of pgweir's own.
    #[must_use]
    pub fn has_question(&self) -> bool {
        self.queue.iter().any(|expected| matches!(expected, Expected::OwnQuestion))
    }

    /// Whether nothing is due to the client.
    #[must_use]
    pub fn owes_nothing(&self) -> bool {
        self.queue.iter().all(|expected| {
            matches!(expected, Expected::OwnSettings(_) | Expected::OwnQuestion | Expected::OwnSync)
        })
    }

    /// An extended-protocol message failed: the server skips all that was sent up to the next Sync
    /// (manual 55.2.3). Takes what is skipped off the queue; the Sync stays.
    pub fn skip_to_sync(&mut self) -> impl Iterator<Item = Expected> + '_ {
        self.copies_in = false;
        let end = self.queue.iter().position(|expected| matches!(expected, Expected::Sync));
        let end = end.unwrap_or(self.queue.len());
        self.queue.drain(..end)
    }

    /// Whether more than what is due first, and ends of its data, stands before the next Sync.
    #[must_use]
    pub fn has_more_than_a_copy_to_skip(&self) -> bool {
        let skipped = self.queue.iter().take_while(|one| !matches!(one, Expected::Sync));
        skipped.skip(1).any(|one| !matches!(one, Expected::CopyEnd))
    }

    /// What is due first is a COPY that began to read: the server ignores every Sync up to the end of
    /// the data (manual 55.2.6), so that no ReadyForQuery comes for those that were sent before it.
    /// Anything else that stands there is answered only if the COPY has failed by then. Returns
    /// whether the end of the data is still to be sent.
    pub fn copy_in_began(&mut self) -> bool {
        self.copies_in = true;
        while matches!(self.queue.get(1), Some(Expected::Sync)) {
            self.queue.remove(1);
        }
        self.queue.len() == 1
    }

    /// A statement is done. Had it read, the first end of data was its own: the next one that is sent
    /// belongs to the next COPY of the same Query.
    pub fn statement_done(&mut self) {
        if std::mem::take(&mut self.copies_in)
            && matches!(self.queue.get(1), Some(Expected::CopyEnd))
        {
            self.queue.remove(1);
        }
    }

    /// Takes what is due first, a request that is at its end, and the ends of data that no COPY took.
    pub fn pop_request(&mut self) -> Option<Expected> {
        self.copies_in = false;
        let answered = self.queue.pop_front();
        while matches!(self.queue.front(), Some(Expected::CopyEnd)) {
            self.queue.pop_front();
        }
        answered
    }

    /// Takes all.
    pub fn clear(&mut self) -> impl Iterator<Item = Expected> + '_ {
        self.copies_in = false;
        self.queue.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(queue: &ReplyQueue) -> String {
        queue
            .queue
            .iter()
            .map(|expected| match expected {
                Expected::Execute => 'E',
                Expected::Bind => 'B',
                Expected::Sync => 'S',
                Expected::CopyEnd => 'c',
                _ => '?',
            })
            .collect()
    }

    fn queue(kinds: &str) -> ReplyQueue {
        let mut queue = ReplyQueue::default();
        for kind in kinds.chars() {
            queue.push(match kind {
                'E' => Expected::Execute,
                'B' => Expected::Bind,
                'S' => Expected::Sync,
                _ => Expected::CopyEnd,
            });
        }
        queue
    }

    #[test]
    fn an_error_skips_to_the_next_sync_and_no_further() {
        let mut replies = queue("BEBESBES");
        assert_eq!(replies.skip_to_sync().count(), 4);
        assert_eq!(kinds(&replies), "SBES");
        let mut replies = queue("BE");
        assert_eq!(replies.skip_to_sync().count(), 2);
        assert!(replies.is_empty());
    }

    #[test]
    fn a_copy_that_reads_loses_the_syncs_sent_before_its_end() {
        for (sent, left) in [("ES", "E"), ("EcS", "EcS"), ("EScS", "EcS"), ("ESS", "E")] {
            let mut replies = queue(sent);
            assert_eq!(replies.copy_in_began(), !sent.contains('c'), "{sent}");
            assert_eq!(kinds(&replies), left, "{sent}");
        }
    }

    #[test]
    fn the_end_of_a_copys_data_is_used_up_by_that_copy() {
        let mut replies = queue("EcSc");
        replies.statement_done();
        assert_eq!(kinds(&replies), "EcSc", "it has not read");
        replies.copy_in_began();
        replies.statement_done();
        assert_eq!(kinds(&replies), "ESc");
        assert!(!replies.copy_in_began(), "its end was sent, too");
        assert_eq!(kinds(&replies), "Ec");
    }
}
