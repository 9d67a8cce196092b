//! The client's messages, on their way to the server.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use wire::frame::{HEAD_BYTES, Head, write_head, write_message};
use wire::frontend::{self, Bind, Parse, Target};

use super::effect::{Effect, deallocated_name};
use super::measure::Running;
use super::pins::PinReason;
use super::{Body, ClientSession, ClientStep, Io, Portal, ServerSession, samples};
use crate::error::PoolingError;
use crate::prepared::{SERVER_NAME_PREFIX, ServerName, Statement};
use crate::replies::Expected;

/// How much of a message must be at hand before it is dealt with; the rest is streamed.
const QUERY_FRONT_BYTES: usize = 64 * 1024;
const BIND_FRONT_BYTES: usize = 64 * 1024;
/// The longest text of a prepared statement that is kept.
const PARSE_FRONT_BYTES: usize = 1024 * 1024;

impl ClientSession {
    /// Deals with a client's bytes. `server` is the connection it holds, if it holds one.
    ///
    /// # Errors
    /// When the client breaks the protocol: the connection must be closed.
    pub fn on_client(
        &mut self,
        input: &[u8],
        mut server: Option<&mut ServerSession>,
        io: &mut Io<'_>,
    ) -> Result<ClientStep, PoolingError> {
        let mut consumed = 0;
        loop {
            let rest = &input[consumed..];
            if let Some(body) = &mut self.body {
                if rest.is_empty() {
                    return Ok(ClientStep::More { consumed, need: 1 });
                }
                let taken = rest.len().min(body.remaining);
                if body.forward {
                    io.to_server.extend_from_slice(&rest[..taken]);
                    self.meter.received_more(taken);
                }
                body.remaining -= taken;
                consumed += taken;
                if body.remaining == 0 {
                    self.body = None;
                }
                continue;
            }
            let Some(head) = Head::from_client(rest).map_err(PoolingError::Client)? else {
                return Ok(ClientStep::More { consumed, need: HEAD_BYTES });
            };
            let front = head.body.min(front_limit(head.kind));
            let Some(bytes) = rest.get(HEAD_BYTES..HEAD_BYTES + front) else {
                return Ok(ClientStep::More { consumed, need: HEAD_BYTES + front });
            };
            if head.kind == frontend::TERMINATE {
                return Ok(ClientStep::Terminate);
            }
            let forward = match server.as_deref_mut() {
                // After an error the server skips to the next Sync (manual 55.2.3); what it would
                // skip is not sent, since nothing would answer.
                Some(_) if self.skipping && head.kind != frontend::SYNC => false,
                Some(server) => {
                    self.attached(head, bytes, server, io)?;
                    true
                }
                None if self.answer_detached(head, bytes, io)? => false,
                None => return Ok(ClientStep::NeedServer { consumed }),
            };
            consumed += HEAD_BYTES + front;
            if head.body > front {
                self.body = Some(Body { remaining: head.body - front, forward });
            }
        }
    }

    /// Deals with one message, or the front of one, for the server that the client holds.
    fn attached(
        &mut self,
        head: Head,
        front: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Result<(), PoolingError> {
        self.meter.arrived(HEAD_BYTES + front.len(), io.now);
        self.skipping = false;
        if self.reattach && self.between_transactions() {
            self.attach(server, std::time::Duration::ZERO, io);
        }
        match head.kind {
            frontend::QUERY => self.query(head, front, server, io),
            frontend::PARSE => self.parse(head, front, server, io)?,
            frontend::BIND => self.bind(head, front, server, io)?,
            frontend::DESCRIBE => self.describe(head, front, server, io)?,
            frontend::EXECUTE => self.execute(head, front, io)?,
            frontend::CLOSE => self.close(head, front, server, io)?,
            frontend::SYNC => self.expect(Expected::Sync, head, front, io),
            frontend::FUNCTION_CALL => {
                server.statements.set_unnamed(None);
                self.expect(Expected::FunctionCall, head, front, io);
            }
            frontend::COPY_DONE | frontend::COPY_FAIL => {
                // Outside of a COPY the server ignores them: nothing will answer.
                if !self.quiet {
                    self.replies.push(Expected::CopyEnd);
                }
                forward(head, front, io);
            }
            // CopyData and Flush have no answer of their own.
            _ => forward(head, front, io),
        }
        Ok(())
    }

    /// Forwards a message and waits for its answer.
    fn expect(&mut self, expected: Expected, head: Head, front: &[u8], io: &mut Io<'_>) {
        self.replies.push(expected);
        self.quiet = false;
        forward(head, front, io);
    }

    fn query(&mut self, head: Head, front: &[u8], server: &mut ServerSession, io: &mut Io<'_>) {
        let text = frontend::read_query(front);
        let mut observed = std::mem::take(&mut self.observed);
        io.shapes.observe(text, &mut observed);
        let renamed = match &observed[..] {
            [only] => self.deallocate(&only.shape, text, server, io),
            _ => None,
        };
        let statements = u32::try_from(observed.len()).unwrap_or(u32::MAX);
        for one in observed.drain(..) {
            let text = text.get(one.range.clone()).unwrap_or_default();
            self.meter.begin(Running {
                effect: Effect::of(&one.shape, text),
                sample: samples::of_text(&one.shape, text),
                shape: one.shape,
                values: one.values,
                arrived: io.now,
                received: 0,
            });
        }
        self.observed = observed;
        // Both sides forget the unnamed statement (manual 55.2.3).
        server.statements.set_unnamed(None);
        self.statements.remove(b"");
        let expected = Expected::Query { statements };
        match renamed {
            Some(name) => {
                self.replies.push(expected);
                self.quiet = false;
                let text = format!("DEALLOCATE \"{name}\"");
                frontend::write_query(io.to_server, text.as_bytes());
                server.statements.forget(name);
            }
            None => self.expect(expected, head, front, io),
        }
    }

    /// SQL's DEALLOCATE of a statement that was prepared by the protocol: only pgweir knows its name
    /// on the server.
    fn deallocate(
        &mut self,
        shape: &sql::Shape,
        text: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Option<ServerName> {
        if shape.effect != sql::SessionEffect::Deallocate {
            return None;
        }
        let statement = self.statements.remove(deallocated_name(text)?.as_bytes())?;
        Some(self.prepare_on(&statement, server, io))
    }

    fn parse(
        &mut self,
        head: Head,
        front: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Result<(), PoolingError> {
        self.meter.client_parse();
        let whole = head.body == front.len();
        let read = if whole { Parse::read(front) } else { Parse::read_front(front) };
        let parse = read.map_err(PoolingError::Client)?;
        let observed = io.shapes.observe_one(parse.text);
        let statement = Arc::new(if whole {
            Statement::new(parse.text, parse.types, observed.shape, observed.values)
        } else {
            self.pins.add(PinReason::LargeStatement);
            Statement::not_kept(observed.shape)
        });
        if parse.name.is_empty() {
            self.meter.server_parse();
            server.statements.set_unnamed(Some(Arc::clone(&statement)));
            self.statements.insert(b"", Arc::clone(&statement));
            let expected = Expected::Parse { name: Box::default(), statement, server: None };
            self.expect(expected, head, front, io);
            return Ok(());
        }
        if self.statements.get(parse.name).is_some() {
            // The name is taken: the server must say so, and undo what the pipeline did before. It
            // does when it is given a name that it has; the error is put into the client's words.
            return self.duplicate(parse.name, statement, server, io);
        }
        server.statements.renew(&statement);
        let preparation = server.statements.prepare(&statement);
        self.write_closes(&preparation.close, io);
        self.statements.insert(parse.name, Arc::clone(&statement));
        let name = parse.name.into();
        if preparation.parse {
            self.meter.server_parse();
            let server = Some(preparation.name);
            self.replies.push(Expected::Parse { name, statement, server });
            self.quiet = false;
            let name = preparation.name.to_string();
            let renamed = Head { kind: head.kind, body: head.body - parse.name.len() + name.len() };
            write_head(io.to_server, renamed);
            io.to_server.extend_from_slice(name.as_bytes());
            io.to_server.extend_from_slice(&front[parse.name.len()..]);
        } else {
            self.replies.push(Expected::LocalParseComplete { name, statement });
            self.answer_local(io.to_client);
        }
        Ok(())
    }

    /// Makes the server raise 42P05 for a name that the client has used already.
    fn duplicate(
        &mut self,
        name: &[u8],
        statement: Arc<Statement>,
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Result<(), PoolingError> {
        let known = self.statements.get(name).cloned().unwrap_or_else(|| Arc::clone(&statement));
        let taken = self.prepare_on(&known, server, io).to_string();
        frontend::write_parse(io.to_server, taken.as_bytes(), statement.text(), statement.types());
        self.replies.push(Expected::Parse { name: name.into(), statement, server: None });
        self.quiet = false;
        Ok(())
    }

    /// Makes sure that the server has a statement, by a Parse of our own if need be.
    fn prepare_on(
        &mut self,
        statement: &Arc<Statement>,
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> ServerName {
        let preparation = server.statements.prepare(statement);
        self.write_closes(&preparation.close, io);
        if preparation.parse {
            let name = preparation.name.to_string();
            frontend::write_parse(
                io.to_server,
                name.as_bytes(),
                statement.text(),
                statement.types(),
            );
            self.meter.server_parse();
            self.replies.push(Expected::OwnParse(Some(preparation.name)));
            self.quiet = false;
        }
        preparation.name
    }

    fn write_closes(&mut self, names: &[ServerName], io: &mut Io<'_>) {
        for name in names {
            let text = name.to_string();
            frontend::write_statement_target(io.to_server, frontend::CLOSE, text.as_bytes());
            self.replies.push(Expected::OwnClose(Some(*name)));
            self.quiet = false;
        }
    }

    /// The name to use on the server for the client's statement `name`; none to leave it as it is.
    fn server_name(
        &mut self,
        name: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Option<Vec<u8>> {
        let Some(statement) = self.statements.get(name).cloned() else {
            if name.is_empty() {
                // The server may have another client's: without it the server raises the error.
                frontend::write_statement_target(io.to_server, frontend::CLOSE, b"");
                self.replies.push(Expected::OwnClose(None));
                self.quiet = false;
                server.statements.set_unnamed(None);
                return None;
            }
            // Not prepared through the protocol: SQL's PREPARE, or an error that the server will
            // raise. A name of ours must not lead to another client's statement.
            let ours = name.starts_with(SERVER_NAME_PREFIX.as_bytes());
            return ours.then(|| [b"?", name].concat());
        };
        if !name.is_empty() {
            return Some(self.prepare_on(&statement, server, io).to_string().into_bytes());
        }
        if !server.statements.unnamed_is(&statement) && statement.is_kept() {
            frontend::write_parse(io.to_server, b"", statement.text(), statement.types());
            self.meter.server_parse();
            self.replies.push(Expected::OwnParse(None));
            self.quiet = false;
            server.statements.set_unnamed(Some(statement));
        }
        None
    }

    fn bind(
        &mut self,
        head: Head,
        front: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Result<(), PoolingError> {
        self.meter.bind();
        let bind = Bind::read(front).map_err(PoolingError::Client)?;
        let statement = self.statements.get(bind.statement).cloned();
        let renamed = self.server_name(bind.statement, server, io);
        let values = statement.as_ref().map_or(0, |statement| {
            let mut hasher = std::hash::DefaultHasher::new();
            statement.values.hash(&mut hasher);
            bind.rest.hash(&mut hasher);
            hasher.finish()
        });
        let sample = statement.as_ref().and_then(|statement| samples::of_bind(statement, &bind));
        self.portals.insert(bind.portal.into(), Portal { statement, values, sample });
        match renamed {
            Some(name) => {
                self.replies.push(Expected::Bind);
                self.quiet = false;
                let body = head.body - bind.statement.len() + name.len();
                write_head(io.to_server, Head { kind: head.kind, body });
                io.to_server.extend_from_slice(bind.portal);
                io.to_server.push(0);
                io.to_server.extend_from_slice(&name);
                io.to_server.push(0);
                io.to_server.extend_from_slice(bind.rest);
            }
            None => self.expect(Expected::Bind, head, front, io),
        }
        Ok(())
    }

    fn describe(
        &mut self,
        head: Head,
        front: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Result<(), PoolingError> {
        let (target, name) =
            frontend::read_target(head.kind, front).map_err(PoolingError::Client)?;
        let renamed = match target {
            Target::Statement => self.server_name(name, server, io),
            Target::Portal => None,
        };
        match renamed {
            Some(name) => {
                self.replies.push(Expected::Describe);
                self.quiet = false;
                frontend::write_statement_target(io.to_server, head.kind, &name);
            }
            None => self.expect(Expected::Describe, head, front, io),
        }
        Ok(())
    }

    fn execute(&mut self, head: Head, front: &[u8], io: &mut Io<'_>) -> Result<(), PoolingError> {
        let name = frontend::read_execute(front).map_err(PoolingError::Client)?;
        let (shape, values, sample, effect) = match self.portals.get_mut(name) {
            Some(Portal { statement: Some(statement), values, sample }) => {
                let effect = Effect::of(&statement.shape, statement.text());
                (Arc::clone(&statement.shape), *values, sample.take(), effect)
            }
            // A portal made by SQL (DECLARE), or of a statement prepared by SQL, or none at all.
            _ => (io.shapes.observe_one(b"EXECUTE portal").shape, 0, None, Effect::None),
        };
        self.meter.begin(Running {
            shape,
            values,
            effect,
            arrived: io.now,
            received: 0,
            sample,
        });
        self.expect(Expected::Execute, head, front, io);
        Ok(())
    }

    fn close(
        &mut self,
        head: Head,
        front: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Result<(), PoolingError> {
        let (target, name) =
            frontend::read_target(head.kind, front).map_err(PoolingError::Client)?;
        if target == Target::Portal {
            self.portals.remove(name);
            self.expect(Expected::Close, head, front, io);
            return Ok(());
        }
        match self.statements.remove(name) {
            // The server keeps it: another client, or this one, may prepare it again.
            Some(statement) if !name.is_empty() && statement.is_kept() => {
                self.replies.push(Expected::LocalCloseComplete);
                self.answer_local(io.to_client);
            }
            Some(statement) if !name.is_empty() => {
                let server_name = server.statements.prepare(&statement).name;
                server.statements.forget(server_name);
                self.replies.push(Expected::Close);
                self.quiet = false;
                let text = server_name.to_string();
                frontend::write_statement_target(io.to_server, frontend::CLOSE, text.as_bytes());
            }
            _ if name.starts_with(SERVER_NAME_PREFIX.as_bytes()) => {
                self.replies.push(Expected::LocalCloseComplete);
                self.answer_local(io.to_client);
            }
            _ => {
                if name.is_empty() {
                    server.statements.set_unnamed(None);
                }
                self.expect(Expected::Close, head, front, io);
            }
        }
        Ok(())
    }
}

fn forward(head: Head, front: &[u8], io: &mut Io<'_>) {
    if head.body == front.len() {
        write_message(io.to_server, head.kind, |body| body.extend_from_slice(front));
    } else {
        write_head(io.to_server, head);
        io.to_server.extend_from_slice(front);
    }
}

/// How much of a message of this type must be at hand.
fn front_limit(kind: u8) -> usize {
    match kind {
        frontend::QUERY => QUERY_FRONT_BYTES,
        frontend::BIND => BIND_FRONT_BYTES,
        frontend::PARSE => PARSE_FRONT_BYTES,
        frontend::COPY_DATA | frontend::FUNCTION_CALL => 0,
        _ => wire::frame::MAX_SMALL_BODY_BYTES,
    }
}
