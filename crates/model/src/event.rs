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
}

/// A transaction is over: the server connection could be given back.
#[derive(Clone, Debug)]
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
    /// A statement is done.
    Query(QueryEvent),
    /// A transaction is over.
    Transaction(TransactionEvent),
    /// A connection came, went or failed.
    Connection(ConnectionEvent),
}
