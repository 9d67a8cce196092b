//! The console's side of a connection: reads messages, answers them.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::sync::Arc;

use bytes::BytesMut;
use pgwire::messages::response::TransactionStatus;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wire::error_response::ErrorFields;

use crate::error::ConsoleError;
use crate::interpreter::{Interpreter, Outcome};
use crate::live::{Live, Session};
use crate::prepared::Named;
use crate::protocol::{Frontend, Replies, take_message};
use crate::refusal::Refusal;
use crate::sql::{self, BoundValue, Stop};
use crate::statement::Statement;
use crate::table::Table;

/// Answers are sent when so many bytes are waiting, even if the client has sent more to do.
const SEND_AT_BYTES: usize = 64 * 1024;
/// Room made for a read, bytes.
const READ_BYTES: usize = 4 * 1024;

/// Serves the console on a connection that is authenticated and has been sent its first
/// ReadyForQuery, until Terminate, end of file or an error.
///
/// Cancel-safe: no. Dropping the future closes the console connection; a command that it was
/// carrying out may have been carried out or not.
///
/// # Errors
/// When the connection fails, and when what the client sends is not the protocol; the client has
/// then been told as far as possible.
pub async fn serve<S>(stream: S, session: Session, live: Arc<dyn Live>) -> Result<(), ConsoleError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut connection = Connection {
        stream,
        inbox: BytesMut::new(),
        replies: Replies::default(),
        stop: session.stop.clone(),
        interpreter: Interpreter::new(session, live),
        named: Named::default(),
        phase: Phase::Answering,
    };
    let mut ended = connection.run().await;
    if let Err(error) = &ended
        && let Some(sqlstate) = error.sqlstate()
    {
        connection.replies.fields(&ErrorFields::fatal(sqlstate, error.to_string()));
    }
    if !matches!(ended, Err(ConsoleError::Io(_))) {
        // The first reason matters more than that it could not be delivered.
        let sent = connection.send().await;
        ended = ended.and(sent);
    }
    // The peer may be gone already.
    let _ = connection.stream.shutdown().await;
    ended
}

/// Whether messages are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Answering,
    /// After an error in the extended protocol all is ignored until Sync.
    SkippingToSync,
}

/// Why a message was not carried out to its end.
pub(crate) enum Halt {
    /// The client is told, and goes on.
    Refused(Refusal),
    /// The connection ends.
    Ended(ConsoleError),
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ConsoleError> for Halt {
    fn from(error: ConsoleError) -> Self {
        Self::Ended(error)
    }
}

/// A console connection.
pub(crate) struct Connection<S> {
    stream: S,
    inbox: BytesMut,
    pub(crate) replies: Replies,
    pub(crate) interpreter: Interpreter,
    pub(crate) named: Named,
    /// Ends the query that runs.
    stop: Stop,
    phase: Phase,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    async fn run(&mut self) -> Result<(), ConsoleError> {
        while let Some(message) = self.next_message().await? {
            match message {
                Frontend::Terminate => break,
                Frontend::Sync => {
                    self.phase = Phase::Answering;
                    self.ready();
                }
                _ if self.phase == Phase::SkippingToSync => {}
                Frontend::Query(text) => self.query(&text).await?,
                Frontend::FunctionCall => {
                    self.refuse(&Refusal::error("0A000", "the console has no functions to call"));
                    self.ready();
                }
                message => match self.extended(message).await {
                    Ok(()) => {}
                    Err(Halt::Refused(refusal)) => {
                        self.refuse(&refusal);
                        self.phase = Phase::SkippingToSync;
                    }
                    Err(Halt::Ended(error)) => return Err(error),
                },
            }
            self.send_if_much().await?;
        }
        Ok(())
    }

    /// The next message; none at the end of the stream.
    ///
    /// Answers are sent before the client is waited for, so that neither waits for the other.
    async fn next_message(&mut self) -> Result<Option<Frontend>, ConsoleError> {
        loop {
            if let Some(message) = take_message(&mut self.inbox)? {
                return Ok(Some(message));
            }
            self.send().await?;
            self.inbox.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                let whole = self.inbox.is_empty();
                return if whole { Ok(None) } else { Err(ConsoleError::Truncated) };
            }
        }
    }

    async fn send(&mut self) -> Result<(), ConsoleError> {
        if let Some(failure) = self.replies.failure.take() {
            return Err(failure);
        }
        self.stream.write_all_buf(&mut self.replies.bytes).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Keeps the answers to a long pipeline, or a long table, from piling up in memory.
    pub(crate) async fn send_if_much(&mut self) -> Result<(), ConsoleError> {
        if self.replies.bytes.len() >= SEND_AT_BYTES { self.send().await } else { Ok(()) }
    }

    fn ready(&mut self) {
        let status = self.interpreter.status();
        if status == TransactionStatus::Idle {
            self.named.close_portals();
        }
        self.replies.ready(status);
    }

    fn refuse(&mut self, refusal: &Refusal) {
        self.replies.fields(refusal);
        self.interpreter.fail();
    }

    /// A Query message: the statements of its string, up to the first that fails.
    async fn query(&mut self, text: &str) -> Result<(), ConsoleError> {
        self.named.close_unnamed();
        match self.run_statements(text).await {
            Ok(()) => {}
            Err(Halt::Refused(refusal)) => self.refuse(&refusal),
            Err(Halt::Ended(error)) => return Err(error),
        }
        self.ready();
        Ok(())
    }

    async fn run_statements(&mut self, text: &str) -> Result<(), Halt> {
        let statements = self.interpreter.parse(text)?;
        if statements.is_empty() {
            self.replies.empty_query();
        }
        for statement in &statements {
            let outcome = self.attended(statement, None).await??;
            if let Some((table, tag)) = self.complete(outcome)? {
                self.replies.columns(Some(&table.columns), &[]);
                for row in &table.rows {
                    self.replies.row(row, &[]);
                    self.send_if_much().await?;
                }
                self.replies.complete(&tag);
            }
            self.send_if_much().await?;
        }
        Ok(())
    }

    /// Carries a statement out with an ear to the client: whoever goes away meanwhile ends a query, and
    /// waits for no command any more, which stays in force. What the client sends on is kept for later.
    pub(crate) async fn attended(
        &mut self,
        statement: &Statement,
        bound: Option<(Arc<sql::Prepared>, Vec<BoundValue>)>,
    ) -> Result<Result<Outcome, Refusal>, ConsoleError> {
        let Self { stream, inbox, interpreter, stop, .. } = self;
        stop.clear();
        let running = interpreter.run(statement, bound, stop.clone());
        tokio::pin!(running);
        while inbox.len() < SEND_AT_BYTES {
            inbox.reserve(READ_BYTES);
            tokio::select! {
                biased;
                outcome = &mut running => return Ok(outcome),
                read = stream.read_buf(inbox) => if read? == 0 {
                    if matches!(statement, Statement::Command(_)) {
                        return Err(std::io::Error::from(ErrorKind::UnexpectedEof).into());
                    }
                    stop.now();
                    break;
                }
            }
        }
        Ok(running.await)
    }

    /// Answers an outcome that has no rows; gives back one that has, with its tag.
    pub(crate) fn complete(
        &mut self,
        outcome: Outcome,
    ) -> Result<Option<(Table, Cow<'static, str>)>, Refusal> {
        let tag = match outcome {
            Outcome::Rows(table, tag) => return Ok(Some((table, tag))),
            Outcome::Notices(notices, tag) => {
                notices.iter().for_each(|notice| self.replies.fields(notice));
                tag
            }
            Outcome::Deallocate(name, tag) => {
                self.named.deallocate(name.as_deref())?;
                tag
            }
            Outcome::Done(tag) => tag,
        };
        self.replies.complete(tag);
        Ok(None)
    }
}
