//! The client's messages, on their way to the server.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;

use wire::frame::{HEAD_BYTES, Head, write_head, write_message};
use wire::frontend::{self, Bind, Target};

use super::effect::Effect;
use super::fronts::{calls_large_object, front_limit};
use super::measure::Running;
use super::portals::Portal;
use super::refusal::IN_ITS_PLACE;
use super::{Barrier, Body, ClientSession, ClientStep, Io, ServerSession, samples};
use crate::error::PoolingError;
use crate::prepared::Statement;
use crate::replies::Expected;

/// How much may be added at once to what the client sends: a few bytes of its may stand for a long
/// statement that must be prepared again.
const MAX_ADDED_BYTES: usize = 512 * 1024;
/// Answers that may be due at a time. Those that pgweir gives itself cost the server nothing, so that
/// nothing else bounds them.
const MAX_DUE: usize = 16 * 1024;

/// What became of a message.
pub(super) enum Taken {
    /// It was sent on; the rest of it follows.
    Forwarded,
    /// Something else was sent in its place, so that the rest of it must not follow.
    Replaced,
    /// It must wait for a server connection that no other client has used.
    NeedsOwnServer,
    /// It must wait until the server has answered.
    NeedsAnswer,
}

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
        let (mut consumed, mut repeatable_from) = (0, None);
        let enough = io.to_server.len() + input.len() + MAX_ADDED_BYTES;
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
                // Of a Query too long to be read, the rest may hold statements that nobody saw. One
                // semicolon at its end ends the statement that was seen.
                let end = body.remaining.saturating_sub(2);
                let unseen = &rest[..taken.min(end)];
                if body.statements && unseen.contains(&b';') {
                    self.doubt.about_all();
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
            if server.is_some() {
                if io.to_server.len() > enough {
                    return Ok(ClientStep::Full { consumed });
                }
                // The server reads over a Sync in a COPY: it is not the request of its own that it
                // would be afterwards.
                let swallowed = self.copy_reads && head.kind == frontend::SYNC;
                if self.barrier == Barrier::Shut && !passes_barrier(head.kind) && !swallowed {
                    return Ok(ClientStep::Wait { consumed });
                }
                if self.too_much_is_due(head.kind, io) {
                    return Ok(ClientStep::Wait { consumed });
                }
            }
            let forward = match server.as_deref_mut() {
                Some(_) if self.skipping && self.unsure && !is_skipped_anyway(head.kind) => {
                    return Err(PoolingError::AfterCopy);
                }
                // After an error the server skips to the next Sync (manual 55.2.3); what it would
                // skip is not sent, since nothing would answer.
                Some(_) if self.skipping && head.kind != frontend::SYNC => false,
                Some(server) => match self.attached(head, bytes, server, io)? {
                    Taken::Forwarded => true,
                    Taken::Replaced => false,
                    Taken::NeedsOwnServer => return Ok(ClientStep::NeedOwnServer { consumed }),
                    Taken::NeedsAnswer => return Ok(ClientStep::Wait { consumed }),
                },
                None if self.answer_detached(head, bytes, io)? => false,
                None => return Ok(ClientStep::NeedServer { consumed }),
            };
            let from = consumed;
            consumed += HEAD_BYTES + front;
            self.follow_repeatable(head.kind, &input[..consumed], from, &mut repeatable_from);
            if head.body > front {
                let statements = head.kind == frontend::QUERY && forward;
                self.body = Some(Body { remaining: head.body - front, forward, statements });
            }
        }
    }

    /// Whether a message has to wait until something of what is due was answered. The server may keep
    /// its answers back until a Sync that waits too: a Flush calls for them.
    fn too_much_is_due(&mut self, kind: u8, io: &mut Io<'_>) -> bool {
        if self.replies.len() < MAX_DUE || (self.copy_reads && passes_barrier(kind)) {
            self.flushed = false;
            return false;
        }
        if !std::mem::replace(&mut self.flushed, true) {
            frontend::write_empty(io.to_server, frontend::FLUSH);
        }
        true
    }

    /// Deals with one message, or the front of one, for the server that the client holds.
    fn attached(
        &mut self,
        head: Head,
        front: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Result<Taken, PoolingError> {
        // Of these it may turn out that they must wait.
        if !matches!(head.kind, frontend::QUERY | frontend::PARSE) {
            self.accept(front, server, io);
        }
        if self.copy_reads && !is_skipped_anyway(head.kind) {
            // No COPY outlives this: what follows is answered, if the server is still there.
            self.copy_reads = false;
        }
        let mut taken = Taken::Forwarded;
        match head.kind {
            frontend::QUERY => taken = self.query(head, front, server, io),
            frontend::PARSE => return self.parse(head, front, server, io),
            frontend::BIND => self.bind(head, front, server, io)?,
            frontend::DESCRIBE => self.describe(head, front, server, io)?,
            frontend::EXECUTE => self.execute(head, front, server, io)?,
            frontend::CLOSE => self.close(head, front, server, io)?,
            // While a COPY reads, the server ignores it (manual 55.2.6): nothing will answer.
            frontend::SYNC if self.copy_reads => {
                self.lost_sync = true;
                forward(head, front, io);
            }
            frontend::SYNC => {
                if self.barrier == Barrier::AtSync {
                    self.barrier = Barrier::Shut;
                }
                server.statements.pipeline_sent();
                self.expect(Expected::Sync, head, front, io);
            }
            frontend::FUNCTION_CALL => {
                if !calls_large_object(front) {
                    self.doubt.about_all();
                }
                server.statements.set_unnamed(None);
                self.expect(Expected::FunctionCall, head, front, io);
            }
            frontend::COPY_DONE | frontend::COPY_FAIL => {
                self.copy_reads = false;
                // Outside of a COPY the server ignores them: nothing will answer.
                if !self.quiet {
                    self.replies.push(Expected::CopyEnd);
                }
                forward(head, front, io);
            }
            // CopyData and Flush have no answer of their own.
            _ => forward(head, front, io),
        }
        let asks = matches!(head.kind, frontend::QUERY | frontend::SYNC | frontend::FUNCTION_CALL);
        // A Sync that a COPY reads over is not answered.
        if self.yields && asks && !self.quiet && !self.lost_sync {
            self.barrier = Barrier::Shut;
        }
        Ok(taken)
    }

    /// A message is dealt with now.
    pub(super) fn accept(&mut self, front: &[u8], server: &mut ServerSession, io: &mut Io<'_>) {
        self.meter.arrived(HEAD_BYTES + front.len(), self.held_by_pin(), io.now);
        self.skipping = false;
        if self.settings_due && self.between_transactions() {
            self.write_settings_that_differ(server, io);
        }
    }

    /// Forwards a message and waits for its answer.
    pub(super) fn expect(&mut self, expected: Expected, head: Head, front: &[u8], io: &mut Io<'_>) {
        self.replies.push(expected);
        self.quiet = false;
        forward(head, front, io);
    }

    fn query(
        &mut self,
        head: Head,
        front: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Taken {
        let text = frontend::read_query(front);
        let mut observed = std::mem::take(&mut self.observed);
        if observed.capacity() == 0 {
            // Most clients send one at a time.
            observed.reserve_exact(1);
        }
        io.shapes.observe(text, &mut observed);
        if let Some(first) = observed.first()
            && let Some(taken) = self.need_own_server(&first.shape, text, server, io)
        {
            observed.clear();
            self.observed = observed;
            return taken;
        }
        self.accept(front, server, io);
        if head.body == front.len() && self.deallocate_here(&observed, text, server, io) {
            observed.clear();
            self.observed = observed;
            return Taken::Replaced;
        }
        let renamed = match &observed[..] {
            // Of a longer message the rest would follow what is sent in its place.
            [only] if head.body == front.len() => self.deallocate(&only.shape, text, server, io),
            _ => None,
        };
        for one in &observed {
            self.guard_sequences(&one.shape, true, server, io);
        }
        let refusal = self.refusal(&observed, text);
        let prepared = match refusal {
            None if head.body == front.len() && renamed.is_none() => {
                self.prepared_query(&observed, text, io.shapes)
            }
            _ => None,
        };
        let (prepared, mut trial) =
            prepared.map(|query| self.ready_query(query, server, io)).unzip();
        let statements = u32::try_from(observed.len()).unwrap_or(u32::MAX);
        for one in observed.drain(..) {
            let trace = self.traces.of_text(text, &one);
            let tags = self.comments.tags(text, &one);
            let text = text.get(one.range.clone()).unwrap_or_default();
            let effect = match refusal {
                None => Effect::of(&one.shape, text),
                Some(_) => Effect::None,
            };
            self.note_settings_of(&effect, text);
            self.note_reading(&one.shape, text);
            if effect.is_barrier(&self.parameters) {
                self.barrier = Barrier::Shut;
            }
            self.meter.begin(Running {
                values: one.values,
                sample: samples::of_text(&one.shape, text, &self.parameters),
                tags,
                trace,
                trial: trial.take().flatten(),
                ..Running::new(one.shape, effect, io.now)
            });
        }
        self.observed = observed;
        // Both sides forget the unnamed statement (manual 55.2.3).
        server.statements.set_unnamed(None);
        self.statements.remove(b"");
        self.unpin_large();
        if let Some(prepared) = prepared {
            self.send_prepared_query(prepared, front, server, io);
            return Taken::Replaced;
        }
        if let Some(refusal) = refusal {
            frontend::write_query(io.to_server, IN_ITS_PLACE);
            let refused = Some(refusal);
            self.replies.push(Expected::Query {
                statements,
                deallocated: None,
                refused,
                is_bound: false,
            });
            self.quiet = false;
            return Taken::Replaced;
        }
        let expected =
            Expected::Query { statements, deallocated: None, refused: None, is_bound: false };
        match renamed {
            Some(deallocated) => {
                let text = format!("DEALLOCATE \"{}\"", deallocated.server);
                frontend::write_query(io.to_server, text.as_bytes());
                server.statements.forget(deallocated.server);
                self.replies.push(Expected::Query {
                    statements,
                    deallocated: Some(deallocated),
                    refused: None,
                    is_bound: false,
                });
                self.quiet = false;
                return Taken::Replaced;
            }
            None => self.expect(expected, head, front, io),
        }
        Taken::Forwarded
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
        if let Some(statement) = &statement {
            self.guard_sequences(&statement.shape, false, server, io);
        }
        self.begin_repeatable(bind.statement);
        let renamed = match &statement {
            Some(statement) => self.name_on_server(bind.statement, statement, server, io),
            None => self.unknown_name(bind.statement, server, io),
        };
        let portal = match statement {
            Some(statement) => {
                self.note_settings_bound(&statement.shape, &bind);
                Portal {
                    values: hash_of_values(&statement, &bind),
                    sample: samples::of_bind(&statement, &bind, &self.parameters),
                    trace: self.traces.take(&statement),
                    trial: self.trial(&bind, &statement, server),
                    statement: Some(statement),
                }
            }
            None => Portal::default(),
        };
        self.portals.insert(bind.portal, portal);
        match renamed {
            Some(name) => {
                self.replies.push(Expected::Bind);
                self.quiet = false;
                let name = name.as_bytes();
                let body = head.body - bind.statement.len() + name.len();
                write_head(io.to_server, Head { kind: head.kind, body });
                io.to_server.extend_from_slice(bind.portal);
                io.to_server.push(0);
                io.to_server.extend_from_slice(name);
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
            Target::Statement => {
                self.begin_repeatable(name);
                match self.statements.get(name).cloned() {
                    Some(statement) => self.name_on_server(name, &statement, server, io),
                    None => self.unknown_name(name, server, io),
                }
            }
            Target::Portal => None,
        };
        match renamed {
            Some(name) => {
                self.replies.push(Expected::Describe);
                self.quiet = false;
                frontend::write_statement_target(io.to_server, head.kind, name.as_bytes());
            }
            None => self.expect(Expected::Describe, head, front, io),
        }
        Ok(())
    }

    fn execute(
        &mut self,
        head: Head,
        front: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Result<(), PoolingError> {
        let name = frontend::read_execute(front).map_err(PoolingError::Client)?;
        let running = match self.portals.get_mut(name) {
            Some(Portal { statement: Some(statement), values, sample, trace, trial }) => {
                let statement = Arc::clone(statement);
                let effect = Effect::of(&statement.shape, statement.text());
                let running = Running {
                    values: *values,
                    literals: Some(statement.values),
                    sample: sample.take(),
                    tags: statement.tags.clone(),
                    trace: trace.take(),
                    trial: trial.take(),
                    ..Running::new(Arc::clone(&statement.shape), effect, io.now)
                };
                self.note_settings_of(&running.effect, statement.text());
                self.note_reading(&statement.shape, statement.text());
                running
            }
            // A portal made by SQL (DECLARE), or of a statement prepared by SQL, or none at all.
            _ => {
                let shape = io.shapes.observe_one(b"EXECUTE portal").shape;
                Running::new(shape, Effect::None, io.now)
            }
        };
        if running.effect.is_barrier(&self.parameters) {
            self.barrier = Barrier::AtSync;
        }
        self.guard_sequences(&running.shape, true, server, io);
        self.meter.begin(running);
        self.expect(Expected::Execute, head, front, io);
        Ok(())
    }
}

/// Equal values hash equally, for as long as the process runs.
fn hash_of_values(statement: &Statement, bind: &Bind<'_>) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    statement.values.hash(&mut hasher);
    bind.rest.hash(&mut hasher);
    hasher.finish()
}

/// Whether it does nothing where no COPY runs, or ends what is skipped.
fn is_skipped_anyway(kind: u8) -> bool {
    passes_barrier(kind) || kind == frontend::SYNC
}

/// What a COPY that runs needs to come to its end.
fn passes_barrier(kind: u8) -> bool {
    matches!(
        kind,
        frontend::COPY_DATA | frontend::COPY_DONE | frontend::COPY_FAIL | frontend::FLUSH
    )
}

fn forward(head: Head, front: &[u8], io: &mut Io<'_>) {
    if head.body == front.len() {
        write_message(io.to_server, head.kind, |body| body.extend_from_slice(front));
    } else {
        write_head(io.to_server, head);
        io.to_server.extend_from_slice(front);
    }
}
