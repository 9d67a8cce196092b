//! A query of the simple protocol that is served from a statement which each server parses once.
//!
//! Many applications write values into the text (PDO's emulated prepares, psycopg2, whoever runs a
//! driver behind a pooler that cannot prepare), so that the server parses and plans each query anew.
//! Where the same query has come before with other values (`sql::Bindable`), its values are bound to a
//! named statement instead. The server is sent Bind, Describe, Execute and Sync, whose answers are a
//! Query's with a BindComplete in front.
//!
//! The client hears what it would have heard. What the server has against the statement or a value it
//! says before it has described the rows, when nothing has run yet: then the client's own Query is
//! sent after all, and answered. Only outside of transaction blocks, since an error would end the
//! block; and not for clients that are pinned, whose temporary tables may hide others. docs/ARCHITECTURE.md
//! says what is not as it would be, and why it is not done unasked.

use std::sync::Arc;

use model::{PoolMode, SqlState};
use sql::{Observed, ShapeRegistry, ValuesApart};
use wire::backend::TransactionStatus;
use wire::frame::write_message;
use wire::frontend;

use super::probe::Doubt;
use super::server::Fate;
use super::{Barrier, ClientSession, Io, ServerSession};
use crate::plan_trial::Trial;
use crate::prepared::{ServerName, Statement, content_hash};
use crate::reading::Reading;
use crate::replies::Expected;

/// A query whose values are to be bound.
pub(super) struct PreparedQuery<'a> {
    statement: Arc<Statement>,
    apart: ValuesApart<'a>,
}

/// The same; the server has its statement, or is to get it first.
pub(super) struct ReadyQuery<'a> {
    query: PreparedQuery<'a>,
    name: ServerName,
}

/// What the server is sent should it refuse such a statement.
pub(super) struct AsSent {
    statement: Arc<Statement>,
    /// The body of the client's Query.
    query: Box<[u8]>,
}

/// Without the query, which has values in it.
impl std::fmt::Debug for AsSent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AsSent").field("bytes", &self.query.len()).finish_non_exhaustive()
    }
}

impl ClientSession {
    /// How a Query of these statements is served, if it is to be bound.
    pub(super) fn prepared_query<'a>(
        &self,
        observed: &[Observed],
        text: &'a [u8],
        shapes: &ShapeRegistry,
    ) -> Option<PreparedQuery<'a>> {
        let [only] = observed else { return None };
        let bindable = &only.shape.bindable;
        if bindable.is_empty() || !self.may_prepare_query() {
            return None;
        }
        let apart = bindable.take_values(text, only)?;
        let reading = self.reading();
        let statement = match self.known.find(&apart.text, bindable.types(), reading) {
            Some(statement) => statement,
            None => self.new_statement(&apart, bindable.types(), reading, shapes)?,
        };
        let serves = !statement.plan_times.is_worse();
        serves.then_some(PreparedQuery { statement, apart })
    }

    /// Whether the server is outside of a block and has nothing else to answer to the client, and no
    /// table of the client's own hides another one.
    fn may_prepare_query(&self) -> bool {
        self.known.serves_queries()
            && self.mode != PoolMode::Session
            && self.status == TransactionStatus::Idle
            && (self.quiet || (!self.replies.is_empty() && self.replies.owes_nothing()))
            && self.pins.is_empty()
            && self.doubt == Doubt::None
    }

    /// A statement that no server has: worth it if the query has come often enough.
    #[cold]
    fn new_statement(
        &self,
        apart: &ValuesApart<'_>,
        types: &[u8],
        reading: Reading,
        shapes: &ShapeRegistry,
    ) -> Option<Arc<Statement>> {
        let reading = reading.of(&apart.text);
        let hash = content_hash(&apart.text, types) ^ reading.bits();
        if reading == Reading::Alone || !self.known.sighted(hash) {
            return None;
        }
        let observed = shapes.observe_one(&apart.text);
        let statement = Statement::new(&apart.text, types, observed.shape, observed.values)
            .read_as(reading)
            .in_epoch(self.known.epoch());
        Some(Arc::new(statement))
    }

    /// Sees to it that the server has the statement. With it comes the watch over the execution, if it
    /// is to be watched; see [`Trial`].
    pub(super) fn ready_query<'a>(
        &mut self,
        query: PreparedQuery<'a>,
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> (ReadyQuery<'a>, Option<Trial>) {
        let name = self.prepare_lately_on(&query.statement, server, io);
        let trial = Self::watched(&query.statement, server);
        (ReadyQuery { query, name }, trial)
    }

    /// Sends it, in place of the Query with this body. What the client sends behind it waits, since the
    /// Query may have to follow.
    pub(super) fn send_prepared_query(
        &mut self,
        ready: ReadyQuery<'_>,
        body: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) {
        let ReadyQuery { query: PreparedQuery { statement, apart }, name } = ready;
        let name = name.spelled();
        frontend::write_bind_texts(io.to_server, name.as_bytes(), apart.values(), |value, out| {
            ValuesApart::write_value(value, out);
        });
        frontend::write_describe_unnamed_portal(io.to_server);
        frontend::write_execute_unnamed(io.to_server);
        frontend::write_empty(io.to_server, frontend::SYNC);
        server.statements.pipeline_sent();
        self.replies.push(Expected::Query {
            statements: 1,
            deallocated: None,
            refused: None,
            is_bound: true,
        });
        self.quiet = false;
        self.barrier = Barrier::Shut;
        self.as_sent = Some(AsSent { statement, query: body.into() });
    }

    /// A server has parsed the statement of the query that is due.
    pub(super) fn query_is_prepared(&self) {
        if let Some(as_sent) = &self.as_sent {
            self.known.learn(&as_sent.statement);
        }
    }

    /// An error came. If it is the server's answer to how the query was put, the query is sent as the
    /// client put it.
    pub(super) fn prepared_query_failed(
        &mut self,
        sqlstate: SqlState,
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Option<Fate> {
        let is_preparation =
            |due: &Expected| matches!(due, Expected::OwnParse(_) | Expected::OwnClose(_));
        let is_of_query = |due: &Expected| {
            is_preparation(due) || matches!(due, Expected::Query { is_bound: true, .. })
        };
        if !self.replies.front().is_some_and(is_of_query) {
            return None;
        }
        let AsSent { statement, query } = self.as_sent.take()?;
        let mut is_parsed = true;
        while self.replies.front().is_some_and(is_preparation)
            && let Some(skipped) = self.replies.pop()
        {
            self.undo_own(&skipped, server);
            is_parsed = false;
        }
        match sqlstate.as_str() {
            // A cancellation, a timeout, a server that goes: the query would have met it, too.
            code if code.starts_with("57") || code.starts_with("55") => return None,
            "26000" => server.worn = true,
            // It was valid once: it will be when it is parsed anew.
            code if is_parsed && code.starts_with("42") => server.statements.distrust(&statement),
            // A syntax error, a type that does not fit or is not known, no such operator: it will never
            // be valid with parameters.
            "42601" | "42804" | "42P18" | "42883" => self.known.refuse(&statement),
            // A value is none of its type, a table has changed or is not there, or whatever else may
            // come and go.
            _ => {}
        }
        self.meter.answered_otherwise();
        // The first ReadyForQuery is not the one that the client waits for.
        if let Some(due @ Expected::Query { .. }) = self.replies.front_mut() {
            *due = Expected::OwnSync;
        }
        write_message(io.to_server, frontend::QUERY, |body| body.extend_from_slice(&query));
        self.replies.push(Expected::Query {
            statements: 1,
            deallocated: None,
            refused: None,
            is_bound: false,
        });
        Some(Fate::Swallow)
    }
}
