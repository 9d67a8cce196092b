//! The server's messages, on their way to the client.

use model::PoolMode;
use wire::backend::{self, TransactionStatus};
use wire::frame::{HEAD_BYTES, Head};

use super::{Barrier, Body, ClientSession, Io, ServerSession, ServerStep};
use crate::error::PoolingError;
use crate::replies::Expected;

/// Messages that must be understood are waited for up to this length; beyond, by their front.
const WHOLE_LIMIT_BYTES: usize = 256 * 1024;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes to the client as it is.
    Forward,
    /// It was pgweir's own business, or something was written in its place.
    Swallow,
    /// The server ends the session.
    Lost,
}

/// Whether something may be written in place of such a message, or in front of it.
fn writes_itself(kind: u8) -> bool {
    matches!(kind, backend::ERROR_RESPONSE | backend::PARAMETER_STATUS | backend::READY_FOR_QUERY)
}

impl ClientSession {
    /// Deals with a server's bytes.
    ///
    /// # Errors
    /// When the server breaks the protocol: the connection must be closed. What came before that is
    /// the client's all the same.
    pub fn on_server(
        &mut self,
        input: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Result<ServerStep, PoolingError> {
        let (mut unsent, mut consumed) = (0, 0);
        let step = self.forward_from(input, &mut unsent, &mut consumed, server, io);
        io.to_client.extend_from_slice(&input[unsent..consumed]);
        step
    }

    /// What is forwarded unchanged is copied in one piece: `input[unsent..consumed]`.
    fn forward_from(
        &mut self,
        input: &[u8],
        unsent: &mut usize,
        consumed: &mut usize,
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Result<ServerStep, PoolingError> {
        let need = loop {
            if server.body.is_none() && self.local_is_due() {
                io.to_client.extend_from_slice(&input[*unsent..*consumed]);
                *unsent = *consumed;
                self.answer_local(io.to_client);
            }
            let rest = &input[*consumed..];
            let (taken, forward) = if let Some(body) = &mut server.body {
                if rest.is_empty() {
                    break 1;
                }
                let (taken, forward) = (rest.len().min(body.remaining), body.forward);
                body.remaining -= taken;
                if body.remaining == 0 {
                    server.body = None;
                }
                (taken, forward)
            } else {
                let Some(head) = Head::from_server(rest).map_err(PoolingError::Server)? else {
                    break HEAD_BYTES;
                };
                let front = head.body.min(self.front_limit(head.kind));
                let Some(bytes) = rest.get(HEAD_BYTES..HEAD_BYTES + front) else {
                    break HEAD_BYTES + front;
                };
                // Written by the handlers themselves: whatever stands before must be there first.
                if writes_itself(head.kind) {
                    io.to_client.extend_from_slice(&input[*unsent..*consumed]);
                    *unsent = *consumed;
                }
                // Counted before it is dealt with: a statement's last message is part of it.
                if !self.own_is_due() && !self.is_bind_of_query(head.kind) {
                    self.meter.sent(head.total(), io.now);
                }
                let fate = self.message(head, bytes, server, io)?;
                if fate == Fate::Lost {
                    return Ok(ServerStep::Lost);
                }
                let forward = fate == Fate::Forward;
                if head.body > front {
                    let remaining = head.body - front;
                    server.body = Some(Body { remaining, forward, statements: false });
                }
                (HEAD_BYTES + front, forward)
            };
            if !forward {
                io.to_client.extend_from_slice(&input[*unsent..*consumed]);
                *unsent = *consumed + taken;
            }
            *consumed += taken;
        };
        Ok(ServerStep::More { consumed: *consumed, need })
    }

    /// How much of a message of this type must be at hand.
    fn front_limit(&self, kind: u8) -> usize {
        match kind {
            backend::DATA_ROW if self.own_is_due() => WHOLE_LIMIT_BYTES,
            // Rows and data go through unread.
            backend::DATA_ROW | backend::COPY_DATA => 0,
            _ => WHOLE_LIMIT_BYTES,
        }
    }

    fn local_is_due(&self) -> bool {
        self.replies.front().is_some_and(Expected::is_local)
    }

    /// Whether the server is answering something that pgweir itself sent.
    fn own_is_due(&self) -> bool {
        matches!(
            self.replies.front(),
            Some(
                Expected::OwnSettings(_)
                    | Expected::OwnQuestion
                    | Expected::OwnSync
                    | Expected::OwnParse(_)
                    | Expected::OwnClose(_)
            )
        )
    }

    /// Whether it is what a Query is not answered with, but what the server got in its place.
    fn is_bind_of_query(&self, kind: u8) -> bool {
        kind == backend::BIND_COMPLETE
            && matches!(self.replies.front(), Some(Expected::Query { is_bound: true, .. }))
    }

    /// Gives the answers of our own whose turn it is.
    pub(super) fn answer_local(&mut self, to_client: &mut Vec<u8>) {
        while self.local_is_due() {
            match self.replies.pop() {
                Some(Expected::LocalParseComplete { .. }) => {
                    backend::write_empty(to_client, backend::PARSE_COMPLETE);
                }
                Some(Expected::LocalCloseComplete { .. }) => {
                    backend::write_empty(to_client, backend::CLOSE_COMPLETE);
                }
                _ => {}
            }
        }
    }

    fn message(
        &mut self,
        head: Head,
        body: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Result<Fate, PoolingError> {
        if self.unsure && answers(head.kind) {
            self.unsure = false;
        }
        let asked = matches!(self.replies.front(), Some(Expected::OwnQuestion));
        let own = asked || matches!(self.replies.front(), Some(Expected::OwnSettings(_)));
        match head.kind {
            backend::NOTIFICATION_RESPONSE => return Ok(Fate::Forward),
            backend::NOTICE_RESPONSE if !own => return Ok(Fate::Forward),
            backend::PARAMETER_STATUS => {
                if let Some((name, value)) = backend::read_parameter_status(body)
                    && server.parameters.knows(name)
                {
                    // The client is told when its request is answered.
                    server.parameters.reported(name, value);
                    return Ok(Fate::Swallow);
                }
                return Ok(if own { Fate::Swallow } else { Fate::Forward });
            }
            backend::ERROR_RESPONSE => return Ok(self.error(body, server, io)),
            backend::READY_FOR_QUERY => return self.ready(head, body, server, io),
            backend::DATA_ROW if asked => {
                self.learn(body);
                return Ok(Fate::Swallow);
            }
            backend::COMMAND_COMPLETE if own => {
                if let Some(Expected::OwnSettings(left)) = self.replies.front_mut() {
                    *left -= 1;
                    if *left == 0 {
                        self.replies.pop();
                    }
                }
                return Ok(Fate::Swallow);
            }
            _ if own => return Ok(Fate::Swallow),
            _ => {}
        }
        let unexpected = PoolingError::Unexpected { kind: head.kind };
        let fate = match (self.replies.front_mut().ok_or(unexpected.clone())?, head.kind) {
            (Expected::Parse { statement, .. }, backend::PARSE_COMPLETE) => {
                self.known.learn(statement);
                self.replies.pop();
                Fate::Forward
            }
            (Expected::Bind, backend::BIND_COMPLETE)
            | (Expected::Close, backend::CLOSE_COMPLETE)
            | (Expected::Describe, backend::ROW_DESCRIPTION | backend::NO_DATA) => {
                self.replies.pop();
                Fate::Forward
            }
            (Expected::OwnParse(_), backend::PARSE_COMPLETE) => {
                self.query_is_prepared();
                self.replies.pop();
                Fate::Swallow
            }
            (Expected::Query { is_bound: true, .. }, backend::BIND_COMPLETE) => Fate::Swallow,
            (Expected::Query { is_bound: true, .. }, backend::ROW_DESCRIPTION) => {
                // From here on it runs.
                self.as_sent = None;
                Fate::Forward
            }
            (Expected::OwnClose(_), backend::CLOSE_COMPLETE) => {
                self.replies.pop();
                Fate::Swallow
            }
            (Expected::Describe, backend::PARAMETER_DESCRIPTION)
                if std::mem::take(&mut self.parameters_told) =>
            {
                Fate::Swallow
            }
            (Expected::Describe, backend::PARAMETER_DESCRIPTION)
            | (Expected::FunctionCall, backend::FUNCTION_CALL_RESPONSE)
            | (
                Expected::Query { .. } | Expected::Execute,
                backend::ROW_DESCRIPTION
                | backend::DATA_ROW
                | backend::COPY_OUT_RESPONSE
                | backend::COPY_DATA
                | backend::COPY_DONE,
            ) => Fate::Forward,
            (Expected::Query { .. } | Expected::Execute, backend::COPY_IN_RESPONSE) => {
                let due = self.replies.len();
                self.copy_reads = self.replies.copy_in_began();
                self.lost_sync = self.replies.len() < due;
                if self.lost_sync && self.barrier == Barrier::Shut {
                    // By a Sync that the server reads over: the next one ends the COPY.
                    self.barrier = Barrier::AtSync;
                }
                Fate::Forward
            }
            (
                Expected::Execute,
                backend::COMMAND_COMPLETE
                | backend::EMPTY_QUERY_RESPONSE
                | backend::PORTAL_SUSPENDED,
            ) => {
                self.replies.statement_done();
                self.replies.pop();
                self.complete(head, body, server, io);
                Fate::Forward
            }
            (
                Expected::Query { statements, .. },
                backend::COMMAND_COMPLETE | backend::EMPTY_QUERY_RESPONSE,
            ) => {
                // The lexer and the server may count differently (a rule that adds statements):
                // those in excess belong to the last one.
                if *statements > 0 {
                    *statements -= 1;
                    self.complete(head, body, server, io);
                }
                self.replies.statement_done();
                Fate::Forward
            }
            _ => return Err(unexpected),
        };
        Ok(fate)
    }

    /// Whether ReadyForQuery alone may be all that is left to come of this.
    fn ends_with_ready(&self, due: &Expected) -> bool {
        match due {
            Expected::Sync | Expected::OwnSync => true,
            Expected::Query { .. } | Expected::FunctionCall => self.failed,
            _ => false,
        }
    }

    fn ready(
        &mut self,
        head: Head,
        body: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Result<Fate, PoolingError> {
        let unexpected = PoolingError::Unexpected { kind: head.kind };
        let status = TransactionStatus::read(body).ok_or(unexpected.clone())?;
        let fate = match self.replies.front() {
            // Of a Sync that a COPY was thought to read over: what is due is not answered yet.
            Some(due) if self.unsure && !self.ends_with_ready(due) => return Ok(Fate::Forward),
            Some(Expected::OwnQuestion | Expected::OwnSync) => Fate::Swallow,
            Some(Expected::Query { .. } | Expected::FunctionCall | Expected::Sync) => Fate::Forward,
            None if self.unsure => {
                self.skipping = false;
                Fate::Forward
            }
            _ => return Err(unexpected),
        };
        let answered = self.replies.pop_request();
        if let Some(Expected::Query { statements, .. }) = answered {
            self.meter.abandon(statements as usize);
        }
        self.copy_reads = false;
        self.lost_sync = false;
        self.quiet = self.replies.is_local();
        if fate == Fate::Forward {
            self.interrupted = None;
        }
        if self.quiet {
            self.barrier = Barrier::Open;
        }
        if self.quiet || matches!(answered, Some(Expected::Sync | Expected::OwnSync)) {
            server.statements.pipeline_answered(self.quiet);
        }
        if matches!(answered, Some(Expected::OwnQuestion)) {
            self.answered(server, io.now);
            if self.quiet && self.status == TransactionStatus::Idle {
                self.ask_if_in_doubt(server, io);
            }
        }
        if fate == Fate::Forward {
            self.status = status;
            if self.failed && status == TransactionStatus::Idle {
                server.parameters.rolled_back(&mut self.parameters);
            }
            for (name, value) in server.parameters.answered(&mut self.parameters) {
                backend::write_parameter_status(io.to_client, &name, &value);
            }
            self.transaction_ended(status, server);
            if self.quiet {
                self.reading_is_known();
            }
            self.meter.ready(status, self.quiet, io.now, io.events);
            if status == TransactionStatus::Idle && self.quiet {
                // Portals end with their transaction (manual 55.2.3).
                self.portals.clear();
                if self.mode == PoolMode::TransactionStrict {
                    self.forget_large();
                }
                if self.mode != PoolMode::Session {
                    self.ask_if_in_doubt(server, io);
                }
            }
        }
        Ok(fate)
    }
}

/// Whether it is said only in answer to a request that is not at its end.
fn answers(kind: u8) -> bool {
    !matches!(
        kind,
        backend::READY_FOR_QUERY
            | backend::NOTIFICATION_RESPONSE
            | backend::NOTICE_RESPONSE
            | backend::PARAMETER_STATUS
    )
}
