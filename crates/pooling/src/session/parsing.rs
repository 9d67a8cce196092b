//! The client's Parse.

use std::sync::Arc;

use sql::{Class, SessionEffect};
use wire::frame::{Head, write_head};
use wire::frontend::{self, Bind, Parse};

use super::client::Taken;
use super::pins::PinReason;
use super::refusal::IN_ITS_PLACE;
use super::{ClientSession, Io, ServerSession};
use crate::error::PoolingError;
use crate::plan_trial::Trial;
use crate::prepared::Statement;
use crate::replies::Expected;

impl ClientSession {
    pub(super) fn parse(
        &mut self,
        head: Head,
        front: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Result<Taken, PoolingError> {
        let whole = head.body == front.len();
        let read = if whole { Parse::read(front) } else { Parse::read_front(front) };
        let parse = read.map_err(PoolingError::Client)?;
        let is_kept = whole || parse.name.is_empty();
        let known = match whole {
            true => self.known.find(parse.text, parse.types, self.reading()),
            false => None,
        };
        let is_known = known.is_some();
        let (statement, refused) = match known {
            Some(statement) => {
                if let Some(taken) = self.need_own_server(&statement.shape, parse.text, server, io)
                {
                    return Ok(taken);
                }
                self.accept(front, server, io);
                self.guard_sequences(&statement.shape, false, server, io);
                let refused = self.refusal_of_parse(&statement.shape, parse.text, is_kept);
                let trace = self.traces.of_parse(parse.text, io.shapes);
                self.traces.parsed(trace, &statement);
                (statement, refused)
            }
            None => {
                let observed = io.shapes.observe_one(parse.text);
                if let Some(taken) = self.need_own_server(&observed.shape, parse.text, server, io) {
                    return Ok(taken);
                }
                self.accept(front, server, io);
                self.guard_sequences(&observed.shape, false, server, io);
                let trace = self.traces.of_text(parse.text, &observed);
                let tags = self.comments.tags(parse.text, &observed);
                let refused = self.refusal_of_parse(&observed.shape, parse.text, is_kept);
                let statement = if whole {
                    Statement::new(parse.text, parse.types, observed.shape, observed.values)
                        .read_as(self.reading().of(parse.text))
                        .in_epoch(self.known.epoch())
                } else {
                    if refused.is_none() {
                        self.pins.add(PinReason::LargeStatement);
                    }
                    Statement::not_kept(observed.shape)
                };
                let statement = Arc::new(statement.tagged(tags));
                self.traces.parsed(trace, &statement);
                (statement, refused)
            }
        };
        self.meter.client_parse();
        if refused.is_some() {
            if parse.name.is_empty() {
                self.statements.remove(b"");
            }
            server.statements.set_unnamed(None);
            frontend::write_parse(io.to_server, b"", IN_ITS_PLACE, &[0, 0]);
            let name = parse.name.into();
            self.replies.push(Expected::Parse { name, statement, server: None, refused });
            self.quiet = false;
            return Ok(Taken::Replaced);
        }
        if parse.name.is_empty() {
            self.unnamed_by_name = is_known && self.is_served_by_name(&statement);
            if !self.unnamed_by_name {
                self.meter.server_parse();
                server.statements.set_unnamed(Some(Arc::clone(&statement)));
                self.statements.insert(b"", Arc::clone(&statement));
                self.unpin_large();
                let name = Box::default();
                let expected = Expected::Parse { name, statement, server: None, refused: None };
                self.expect(expected, head, front, io);
                return Ok(Taken::Forwarded);
            }
        } else if self.statements.get(parse.name).is_some() {
            // The name is taken: the server must say so, and undo what the pipeline did before. It
            // does when it is given a name that it has; the error is put into the client's words.
            self.duplicate(parse.name, statement, server, io);
            return Ok(Taken::Replaced);
        }
        self.parse_by_name(head, front, statement, server, io);
        if parse.name.is_empty() {
            self.unpin_large();
        }
        Ok(Taken::Forwarded)
    }

    /// Prepares under a name of ours, unless the server has the statement already.
    fn parse_by_name(
        &mut self,
        head: Head,
        front: &[u8],
        statement: Arc<Statement>,
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) {
        let client_name = front.split(|byte| *byte == 0).next().unwrap_or_default();
        let preparation = server.statements.prepare(&statement, io.now, None);
        self.write_closes(&preparation.close, io);
        self.statements.insert(client_name, Arc::clone(&statement));
        let name = client_name.into();
        let ours = preparation.name.spelled();
        let ours = ours.as_bytes();
        if preparation.parse {
            self.meter.server_parse();
            let server = Some(preparation.name);
            self.replies.push(Expected::Parse { name, statement, server, refused: None });
            self.quiet = false;
            let body = head.body - client_name.len() + ours.len();
            write_head(io.to_server, Head { kind: head.kind, body });
            io.to_server.extend_from_slice(ours);
            io.to_server.extend_from_slice(&front[client_name.len()..]);
        } else if self.is_refused_in_block(&statement) {
            frontend::write_parse(io.to_server, ours, statement.text(), statement.types());
            self.replies.push(Expected::Parse { name, statement, server: None, refused: None });
            self.quiet = false;
        } else {
            self.replies.push(Expected::LocalParseComplete { name, statement });
            self.answer_local(io.to_client);
        }
    }

    /// Whether the unnamed statement is served from a named one, which is parsed and perhaps planned
    /// once for many executions: for statements that have a plan, do nothing to the session, and were
    /// parsed before.
    pub(super) fn is_served_by_name(&self, statement: &Statement) -> bool {
        let has_plan = matches!(
            statement.shape.class,
            Class::Select
                | Class::Insert
                | Class::Update
                | Class::Delete
                | Class::Merge
                | Class::Values
                | Class::With
        );
        self.known.serves_unnamed()
            && has_plan
            && statement.shape.effect == SessionEffect::None
            && !statement.plan_times.is_worse()
    }

    /// Whether the execution of what is bound is to be watched. Not the first on a connection: it may
    /// stand behind the Parse.
    pub(super) fn trial(
        &self,
        bind: &Bind<'_>,
        statement: &Arc<Statement>,
        server: &mut ServerSession,
    ) -> Option<Trial> {
        if !bind.statement.is_empty() || !self.unnamed_by_name {
            return None;
        }
        Self::watched(statement, server)
    }

    /// One more execution of a statement that the client has not named, on a server that has it.
    pub(super) fn watched(statement: &Arc<Statement>, server: &mut ServerSession) -> Option<Trial> {
        let before = server.statements.count_bind(statement)?;
        (before > 0).then(|| Trial::new(statement, before))
    }
}
