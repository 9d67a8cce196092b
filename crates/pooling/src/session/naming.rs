//! The client's names for prepared statements, and the server's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Outcome;
use sql::Observed;
use wire::backend::{self, TransactionStatus};
use wire::frame::Head;
use wire::frontend::{self, Target};

use super::effect::{Effect, deallocated_name};
use super::measure::Running;
use super::pins::PinReason;
use super::{ClientSession, Io, ServerSession};
use crate::error::PoolingError;
use crate::prepared::{SERVER_NAME_PREFIX, ServerName, SpelledName, Statement};
use crate::replies::{Deallocated, Expected};

/// How long what the client has not named may have been parsed ago.
const PARSED_AGAIN_AFTER: Duration = Duration::from_secs(60);

impl ClientSession {
    /// Whether the server refuses a Parse of this for certain, since the transaction block failed. It
    /// takes what ends the block or returns to a savepoint (PostgreSQL's `IsTransactionExitStmt`), and
    /// a text without a statement.
    pub(super) fn is_refused_in_block(&self, statement: &Statement) -> bool {
        use sql::Class::{Commit, Empty, PrepareTransaction, Rollback, RollbackToSavepoint};
        self.status == TransactionStatus::Failed
            && !self.replies.has_statement()
            && !matches!(
                statement.shape.class,
                Commit | Rollback | RollbackToSavepoint | PrepareTransaction | Empty
            )
    }

    /// SQL's DEALLOCATE of a statement that was prepared by the protocol and that the server does not
    /// have: done here. A Parse in front of it could fail, and a Query does not end what follows.
    pub(super) fn deallocate_here(
        &mut self,
        observed: &[Observed],
        text: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> bool {
        let [only] = observed else { return false };
        if only.shape.effect != sql::SessionEffect::Deallocate
            || self.status == TransactionStatus::Failed
            || !self.replies.owes_nothing()
        {
            return false;
        }
        let Some(name) = deallocated_name(text) else { return false };
        let Some(statement) = self.statements.get(name.as_bytes()) else { return false };
        if server.statements.lookup(statement, None).is_some() {
            return false;
        }
        self.statements.remove(name.as_bytes());
        self.statements.remove(b"");
        self.meter.begin(Running {
            values: only.values,
            ..Running::new(Arc::clone(&only.shape), Effect::None, io.now)
        });
        self.meter.finish(Outcome::Done, 0, io.now, io.events);
        backend::write_command_complete(io.to_client, "DEALLOCATE");
        backend::write_ready(io.to_client, self.status);
        if !self.quiet && !self.replies.has_end() {
            // Settings that were written on attach are not answered before a Sync, and none of the
            // client's follows: it would keep the server connection.
            frontend::write_empty(io.to_server, frontend::SYNC);
            server.statements.pipeline_sent();
            self.replies.push(Expected::OwnSync);
        }
        self.meter.ready(self.status, true, io.now, io.events);
        true
    }

    /// Once it has no statement any more that only this server has, the client need not stay for it.
    pub(super) fn unpin_large(&mut self) {
        if self.pins.has(PinReason::LargeStatement) && !self.statements.any_not_kept() {
            self.pins.remove(PinReason::LargeStatement);
        }
    }

    /// SQL's DEALLOCATE of a statement that was prepared by the protocol: only pgweir knows its name
    /// on the server.
    pub(super) fn deallocate(
        &mut self,
        shape: &sql::Shape,
        text: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Option<Box<Deallocated>> {
        if shape.effect != sql::SessionEffect::Deallocate {
            return None;
        }
        let name = deallocated_name(text)?.into_bytes().into_boxed_slice();
        let statement = self.statements.remove(&name)?;
        let server = self.prepare_on(&statement, server, io);
        Some(Box::new(Deallocated { name, statement, server }))
    }

    /// Close of a statement or a portal.
    pub(super) fn close(
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
                let closed = Some((name.into(), statement));
                self.replies.push(Expected::LocalCloseComplete { closed });
                self.answer_local(io.to_client);
            }
            Some(statement) if !name.is_empty() => {
                let server_name = server.statements.prepare(&statement, io.now, None).name;
                server.statements.forget(server_name);
                self.replies.push(Expected::Close);
                self.quiet = false;
                let text = server_name.spelled();
                frontend::write_statement_target(io.to_server, frontend::CLOSE, text.as_bytes());
            }
            _ if name.starts_with(SERVER_NAME_PREFIX.as_bytes()) => {
                self.replies.push(Expected::LocalCloseComplete { closed: None });
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

    /// An unnamed statement that is too long to be kept ends with its transaction, where nothing may
    /// stay.
    pub(super) fn forget_large(&mut self) {
        if self.pins.has(PinReason::LargeStatement) {
            self.statements.remove(b"");
            self.unpin_large();
        }
    }

    /// Makes the server raise 42P05 for a name that the client has used already.
    pub(super) fn duplicate(
        &mut self,
        name: &[u8],
        statement: Arc<Statement>,
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) {
        let known = self.statements.get(name).cloned().unwrap_or_else(|| Arc::clone(&statement));
        // Another than the one that stays when this fails.
        let statement = Arc::new(statement.again());
        let taken = self.prepare_on(&known, server, io).spelled();
        let types = if statement.is_kept() { statement.types() } else { &[0, 0] };
        frontend::write_parse(io.to_server, taken.as_bytes(), statement.text(), types);
        self.replies.push(Expected::Parse {
            name: name.into(),
            statement,
            server: None,
            refused: None,
        });
        self.quiet = false;
    }

    /// Makes sure that the server has a statement, by a Parse of our own if need be.
    pub(super) fn prepare_on(
        &mut self,
        statement: &Arc<Statement>,
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> ServerName {
        self.prepare_on_since(statement, None, server, io)
    }

    /// The same for a statement that the client has not named, and so takes for parsed just now. Another
    /// table may have come in front of its table since, or its column may have another type: nothing
    /// tells the server to look for that in what it has parsed.
    pub(super) fn prepare_lately_on(
        &mut self,
        statement: &Arc<Statement>,
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> ServerName {
        self.prepare_on_since(statement, io.now.checked_sub(PARSED_AGAIN_AFTER), server, io)
    }

    fn prepare_on_since(
        &mut self,
        statement: &Arc<Statement>,
        oldest: Option<Instant>,
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> ServerName {
        if let Some(name) = server.statements.lookup(statement, oldest) {
            return name;
        }
        let statement = self.read_now(statement);
        let preparation = server.statements.prepare(&statement, io.now, oldest);
        self.write_closes(&preparation.close, io);
        if preparation.parse {
            let name = preparation.name.spelled();
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

    pub(super) fn write_closes(&mut self, names: &[ServerName], io: &mut Io<'_>) {
        for name in names {
            let text = name.spelled();
            frontend::write_statement_target(io.to_server, frontend::CLOSE, text.as_bytes());
            self.replies.push(Expected::OwnClose(Some(*name)));
            self.quiet = false;
        }
    }

    /// The name to use on the server for a statement that the client has as `name`; none to leave it
    /// as it is.
    pub(super) fn name_on_server(
        &mut self,
        name: &[u8],
        statement: &Arc<Statement>,
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Option<NameOnServer> {
        if !name.is_empty() || self.unnamed_by_name {
            let due = self.replies.len();
            let ours = if name.is_empty() {
                self.prepare_lately_on(statement, server, io)
            } else {
                self.prepare_on(statement, server, io)
            };
            // Parsed just now, it is valid.
            self.may_repeat &= self.replies.len() == due;
            return Some(NameOnServer::Ours(ours.spelled()));
        }
        if !server.statements.unnamed_is(statement) && statement.is_kept() {
            frontend::write_parse(io.to_server, b"", statement.text(), statement.types());
            self.meter.server_parse();
            self.replies.push(Expected::OwnParse(None));
            self.quiet = false;
            server.statements.set_unnamed(Some(self.read_now(statement).into_owned()));
        }
        None
    }

    /// The same for a name that the client has not prepared a statement under.
    pub(super) fn unknown_name(
        &mut self,
        name: &[u8],
        server: &mut ServerSession,
        io: &mut Io<'_>,
    ) -> Option<NameOnServer> {
        if name.is_empty() {
            // The server may have another client's: without it the server raises the error.
            frontend::write_statement_target(io.to_server, frontend::CLOSE, b"");
            self.replies.push(Expected::OwnClose(None));
            self.quiet = false;
            server.statements.set_unnamed(None);
            return None;
        }
        // Not prepared through the protocol: SQL's PREPARE, or an error that the server will raise. A
        // name of ours must not lead to another client's statement.
        let ours = name.starts_with(SERVER_NAME_PREFIX.as_bytes());
        ours.then(|| NameOnServer::Foreign([b"?", name].concat()))
    }
}

/// The name of a statement on the server.
#[derive(Debug)]
pub(super) enum NameOnServer {
    /// One that pgweir has given.
    Ours(SpelledName),
    /// One that nothing has.
    Foreign(Vec<u8>),
}

impl NameOnServer {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ours(name) => name.as_bytes(),
            Self::Foreign(name) => name,
        }
    }
}
