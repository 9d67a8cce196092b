//! The server's errors: what they undo, and how they are told.

use std::sync::Arc;

use model::{Outcome, SqlState};
use wire::backend;
use wire::error_response::ErrorView;
use wire::frame::write_message;

use super::effect::Effect;
use super::measure::Running;
use super::refusal::Refusal;
use super::server::Fate;
use super::{Barrier, ClientSession, Io, ServerSession};
use crate::prepared::SERVER_NAME_PREFIX;
use crate::replies::Expected;

impl ServerSession {
    /// Whether it has refused to write since it was opened: because the client had asked for a
    /// transaction that cannot, or because the server cannot any more.
    #[must_use]
    pub fn has_refused_a_write(&self) -> bool {
        self.refused_write
    }
}

impl ClientSession {
    /// Deals with an ErrorResponse.
    pub(super) fn error(
        &mut self,
        body: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Fate {
        let view = ErrorView::new(body);
        let mut sqlstate = SqlState::from_bytes(view.sqlstate());
        if view.is_fatal() {
            self.last_words = Some(body.to_vec());
            return Fate::Lost;
        }
        server.refused_write |= sqlstate == SqlState::from_bytes(b"25006");
        // "cached plan must not change result type": only a new Parse helps.
        if sqlstate == SqlState::from_bytes(b"0A000") && contains(body, b"RevalidateCachedQuery") {
            self.known.next_epoch();
            if let Some(fate) = self.repeat(server, io) {
                return fate;
            }
        }
        if self.as_sent.is_some()
            && let Some(fate) = self.prepared_query_failed(sqlstate, server, io)
        {
            return fate;
        }
        let (parsed, refused) = match self.replies.front() {
            Some(Expected::Parse { name, refused, .. }) => (Some(name.clone()), *refused),
            Some(Expected::Query { refused, .. }) => (None, *refused),
            _ => (None, None),
        };
        let refusal = Refusal::of_error(refused, sqlstate).map(Refusal::words);
        if let Some(words) = &refusal {
            sqlstate = SqlState::from_bytes(words.sqlstate().as_bytes());
        }
        match self.replies.front_mut() {
            Some(Expected::OwnQuestion) => {
                self.question_refused(sqlstate);
                return Fate::Swallow;
            }
            // A setting was refused, though it was checked at login, or a cancel request hit it. The
            // client's own statement is on its way already, and is skipped by the server, since no
            // Sync stands between.
            Some(Expected::OwnSettings(_)) => {
                self.last_words = Some(body.to_vec());
                return Fate::Lost;
            }
            Some(Expected::Query { statements, deallocated, .. }) => {
                self.failed = true;
                self.copy_reads = false;
                let lost_sync = std::mem::take(&mut self.lost_sync);
                // None is left at a commit that fails, or in a text that the lexer finds empty.
                let left = std::mem::take(statements) as usize;
                if let Some(kept) = deallocated.take() {
                    server.statements.not_closed(kept.server);
                    self.statements.insert(&kept.name, kept.statement);
                }
                if left > 0 {
                    self.statement_failed(sqlstate, io);
                    self.meter.abandon(left - 1);
                }
                if lost_sync {
                    self.copy_failed();
                }
            }
            // Where nothing is under way it ends nothing.
            None => self.failed |= !self.quiet,
            Some(Expected::FunctionCall | Expected::Sync) => self.failed = true,
            Some(_) => {
                let lost_sync = std::mem::take(&mut self.lost_sync);
                if lost_sync && self.replies.has_more_than_a_copy_to_skip() {
                    // The server may not skip it, and then answers it: whose answer is next cannot be
                    // told.
                    self.unsure = true;
                    self.last_words = Some(body.to_vec());
                    return Fate::Lost;
                }
                self.failed = true;
                self.pipeline_failed(sqlstate, server, io);
                if lost_sync {
                    self.copy_failed();
                }
            }
        }
        if sqlstate == SqlState::from_bytes(b"57014")
            && let Some(words) = self.interrupted.take()
        {
            io.to_client.extend_from_slice(&words.encode());
            return Fate::Swallow;
        }
        if let Some(words) = refusal {
            io.to_client.extend_from_slice(&words.encode());
            return Fate::Swallow;
        }
        if contains(body, SERVER_NAME_PREFIX.as_bytes()) {
            // It lacks what it was thought to have: somebody's code has deallocated all. Nobody else is
            // to meet that.
            server.worn |= sqlstate == SqlState::from_bytes(b"26000");
            let words = self.with_client_names(body, parsed.as_deref(), server);
            write_message(io.to_client, backend::ERROR_RESPONSE, |out| out.extend(words));
            return Fate::Swallow;
        }
        Fate::Forward
    }

    /// A COPY failed, perhaps before it came to a Sync that it would have read over: nobody knows
    /// whether that is answered, until the server answers what came behind it.
    fn copy_failed(&mut self) {
        self.unsure = true;
        self.doubt.about_pins();
    }

    /// An extended-protocol message failed: what was sent up to the next Sync never happens.
    fn pipeline_failed(&mut self, sqlstate: SqlState, server: &mut ServerSession, io: &mut Io<'_>) {
        let mut executes = 0;
        // Statements of Queries that are skipped with the rest.
        let mut queried = 0;
        let mut parsed = None;
        let skipped: Vec<_> = self.replies.skip_to_sync().collect();
        // What was done last is undone first.
        for expected in skipped.into_iter().rev() {
            match expected {
                Expected::Parse { name, statement, server: on_server, .. } => {
                    self.statements.undo(&name, &statement);
                    match on_server {
                        Some(on_server) => server.statements.forget(on_server),
                        None if name.is_empty() => server.statements.set_unnamed(None),
                        None => {}
                    }
                    parsed = Some(statement);
                }
                Expected::LocalParseComplete { name, statement } => {
                    self.statements.undo(&name, &statement);
                }
                Expected::LocalCloseComplete { closed: Some((name, statement)) } => {
                    self.statements.insert(&name, statement);
                }
                Expected::Execute => executes += 1,
                Expected::Query { statements, .. } => queried += statements as usize,
                other => self.undo_own(&other, server),
            }
        }
        self.copy_reads = false;
        self.parameters_told = false;
        // A DISCARD ALL among these is not waited for any more.
        self.barrier = Barrier::Open;
        self.skipping = self.replies.is_empty();
        if executes == 0 {
            self.meter.abandon(std::mem::take(&mut queried));
        }
        if executes == 0
            && let Some(statement) = parsed
        {
            // It failed before it was run; it is an error of this statement all the same.
            self.meter.begin_first(Running {
                values: statement.values,
                literals: Some(statement.values),
                tags: statement.tags.clone(),
                trace: self.traces.take(&statement),
                ..Running::new(Arc::clone(&statement.shape), Effect::None, io.now)
            });
            executes = 1;
        }
        if executes > 0 {
            self.statement_failed(sqlstate, io);
            self.meter.abandon(executes - 1 + queried);
        }
    }

    /// Something of pgweir's own was skipped.
    pub(super) fn undo_own(&self, skipped: &Expected, server: &mut ServerSession) {
        match *skipped {
            Expected::OwnParse(Some(name)) => {
                if let Some(statement) = server.statements.find(name.spelled().as_bytes()) {
                    self.known.forget(statement);
                }
                server.statements.forget(name);
            }
            Expected::OwnParse(None) => server.statements.set_unnamed(None),
            Expected::OwnClose(Some(name)) => server.statements.not_closed(name),
            _ => {}
        }
    }

    /// Some of what a statement does to the session outlives its failure.
    fn statement_failed(&mut self, sqlstate: SqlState, io: &mut Io<'_>) {
        let failed = self.meter.finish(Outcome::Failed(sqlstate), 0, io.now, io.events);
        let Some(failed) = failed else { return };
        self.calls_took_effect(&failed.shape.calls, io.now);
        match failed.effect {
            Effect::Pin(reason) if reason.outlives_failure() => {
                self.pins.add(reason);
                self.doubt.about_pins();
            }
            // Nobody knows what a procedure has committed.
            Effect::Doubt => self.doubt.about_all(),
            _ => {}
        }
    }

    /// An error's body with the client's names for statements in place of ours. `parsed` is the name
    /// in the Parse that failed.
    fn with_client_names(
        &self,
        body: &[u8],
        parsed: Option<&[u8]>,
        server: &ServerSession,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(body.len());
        let mut rest = body;
        let prefix = SERVER_NAME_PREFIX.as_bytes();
        while let Some(at) = rest.windows(prefix.len()).position(|window| window == prefix) {
            out.extend_from_slice(&rest[..at]);
            rest = &rest[at..];
            let digits = rest[prefix.len()..].iter().take_while(|b| b.is_ascii_digit()).count();
            let (name, after) = rest.split_at(prefix.len() + digits);
            // A name that the client made up, which nothing has: see `unknown_name`.
            if out.last() == Some(&b'?') {
                out.extend_from_slice(name);
                rest = after;
                continue;
            }
            // One that the client has no more: the unnamed one, which a Query behind it has ended.
            let find = || {
                let statement = server.statements.find(name)?;
                Some(self.statements.name_of(statement).unwrap_or_default())
            };
            match parsed.or_else(find) {
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
