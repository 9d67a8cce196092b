//! A client that holds no server connection: what is answered without one, and what is left of a
//! conversation whose server went away.

use model::{Outcome, SqlState};
use sql::Class;
use wire::backend::{self, TransactionStatus};
use wire::error_response::{ErrorFields, ErrorView, Severity};
use wire::frame::{Head, write_message};
use wire::frontend::{self, Bind, Parse, Target};

use super::effect::{Effect, may_need_own_server};
use super::measure::Running;
use super::probe::Doubt;
use super::{Barrier, ClientSession, Io, ServerSession};
use crate::error::PoolingError;
use crate::parameters::Mention;
use crate::prepared::Statement;
use crate::replies::Expected;

/// What a client without a server connection is owed.
#[derive(Debug, Default)]
pub(super) enum Detached {
    /// Nothing.
    #[default]
    Clean,
    /// Its next message fails with this error.
    Refused(Box<ErrorFields>),
    /// Its transaction block was lost with its server: as in a block that failed, everything but
    /// its end is refused.
    FailedBlock,
}

/// What becomes of a client whose server connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It was told, and can go on with another one.
    Survived,
    /// It had state on that server, or is in the middle of a message: it must be closed.
    Close,
}

impl ClientSession {
    /// No server connection can be had: the next message fails with this error, and the client
    /// stays.
    pub fn refuse(&mut self, error: ErrorFields) {
        self.detached = Detached::Refused(Box::new(error));
    }

    /// Deals with a message that needs no server connection; false for one that does.
    pub(super) fn answer_detached(
        &mut self,
        head: Head,
        front: &[u8],
        io: &mut Io<'_>,
    ) -> Result<bool, PoolingError> {
        match head.kind {
            frontend::SYNC => {
                self.skipping = false;
                backend::write_ready(io.to_client, self.status);
                return Ok(true);
            }
            // Data after a COPY that failed comes late: the server would ignore it (manual 55.2.6).
            frontend::FLUSH | frontend::COPY_DATA | frontend::COPY_DONE | frontend::COPY_FAIL => {
                return Ok(true);
            }
            _ if self.skipping => return Ok(true),
            frontend::CLOSE => {
                let (target, name) =
                    frontend::read_target(head.kind, front).map_err(PoolingError::Client)?;
                if target == Target::Statement {
                    self.statements.remove(name);
                }
                // No portal outlives its transaction: there is none.
                backend::write_empty(io.to_client, backend::CLOSE_COMPLETE);
                return Ok(true);
            }
            frontend::PARSE if self.parse_known(head, front, io)? => return Ok(true),
            frontend::QUERY if head.body == front.len() && self.answer_locally(front, io) => {
                return Ok(true);
            }
            _ => {}
        }
        match std::mem::take(&mut self.detached) {
            Detached::Clean => Ok(false),
            Detached::Refused(error) => {
                if self.status != TransactionStatus::Idle {
                    self.detached = Detached::FailedBlock;
                }
                self.fail(head, front, &error, io);
                Ok(true)
            }
            Detached::FailedBlock => {
                self.detached = Detached::FailedBlock;
                self.in_failed_block(head, front, io)?;
                Ok(true)
            }
        }
    }

    /// Answers a Parse of what a server of the pool is known to have parsed. False if this one must
    /// be sent.
    fn parse_known(
        &mut self,
        head: Head,
        front: &[u8],
        io: &mut Io<'_>,
    ) -> Result<bool, PoolingError> {
        if head.body > front.len() || !matches!(self.detached, Detached::Clean) {
            return Ok(false);
        }
        let parse = Parse::read(front).map_err(PoolingError::Client)?;
        // A name that is taken is for the server to refuse.
        if !parse.name.is_empty() && self.statements.get(parse.name).is_some() {
            return Ok(false);
        }
        let known = self.known.find(parse.text, parse.types, self.reading());
        let Some(statement) = known else { return Ok(false) };
        // What this mode refuses others may have prepared before it was set.
        if may_need_own_server(statement.shape.effect)
            || self.refusal_of_parse(&statement.shape, parse.text, true).is_some()
        {
            return Ok(false);
        }
        if parse.name.is_empty() {
            if !self.is_served_by_name(&statement) {
                return Ok(false);
            }
            self.unnamed_by_name = true;
        }
        let trace = self.traces.of_parse(parse.text, io.shapes);
        self.traces.parsed(trace, &statement);
        self.statements.insert(parse.name, statement);
        backend::write_empty(io.to_client, backend::PARSE_COMPLETE);
        Ok(true)
    }

    /// Answers one message with an error.
    fn fail(&mut self, head: Head, front: &[u8], error: &ErrorFields, io: &mut Io<'_>) {
        self.record_failure(head, front, error, io);
        io.to_client.extend_from_slice(&error.encode());
        if matches!(head.kind, frontend::QUERY | frontend::FUNCTION_CALL) {
            backend::write_ready(io.to_client, self.status);
        } else {
            self.skipping = true;
        }
    }

    /// A refused statement is a failed call of its fingerprint.
    fn record_failure(&mut self, head: Head, front: &[u8], error: &ErrorFields, io: &mut Io<'_>) {
        let observed = match head.kind {
            frontend::QUERY => io.shapes.observe_one(frontend::read_query(front)),
            frontend::PARSE => match Parse::read_front(front) {
                Ok(parse) => io.shapes.observe_one(parse.text),
                Err(_) => return,
            },
            frontend::BIND => {
                let Ok(bind) = Bind::read(front) else { return };
                let Some(statement) = self.statements.get(bind.statement) else { return };
                io.shapes.observe_one(statement.text())
            }
            _ => return,
        };
        self.meter.begin(Running {
            values: observed.values,
            ..Running::new(observed.shape, Effect::None, io.now)
        });
        let sqlstate = SqlState::from_bytes(error.sqlstate().as_bytes());
        self.meter.finish(Outcome::Failed(sqlstate), 0, io.now, io.events);
        self.meter.end(io.now, io.events);
    }

    /// Plays the server's part in a block that failed: COMMIT and ROLLBACK end it, all else fails
    /// with 25P02.
    fn in_failed_block(
        &mut self,
        head: Head,
        front: &[u8],
        io: &mut Io<'_>,
    ) -> Result<(), PoolingError> {
        let ends = |class| matches!(class, Class::Rollback | Class::Commit);
        let permitted = match head.kind {
            frontend::QUERY => {
                let mut observed = Vec::new();
                io.shapes.observe(frontend::read_query(front), &mut observed);
                // Nothing but the end: what follows it would be lost without a word.
                if let [only] = &observed[..]
                    && ends(only.shape.class)
                {
                    self.end_failed_block(io);
                    backend::write_ready(io.to_client, self.status);
                    return Ok(());
                }
                false
            }
            frontend::PARSE => {
                let parse = Parse::read_front(front).map_err(PoolingError::Client)?;
                let observed = io.shapes.observe_one(parse.text);
                let permitted = ends(observed.shape.class);
                if permitted {
                    let types = Parse::read(front).map(|parse| parse.types).unwrap_or_default();
                    let (shape, values) = (observed.shape, observed.values);
                    let statement = Statement::new(parse.text, types, shape, values);
                    self.statements.insert(parse.name, statement.into());
                    backend::write_empty(io.to_client, backend::PARSE_COMPLETE);
                }
                permitted
            }
            frontend::BIND => {
                let bind = Bind::read(front).map_err(PoolingError::Client)?;
                let statement = self.statements.get(bind.statement);
                let permitted = statement.is_some_and(|statement| ends(statement.shape.class));
                if permitted {
                    backend::write_empty(io.to_client, backend::BIND_COMPLETE);
                }
                permitted
            }
            frontend::DESCRIBE => {
                let (target, _) =
                    frontend::read_target(head.kind, front).map_err(PoolingError::Client)?;
                if target == Target::Statement {
                    write_message(io.to_client, backend::PARAMETER_DESCRIPTION, |body| {
                        body.extend_from_slice(&[0, 0]);
                    });
                }
                backend::write_empty(io.to_client, backend::NO_DATA);
                true
            }
            frontend::EXECUTE => {
                // Only a Bind that was permitted gets here: anything else has begun to skip.
                self.end_failed_block(io);
                true
            }
            _ => false,
        };
        if !permitted {
            let error = ErrorFields::error(
                "25P02",
                "current transaction is aborted, commands ignored until end of transaction block",
            );
            self.fail(head, front, &error, io);
        }
        Ok(())
    }

    fn end_failed_block(&mut self, io: &mut Io<'_>) {
        self.detached = Detached::Clean;
        self.status = TransactionStatus::Idle;
        backend::write_command_complete(io.to_client, "ROLLBACK");
    }

    /// The server connection is gone: tells the client what it must know, and says whether it can
    /// go on.
    pub fn server_lost(&mut self, server: &mut ServerSession, io: &mut Io<'_>) -> Loss {
        let error = self.parting_error();
        let sqlstate = SqlState::from_bytes(error.sqlstate().as_bytes());
        if self.meter.running() > 0 {
            self.meter.finish(Outcome::Failed(sqlstate), 0, io.now, io.events);
        }
        self.meter.abandon(usize::MAX);
        self.meter.end(io.now, io.events);
        if server.is_mid_message() {
            return Loss::Close;
        }
        // Nor is it known how many answers it still waits for, if `unsure`.
        if self.leaves_state() || self.unsure {
            let mut fatal = error;
            fatal.severity = Severity::Fatal;
            io.to_client.extend_from_slice(&fatal.encode());
            return Loss::Close;
        }
        for (name, value) in self.parameters.transaction_lost(&server.parameters) {
            backend::write_parameter_status(io.to_client, &name, &value);
        }
        if self.status != TransactionStatus::Idle {
            self.status = TransactionStatus::Failed;
            self.detached = Detached::FailedBlock;
        }
        if self.quiet && self.status == TransactionStatus::Failed {
            // Nothing is due: the next message gets to know.
            self.detached = Detached::Refused(Box::new(error));
        } else {
            self.fail_all_due(&error, io);
        }
        self.quiet = true;
        self.journal.discard();
        self.failed = false;
        self.parameters_told = false;
        self.as_sent = None;
        self.interrupted = None;
        self.reading_changes = Mention::None;
        self.doubt = Doubt::None;
        self.copy_reads = false;
        self.lost_sync = false;
        self.barrier = Barrier::Open;
        self.portals.clear();
        if let Some(body) = &mut self.body {
            body.forward = false;
        }
        Loss::Survived
    }

    /// Every request that is under way ends with the error, each at its ReadyForQuery.
    fn fail_all_due(&mut self, error: &ErrorFields, io: &mut Io<'_>) {
        // All was answered, but only a Sync would have committed it.
        let mut told = !self.quiet && !self.skipping && self.replies.is_local();
        if told {
            io.to_client.extend_from_slice(&error.encode());
        }
        // An error of the server's own was told, and its ReadyForQuery has not come: after one error
        // nothing follows but that (manual 55.2.3).
        told |= self.failed && !self.quiet;
        let due: Vec<_> = self.replies.clear().collect();
        for expected in &due {
            match expected {
                Expected::Query { .. } | Expected::FunctionCall | Expected::Sync => {
                    if !told {
                        io.to_client.extend_from_slice(&error.encode());
                    }
                    backend::write_ready(io.to_client, self.status);
                    told = false;
                }
                Expected::OwnSettings(_)
                | Expected::OwnQuestion
                | Expected::OwnSync
                | Expected::CopyEnd => {}
                _ => {
                    if !told {
                        io.to_client.extend_from_slice(&error.encode());
                        told = true;
                    }
                }
            }
        }
        // What was done last is undone first.
        due.into_iter().rev().for_each(|expected| self.never_happened(expected));
        // An error that was told before goes on to the client's Sync.
        self.skipping |= told;
    }

    /// The client's statements as they were before it sent this, which the server did not answer.
    fn never_happened(&mut self, expected: Expected) {
        match expected {
            Expected::Parse { name, statement, .. }
            | Expected::LocalParseComplete { name, statement } => {
                self.statements.undo(&name, &statement);
            }
            Expected::LocalCloseComplete { closed: Some((name, statement)) } => {
                self.statements.insert(&name, statement);
            }
            // Once it is done it stays done: it is no part of the transaction.
            Expected::Query { statements: 1.., deallocated: Some(kept), .. } => {
                self.statements.insert(&kept.name, kept.statement);
            }
            _ => {}
        }
    }

    /// The server's last words as an ERROR, or words of our own.
    fn parting_error(&mut self) -> ErrorFields {
        match self.last_words.take() {
            Some(body) => {
                let view = ErrorView::new(&body);
                let sqlstate = SqlState::from_bytes(view.sqlstate());
                ErrorFields::error(sqlstate.as_str().to_owned(), view.message().into_owned())
            }
            None => ErrorFields::error("08006", "server closed the connection unexpectedly"),
        }
        .with_hint(
            "The server connection was lost; the statement may or may not have taken effect.",
        )
    }
}
