//! What the data path says of its work, seen from the client's side.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{ClientId, LabelId, PoolKey, Sample, ShapeId, SqlState, Tags, TraceContext};

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// CommandComplete, EmptyQueryResponse or PortalSuspended.
    Done,
    /// ErrorResponse with this code, from the server or from pgweir.
    Failed(SqlState),
    /// The client or the server went away first.
    Lost,
}

/// One statement, done.
#[derive(Clone, Debug)]
pub struct QueryEvent {
    /// Who sent it.
    pub client: ClientId,
    /// Counts the client's transactions, so that statements of one can be told from the next's.
    pub transaction: u32,
    /// Whether it ran inside an explicit transaction block.
    pub in_block: bool,
    /// What was run.
    pub shape: ShapeId,
    /// Database, user, application.
    pub labels: LabelId,
    /// A hash of the values that the shape leaves out; equal values hash equally in one process.
    pub values: u64,
    /// A hash of the literals that stand in a prepared statement's text; none where the text came by
    /// itself, in a Query message.
    pub prepared_literals: Option<u64>,
    /// When the last byte of its answer was taken from the server.
    pub finished: Instant,
    /// Time spent waiting for a server connection, charged to a transaction's first statement.
    pub wait: Duration,
    /// From the statement's arrival (less `wait`) to the first byte of its answer.
    pub first_byte: Duration,
    /// From the statement's arrival to the end of its answer, `wait` included. Time that a pipelined
    /// statement spent behind its predecessor is charged to the predecessor alone.
    pub total: Duration,
    /// Of `total`, time in which the server had to wait until the client took what it was sent.
    pub stalled: Duration,
    /// Rows returned or affected, from the command tag.
    pub rows: u64,
    /// Bytes from the client.
    pub bytes_received: u64,
    /// Bytes to the client.
    pub bytes_sent: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Text and values, when the shape asked for a sample.
    pub sample: Option<Box<Sample>>,
    /// What the application says of it in a comment, `traceparent` and the like left out.
    pub tags: Option<Arc<Tags>>,
    /// The application's place in its trace, where it said so in a comment and traces are exported.
    pub trace: Option<Box<TraceContext>>,
    /// Where the statement was all of its transaction and its event could take in the transaction's:
    /// that has none of its own then.
    pub alone: Option<Alone>,
}

/// What a transaction of one statement has beyond what the statement's event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alone {
    client_parses: u8,
    server_parses: u8,
    binds: u8,
    received_besides: u16,
    sent_besides: u16,
}

/// A transaction is over: the server connection could be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionEvent {
    /// Whose.
    pub client: ClientId,
    /// Which one, as in [`QueryEvent::transaction`].
    pub transaction: u32,
    /// Database, user, application.
    pub labels: LabelId,
    /// Whether it was an explicit block (BEGIN … COMMIT) or a single statement.
    pub block: bool,
    /// Why its client was pinned before it began; none if it was not.
    pub pinned: Option<&'static str>,
    /// When it ended.
    pub finished: Instant,
    /// From the first statement's arrival to the last ReadyForQuery, waiting for a server included.
    pub duration: Duration,
    /// Time waiting for a server connection.
    pub wait: Duration,
    /// Time in which the block was open and the server had nothing to do.
    pub idle: Duration,
    /// The longest single stretch of `idle`.
    pub longest_idle: Duration,
    /// The statement before that stretch.
    pub idle_after: ShapeId,
    /// Statements run.
    pub statements: u32,
    /// Parse messages from the client.
    pub client_parses: u32,
    /// Parse messages sent to the server.
    pub server_parses: u32,
    /// Bind messages.
    pub binds: u32,
    /// Bytes from the client.
    pub bytes_received: u64,
    /// Bytes to the client.
    pub bytes_sent: u64,
}

impl QueryEvent {
    /// Takes in the event of its transaction, if [`Self::transaction`] can give it back as it is: most
    /// transactions are one statement, and two events for each would fill the caches twice.
    pub fn absorb(&mut self, transaction: &TransactionEvent) -> bool {
        if self.alone.is_some() {
            // What follows it without a statement of its own is another transaction.
            return false;
        }
        self.alone = self.beside(transaction);
        let same = self.transaction().as_ref() == Some(transaction);
        if !same {
            self.alone = None;
        }
        same
    }

    fn beside(&self, transaction: &TransactionEvent) -> Option<Alone> {
        // Tags may change whom the statement is counted under, and not whom the transaction is.
        if self.tags.is_some() {
            return None;
        }
        let besides = |all: u64, own: u64| u16::try_from(all.checked_sub(own)?).ok();
        Some(Alone {
            client_parses: transaction.client_parses.try_into().ok()?,
            server_parses: transaction.server_parses.try_into().ok()?,
            binds: transaction.binds.try_into().ok()?,
            received_besides: besides(transaction.bytes_received, self.bytes_received)?,
            sent_besides: besides(transaction.bytes_sent, self.bytes_sent)?,
        })
    }

    /// The event of its transaction, where it has taken that in.
    #[must_use]
    pub fn transaction(&self) -> Option<TransactionEvent> {
        let alone = self.alone?;
        Some(TransactionEvent {
            client: self.client,
            transaction: self.transaction,
            labels: self.labels,
            block: false,
            pinned: None,
            finished: self.finished,
            duration: self.total,
            wait: self.wait,
            idle: Duration::ZERO,
            longest_idle: Duration::ZERO,
            idle_after: ShapeId::OTHERS,
            statements: 1,
            client_parses: alone.client_parses.into(),
            server_parses: alone.server_parses.into(),
            binds: alone.binds.into(),
            bytes_received: self.bytes_received + u64::from(alone.received_besides),
            bytes_sent: self.bytes_sent + u64::from(alone.sent_besides),
        })
    }
}

/// What happened to a client connection.
#[derive(Clone, Debug)]
pub enum ConnectionEvent {
    /// Logged in.
    Opened {
        /// Who.
        client: ClientId,
        /// Database, user, application.
        labels: LabelId,
    },
    /// Gone, politely or not.
    Closed {
        /// Who.
        client: ClientId,
        /// Database, user, application.
        labels: LabelId,
        /// How long it was logged in.
        lifetime: Duration,
    },
    /// Refused before it was logged in.
    Refused {
        /// The pool it asked for, where it came that far.
        pool: Option<PoolKey>,
        /// What it was told.
        sqlstate: SqlState,
    },
    /// A server connection could not be opened.
    ServerFailed {
        /// For which pool.
        pool: PoolKey,
        /// What the server said, or 08006 where it said nothing.
        sqlstate: SqlState,
    },
}

/// One message from the data path to the aggregator.
#[derive(Clone, Debug)]
pub enum Event {
    /// A statement is done, and its transaction with it where that is said in it.
    Query(QueryEvent),
    /// A transaction is over that no statement's event has taken in.
    Transaction(TransactionEvent),
    /// A connection came, went or failed.
    Connection(ConnectionEvent),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> QueryEvent {
        QueryEvent {
            client: ClientId(7),
            transaction: 3,
            in_block: false,
            shape: ShapeId(9),
            labels: LabelId::OTHERS,
            values: 1,
            prepared_literals: None,
            finished: Instant::now(),
            wait: Duration::from_micros(20),
            first_byte: Duration::from_micros(70),
            total: Duration::from_micros(100),
            stalled: Duration::ZERO,
            rows: 1,
            bytes_received: 60,
            bytes_sent: 500,
            outcome: Outcome::Done,
            sample: None,
            tags: None,
            trace: None,
            alone: None,
        }
    }

    fn transaction(of: &QueryEvent) -> TransactionEvent {
        TransactionEvent {
            client: of.client,
            transaction: of.transaction,
            labels: of.labels,
            block: false,
            pinned: None,
            finished: of.finished,
            duration: of.total,
            wait: of.wait,
            idle: Duration::ZERO,
            longest_idle: Duration::ZERO,
            idle_after: ShapeId::OTHERS,
            statements: 1,
            client_parses: 1,
            server_parses: 0,
            binds: 1,
            bytes_received: 65,
            bytes_sent: 506,
        }
    }

    #[test]
    fn a_transaction_of_one_statement_comes_back_as_it_was() {
        let mut query = statement();
        assert_eq!(query.transaction(), None);
        let whole = transaction(&query);
        assert!(query.absorb(&whole));
        assert_eq!(query.transaction(), Some(whole.clone()));
        let next = TransactionEvent { transaction: 4, statements: 0, ..whole.clone() };
        assert!(!query.absorb(&next) && !query.absorb(&whole), "it has one already");
        assert_eq!(query.transaction(), Some(whole), "and keeps it");
    }

    #[test]
    fn one_that_could_not_is_left_alone() {
        let changes: [fn(&mut TransactionEvent); 11] = [
            |of| of.transaction += 1,
            |of| of.block = true,
            |of| of.pinned = Some("LISTEN"),
            |of| of.finished += Duration::from_nanos(1),
            |of| of.duration += Duration::from_nanos(1),
            |of| of.wait = Duration::ZERO,
            |of| of.idle = Duration::from_nanos(1),
            |of| of.statements = 2,
            |of| of.binds = 256,
            |of| of.bytes_received = 59,
            |of| of.bytes_sent = 500 + 65_536,
        ];
        for change in changes {
            let mut query = statement();
            let mut whole = transaction(&query);
            change(&mut whole);
            assert!(!query.absorb(&whole), "{whole:?}");
            assert_eq!(query.transaction(), None);
        }
        let mut tagged = statement();
        tagged.tags = Some(Arc::default());
        assert!(!tagged.absorb(&transaction(&tagged.clone())));
    }
}
