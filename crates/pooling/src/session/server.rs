//! The server's messages, on their way to the client.

use model::{Outcome, SqlState};
use wire::backend::{self, TransactionStatus};
use wire::error_response::{ErrorView, Severity};
use wire::frame::{HEAD_BYTES, Head, write_message};

use super::effect::Effect;
use super::measure::Running;
use super::{Body, ClientSession, Io, ServerSession, ServerStep};
use crate::error::PoolingError;
use crate::prepared::SERVER_NAME_PREFIX;
use crate::replies::Expected;

/// Messages that must be understood are waited for up to this length; beyond, by their front.
const WHOLE_LIMIT_BYTES: usize = 256 * 1024;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It goes to the client as it is.
    Forward,
    /// It was pgweir's own business, or something was written in its place.
    Swallow,
    /// The server ends the session.
    Lost,
}

impl ClientSession {
    /// Deals with a server's bytes.
    ///
    /// # Errors
    /// When the server breaks the protocol: the connection must be closed.
    pub fn on_server(
        &mut self,
        input: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Result<ServerStep, PoolingError> {
        let mut consumed = 0;
        // What is forwarded unchanged is copied in one piece: input[unsent..consumed].
        let mut unsent = 0;
        let need = loop {
            if server.body.is_none() && self.local_is_due() {
                io.to_client.extend_from_slice(&input[unsent..consumed]);
                unsent = consumed;
                self.answer_local(io.to_client);
            }
            let rest = &input[consumed..];
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
                let front = head.body.min(front_limit(head.kind));
                let Some(bytes) = rest.get(HEAD_BYTES..HEAD_BYTES + front) else {
                    break HEAD_BYTES + front;
                };
                // Written by the handlers themselves: whatever stands before must be there first.
                if matches!(head.kind, backend::ERROR_RESPONSE | backend::PARAMETER_STATUS) {
                    io.to_client.extend_from_slice(&input[unsent..consumed]);
                    unsent = consumed;
                }
                // Counted before it is dealt with: a statement's last message is part of it.
                if !self.own_is_due() {
                    self.meter.sent(head.total(), io.now);
                }
                let fate = self.message(head, bytes, server, io)?;
                if fate == Fate::Lost {
                    io.to_client.extend_from_slice(&input[unsent..consumed]);
                    return Ok(ServerStep::Lost);
                }
                let forward = fate == Fate::Forward;
                if head.body > front {
                    server.body = Some(Body { remaining: head.body - front, forward });
                }
                (HEAD_BYTES + front, forward)
            };
            if !forward {
                io.to_client.extend_from_slice(&input[unsent..consumed]);
                unsent = consumed + taken;
            }
            consumed += taken;
        };
        io.to_client.extend_from_slice(&input[unsent..consumed]);
        Ok(ServerStep::More { consumed, need })
    }

    /// Whether the server is in the middle of a message that the client has the front of.
    pub(super) fn mid_message(server: &ServerSession) -> bool {
        server.body.is_some_and(|body| body.forward)
    }

    fn local_is_due(&self) -> bool {
        matches!(
            self.replies.front(),
            Some(
                Expected::LocalParseComplete { .. }
                    | Expected::LocalCloseComplete
                    | Expected::CopyEnd
            )
        )
    }

    /// Whether the server is answering something that pgweir itself sent.
    fn own_is_due(&self) -> bool {
        matches!(
            self.replies.front(),
            Some(Expected::OwnQuery | Expected::OwnParse(_) | Expected::OwnClose(_))
        )
    }

    /// Gives the answers of our own whose turn it is.
    pub(super) fn answer_local(&mut self, to_client: &mut Vec<u8>) {
        while self.local_is_due() {
            match self.replies.pop() {
                Some(Expected::LocalParseComplete { .. }) => {
                    backend::write_empty(to_client, backend::PARSE_COMPLETE);
                }
                Some(Expected::LocalCloseComplete) => {
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
        let own = matches!(self.replies.front(), Some(Expected::OwnQuery));
        match head.kind {
            backend::NOTIFICATION_RESPONSE => return Ok(Fate::Forward),
            backend::NOTICE_RESPONSE if !own => return Ok(Fate::Forward),
            backend::PARAMETER_STATUS => {
                if let Some((name, value)) = backend::read_parameter_status(body) {
                    if self.reattach
                        && let Some(wanted) =
                            server.parameters.restored(&self.parameters, name, value)
                    {
                        backend::write_parameter_status(io.to_client, name, wanted);
                        return Ok(Fate::Swallow);
                    }
                    let client = (!own).then_some(&mut self.parameters);
                    server.parameters.reported(client, name, value);
                }
                return Ok(if own { Fate::Swallow } else { Fate::Forward });
            }
            backend::ERROR_RESPONSE => return Ok(self.error(body, server, io)),
            backend::READY_FOR_QUERY => return self.ready(head, body, io),
            _ if own => return Ok(Fate::Swallow),
            _ => {}
        }
        let unexpected = PoolingError::Unexpected { kind: head.kind };
        let fate = match (self.replies.front_mut().ok_or(unexpected.clone())?, head.kind) {
            (Expected::Parse { .. }, backend::PARSE_COMPLETE)
            | (Expected::Bind, backend::BIND_COMPLETE)
            | (Expected::Close, backend::CLOSE_COMPLETE)
            | (Expected::Describe, backend::ROW_DESCRIPTION | backend::NO_DATA) => {
                self.replies.pop();
                Fate::Forward
            }
            (Expected::OwnParse(_), backend::PARSE_COMPLETE)
            | (Expected::OwnClose(_), backend::CLOSE_COMPLETE) => {
                self.replies.pop();
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
                self.replies.copy_in_began();
                Fate::Forward
            }
            (
                Expected::Execute,
                backend::COMMAND_COMPLETE
                | backend::EMPTY_QUERY_RESPONSE
                | backend::PORTAL_SUSPENDED,
            ) => {
                self.replies.pop();
                self.complete(head, body, server, io);
                Fate::Forward
            }
            (
                Expected::Query { statements },
                backend::COMMAND_COMPLETE | backend::EMPTY_QUERY_RESPONSE,
            ) => {
                // The lexer and the server may count differently (a rule that adds statements):
                // those in excess belong to the last one.
                if *statements > 0 {
                    *statements -= 1;
                    self.complete(head, body, server, io);
                }
                Fate::Forward
            }
            _ => return Err(unexpected),
        };
        Ok(fate)
    }

    /// A statement is done.
    fn complete(
        &mut self,
        head: Head,
        body: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) {
        let rows = match head.kind {
            backend::COMMAND_COMPLETE => backend::rows_of_tag(body),
            _ => 0,
        };
        let Some(done) = self.meter.finish(Outcome::Done, rows, io.now, io.events) else { return };
        if head.kind != backend::COMMAND_COMPLETE {
            return;
        }
        match done.effect {
            Effect::None => {}
            Effect::Pin(reason) => self.pins.add(reason),
            Effect::ResetAll => self.settings_were_reset(server),
            Effect::DeallocateAll => {
                self.statements.clear();
                server.statements.clear();
            }
            Effect::DiscardAll => {
                self.pins.clear();
                self.statements.clear();
                server.statements.clear();
                self.settings_were_reset(server);
            }
        }
    }

    fn settings_were_reset(&mut self, server: &mut ServerSession) {
        self.parameters.reset();
        server.parameters.reset();
        self.reattach = true;
    }

    fn ready(
        &mut self,
        head: Head,
        body: &[u8],
        io: &mut Io<'_>,
    ) -> Result<Fate, PoolingError> {
        let unexpected = PoolingError::Unexpected { kind: head.kind };
        let status = TransactionStatus::read(body).ok_or(unexpected.clone())?;
        let fate = match self.replies.front() {
            Some(Expected::OwnQuery) => Fate::Swallow,
            Some(Expected::Query { .. } | Expected::FunctionCall | Expected::Sync) => Fate::Forward,
            _ => return Err(unexpected),
        };
        if let Some(Expected::Query { statements }) = self.replies.pop() {
            self.meter.abandon(statements as usize);
        }
        while matches!(self.replies.front(), Some(Expected::CopyEnd)) {
            self.replies.pop();
        }
        self.quiet = self.replies.is_empty();
        if fate == Fate::Forward {
            self.status = status;
            self.meter.ready(status, self.quiet, io.now, io.events);
            if status == TransactionStatus::Idle && self.quiet {
                // Portals end with their transaction (manual 55.2.3).
                self.portals.clear();
            }
        }
        Ok(fate)
    }

    fn error(&mut self, body: &[u8], server: &mut ServerSession, io: &mut Io<'_>) -> Fate {
        let view = ErrorView::new(body);
        let sqlstate = SqlState::from_bytes(view.sqlstate());
        if matches!(view.severity(), Some(Severity::Fatal | Severity::Panic)) {
            self.last_words = Some(body.to_vec());
            return Fate::Lost;
        }
        // "cached plan must not change result type": only a new Parse helps.
        if sqlstate == SqlState::from_bytes(b"0A000") && contains(body, b"RevalidateCachedQuery") {
            server.statements.doubt();
        }
        match self.replies.front_mut() {
            // A setting was refused: it was checked at login, so that this server differs from the
            // others. The client's own statements go on.
            Some(Expected::OwnQuery) => {
                server.parameters.reset();
                return Fate::Swallow;
            }
            Some(Expected::Query { statements }) => {
                let skipped = std::mem::take(statements).saturating_sub(1);
                self.meter.finish(Outcome::Failed(sqlstate), 0, io.now, io.events);
                self.meter.abandon(skipped as usize);
            }
            None | Some(Expected::FunctionCall | Expected::Sync) => {}
            Some(_) => self.pipeline_failed(sqlstate, server, io),
        }
        if contains(body, SERVER_NAME_PREFIX.as_bytes()) {
            let words = self.with_client_names(body, server);
            write_message(io.to_client, backend::ERROR_RESPONSE, |out| out.extend(words));
            return Fate::Swallow;
        }
        Fate::Forward
    }

    /// An extended-protocol message failed: what was sent up to the next Sync never happens.
    fn pipeline_failed(
        &mut self,
        sqlstate: SqlState,
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) {
        let mut executes = 0;
        let mut parsed = None;
        for expected in self.replies.skip_to_sync() {
            match expected {
                Expected::Parse { name, statement, server: on_server } => {
                    self.statements.undo(&name, &statement);
                    match on_server {
                        Some(on_server) => server.statements.forget(on_server),
                        None if name.is_empty() => server.statements.set_unnamed(None),
                        None => {}
                    }
                    parsed.get_or_insert(statement);
                }
                Expected::LocalParseComplete { name, statement } => {
                    self.statements.undo(&name, &statement);
                }
                Expected::OwnParse(Some(name)) => server.statements.forget(name),
                Expected::OwnParse(None) => server.statements.set_unnamed(None),
                Expected::OwnClose(Some(name)) => server.statements.not_closed(name),
                Expected::Execute => executes += 1,
                _ => {}
            }
        }
        self.skipping = self.replies.is_empty();
        if executes == 0
            && let Some(statement) = parsed
        {
            // It failed before it was run; it is an error of this statement all the same.
            self.meter.begin(Running {
                shape: statement.shape.clone(),
                values: statement.values,
                effect: Effect::None,
                arrived: io.now,
                received: 0,
                sample: None,
            });
            executes = 1;
        }
        if executes > 0 {
            self.meter.finish(Outcome::Failed(sqlstate), 0, io.now, io.events);
            self.meter.abandon(executes - 1);
        }
    }

    /// An error's body with the client's names for statements in place of ours.
    fn with_client_names(&self, body: &[u8], server: &ServerSession) -> Vec<u8> {
        let mut out = Vec::with_capacity(body.len());
        let mut rest = body;
        let prefix = SERVER_NAME_PREFIX.as_bytes();
        while let Some(at) = rest.windows(prefix.len()).position(|window| window == prefix) {
            out.extend_from_slice(&rest[..at]);
            rest = &rest[at..];
            let digits = rest[prefix.len()..].iter().take_while(|b| b.is_ascii_digit()).count();
            let (name, after) = rest.split_at(prefix.len() + digits);
            let ours = server.statements.find(name);
            match ours.and_then(|statement| self.statements.name_of(statement)) {
                Some(client_name) => out.extend_from_slice(client_name),
                None => out.extend_from_slice(name),
            }
            rest = after;
        }
        out.extend_from_slice(rest);
        out
    }
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// How much of a message of this type must be at hand.
fn front_limit(kind: u8) -> usize {
    match kind {
        // Rows and data go through unread.
        backend::DATA_ROW | backend::COPY_DATA => 0,
        _ => WHOLE_LIMIT_BYTES,
    }
}
