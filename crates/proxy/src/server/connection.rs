//! An open server connection.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;
use model::{Event, ServerId};
use pooling::hosts::HostId;
use pooling::scheduler::Age;
use pooling::session::ServerSession;
use tokio::io::AsyncReadExt;
use wire::backend::{self, TransactionStatus};
use wire::frame::{HEAD_BYTES, Head};
use wire::{frontend, startup};

use super::connect::Route;
use crate::buffer::{ReadBuffer, WriteBuffer};
use crate::error::ProxyError;
use crate::stream::{self, Stream};
use crate::tls::Encryption;

/// How long a server may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long cleaning a connection may take before it is closed instead.
const CLEANING: Duration = Duration::from_secs(5);
/// How long what a client has left behind may run to its end, if it said goodbye.
const FINISHING: Duration = Duration::from_secs(3);
/// How long a cancelled connection may take before it is cancelled again.
const AGAIN: Duration = Duration::from_millis(250);

/// What a cancel request needs, and what keeps it from reaching a foreign query.
#[derive(Debug)]
pub(crate) struct CancelHandle {
    route: Route,
    /// Requests are encrypted if the connection is.
    is_encrypted: bool,
    pub(crate) process_id: i32,
    key: Vec<u8>,
    /// How long a request may take.
    timeout: Duration,
    /// Requests that were begun while the present client held the connection. The connection is
    /// not given to another client before all are over.
    under_way: AtomicU32,
    /// Requests ever begun; a change tells that one was, even if it is over.
    begun: AtomicU64,
    /// The server may still act on a request, and nobody knows when.
    stray: AtomicBool,
}

impl CancelHandle {
    pub(crate) fn new(
        route: Route,
        is_encrypted: bool,
        process_id: i32,
        key: Vec<u8>,
        timeout: Duration,
    ) -> Arc<Self> {
        let (under_way, begun) = (AtomicU32::new(0), AtomicU64::new(0));
        let stray = AtomicBool::new(false);
        Arc::new(Self { route, is_encrypted, process_id, key, timeout, under_way, begun, stray })
    }

    /// Announces a request. Must be called while the client is known to hold the connection.
    pub(crate) fn begin(self: &Arc<Self>) -> CancelUnderWay {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        self.begun.fetch_add(1, Ordering::AcqRel);
        CancelUnderWay { handle: Arc::clone(self), unanswered: false }
    }

    /// Requests begun so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }
}

/// A cancel request that has been announced. Over when dropped.
#[derive(Debug)]
pub(crate) struct CancelUnderWay {
    handle: Arc<CancelHandle>,
    /// The server may have the request, and has not closed the connection that it came by.
    unanswered: bool,
}

impl CancelUnderWay {
    /// Sends the request, and waits until the server has acted on it: it closes the connection after it has signalled the process (postmaster.c,
    /// processCancelRequest).
    ///
    /// Not cancel-safe: the server connection is not used again.
    pub(crate) async fn send(mut self) -> Result<(), ProxyError> {
        let request = startup::cancel_request(self.handle.process_id, &self.handle.key);
        let timeout = self.handle.timeout;
        let exchange = async {
            let encryption =
                if self.handle.is_encrypted { Encryption::Always } else { Encryption::Plain };
            let mut stream = self.handle.route.open(encryption).await?;
            self.unanswered = true;
            stream.send(&request).await?;
            let mut rest = [0; 16];
            while stream.read(&mut rest).await? > 0 {}
            self.unanswered = false;
            Ok(())
        };
        tokio::time::timeout(timeout, exchange)
            .await
            .unwrap_or(Err(ProxyError::TimedOut("cancel_wait_timeout")))
    }
}

impl Drop for CancelUnderWay {
    fn drop(&mut self) {
        if self.unanswered {
            self.handle.stray.store(true, Ordering::Release);
        }
        self.handle.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What runs on a server connection whose client has left it.
#[derive(Debug)]
pub(crate) enum Running {
    /// Nothing.
    Nothing,
    /// The client said goodbye: what it sent before that is carried out, if that does not take long.
    /// With what was not sent on yet.
    Finish(WriteBuffer),
    /// The client is gone: nobody wants it any more.
    Cancel,
}

/// An open server connection, logged in.
#[derive(Debug)]
pub(crate) struct ServerConnection {
    pub(crate) id: ServerId,
    pub(crate) stream: Stream,
    pub(crate) read: ReadBuffer,
    pub(crate) session: ServerSession,
    pub(crate) cancel: Arc<CancelHandle>,
    pub(crate) age: Age,
    pub(crate) opened_at: Timestamp,
    pub(crate) address: model::Address,
    pub(crate) local_address: model::Address,
    /// As reported at login, in the server's spelling.
    pub(crate) parameters: Vec<(String, String)>,
    /// Which of the places that its pool has led to it leads to.
    pub(crate) place: u32,
    /// Which of the hosts of that place.
    pub(crate) host: HostId,
    /// `cancel.begun()` when the present client got it.
    pub(crate) cancels_before: u64,
    /// Memory for the client that holds it.
    pub(crate) lent: Lent,
}

/// Memory that a client needs only as long as it holds a server connection. So it stays with that:
/// there are few of them, and clients that hold none need none.
#[derive(Debug, Default)]
pub(crate) struct Lent {
    pub(crate) to_server: Vec<u8>,
    pub(crate) to_client: Vec<u8>,
    pub(crate) events: Vec<Event>,
}

impl ServerConnection {
    /// Whether the server is still there, as far as is known without asking. Costs no system call
    /// unless something has arrived.
    pub(crate) fn is_alive(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            match self.read.poll_fill(&mut self.stream, &mut cx) {
                Poll::Pending => return self.take_idle_messages(),
                Poll::Ready(Ok(count)) if count > 0 => {
                    if !self.take_idle_messages() {
                        return false;
                    }
                }
                Poll::Ready(_) => return false,
            }
        }
    }

    /// A server may report a changed parameter, or a notice, at any time (manual 55.2.7). Anything
    /// else that it sends unasked is its end.
    fn take_idle_messages(&mut self) -> bool {
        loop {
            let bytes = self.read.bytes();
            match bytes.first() {
                Some(&(backend::PARAMETER_STATUS | backend::NOTICE_RESPONSE)) => {}
                // Its kind tells, however little of it has come.
                Some(_) => return false,
                None => return true,
            }
            let Ok(head) = Head::from_server(bytes) else { return false };
            let Some(head) = head else { return true };
            let Some(body) = bytes.get(HEAD_BYTES..head.total()) else { return true };
            if head.kind == backend::PARAMETER_STATUS
                && let Some((name, value)) = backend::read_parameter_status(body)
            {
                self.session.parameters.reported_at_login(name, value);
            }
            self.read.consume(head.total());
        }
    }

    /// Whether nothing that it has sent is left over. What is, nobody has asked for, and the next
    /// client would take it for the front of its own answer.
    pub(crate) fn has_said_all(&mut self) -> bool {
        let is_at_end = self.read.len() == 0 && !self.session.is_mid_message();
        is_at_end || self.says_only_what_it_may()
    }

    #[cold]
    fn says_only_what_it_may(&mut self) -> bool {
        !self.session.is_mid_message() && self.take_idle_messages() && self.read.len() == 0
    }

    /// Whether a cancel request was begun on behalf of the present client.
    pub(crate) fn was_cancelled(&self) -> bool {
        self.cancel.begun() != self.cancels_before
    }

    /// Makes it fit for the next client: ends what still runs, waits out cancel requests, rolls
    /// back, and resets the session if anything ran or `state` is left. Not cancel-safe: close it
    /// then.
    pub(crate) async fn clean(&mut self, running: Running, state: bool) -> Result<(), ProxyError> {
        let cleaning = async {
            // What ran last may have left anything: nobody has looked at its answer.
            let reset = state || !matches!(running, Running::Nothing);
            match running {
                Running::Nothing => {}
                Running::Finish(mut unsent) => {
                    unsent.flush(&mut self.stream).await?;
                    self.end_requests(FINISHING).await?;
                }
                Running::Cancel => {
                    self.cancel.begin().send().await?;
                    self.end_requests(AGAIN).await?;
                }
            }
            self.wait_for_cancels().await?;
            let mut request = Vec::new();
            // Its answer shows that a cancel that came late has been dealt with.
            frontend::write_empty(&mut request, frontend::SYNC);
            self.stream.send(&request).await?;
            if self.skip_to_ready().await? != TransactionStatus::Idle {
                self.run("ROLLBACK").await?;
            }
            if reset {
                self.run("DISCARD ALL").await?;
                self.session.statements.clear();
                self.session.parameters.reset();
            }
            Ok(())
        };
        tokio::time::timeout(CLEANING, cleaning)
            .await
            .unwrap_or(Err(ProxyError::TimedOut("cleaning a server connection")))
    }

    /// Ends all that the client has begun, and reads past the answers. What is not done after
    /// `patience` is cancelled, and again: a pipeline goes on after the query that was cancelled.
    async fn end_requests(&mut self, mut patience: Duration) -> Result<(), ProxyError> {
        let mut request = Vec::new();
        // A COPY that reads is ended by CopyFail, which is ignored elsewhere.
        frontend::write_copy_fail(&mut request, "the client has gone");
        // A Sync would commit what a pipeline has done so far.
        frontend::write_query(&mut request, b"ROLLBACK");
        frontend::write_empty(&mut request, frontend::SYNC);
        // How many answers are due is not known: a marker tells where those to us begin. The
        // client's own queries are answered before it, so that it must not be guessed.
        let column = format!("pgweir_clean_{:032x}", rand::random::<u128>());
        // Outside of a transaction ROLLBACK only warns; in a failed one nothing else is accepted.
        let marker = format!("ROLLBACK; SELECT 1 AS {column}");
        frontend::write_query(&mut request, marker.as_bytes());
        self.stream.send(&request).await?;
        let cancel = Arc::clone(&self.cancel);
        let mut skipping = pin!(async {
            let rest = self.session.take_rest_of_message();
            self.skip(rest).await?;
            self.skip_to_marker(column.as_bytes()).await?;
            self.skip_to_ready().await
        });
        loop {
            match tokio::time::timeout(patience, &mut skipping).await {
                Ok(ended) => return ended.map(drop),
                Err(_) => cancel.begin().send().await?,
            }
            patience = AGAIN;
        }
    }

    /// Waits until no cancel request can hit the connection any more.
    async fn wait_for_cancels(&self) -> Result<(), ProxyError> {
        while self.cancel.under_way.load(Ordering::Acquire) > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if self.cancel.stray.load(Ordering::Acquire) {
            return Err(ProxyError::TimedOut("a cancel request"));
        }
        Ok(())
    }

    pub(crate) async fn run(&mut self, sql: &str) -> Result<(), ProxyError> {
        let mut request = Vec::new();
        frontend::write_query(&mut request, sql.as_bytes());
        self.stream.send(&request).await?;
        self.session.statements.set_unnamed(None);
        match self.skip_to_ready().await? {
            TransactionStatus::Idle => Ok(()),
            _ => Err(ProxyError::Closed),
        }
    }

    /// Reads up to the next ReadyForQuery.
    async fn skip_to_ready(&mut self) -> Result<TransactionStatus, ProxyError> {
        loop {
            let (kind, body) = self.next_message().await?;
            if kind == backend::READY_FOR_QUERY {
                return TransactionStatus::read(&body).ok_or(ProxyError::Closed);
            }
        }
    }

    async fn skip_to_marker(&mut self, column: &[u8]) -> Result<(), ProxyError> {
        loop {
            let (kind, body) = self.next_message().await?;
            let found = body.windows(column.len()).any(|window| window == column);
            if kind == backend::ROW_DESCRIPTION && found {
                return Ok(());
            }
        }
    }

    /// Reads one message; a body longer than what is of use is cut off. Not cancel-safe.
    pub(super) async fn next_message(&mut self) -> Result<(u8, Vec<u8>), ProxyError> {
        const USEFUL_BYTES: usize = 4096;
        let head = self.read.server_head(&mut self.stream).await?;
        let front = head.body.min(USEFUL_BYTES);
        let body = self.read.take_body(&mut self.stream, head, front).await?;
        if head.kind == backend::PARAMETER_STATUS {
            // What a statement set that nobody waited for, or a ROLLBACK brought back. What cannot
            // be read cannot be undone for the next client.
            let (name, value) = backend::read_parameter_status(&body).ok_or(ProxyError::Closed)?;
            self.session.parameters.reported(name, value);
        }
        self.skip(head.body - front).await?;
        Ok((head.kind, body))
    }

    async fn skip(&mut self, mut rest: usize) -> Result<(), ProxyError> {
        while rest > 0 {
            self.read.fill_to(&mut self.stream, 1).await?;
            let count = rest.min(self.read.len());
            self.read.consume(count);
            rest -= count;
        }
        Ok(())
    }

    /// Says goodbye and waits until the server has closed the connection, so that it does not count
    /// any more there when it does not count any more here.
    pub(crate) async fn close(mut self) {
        let goodbye = async {
            let mut request = Vec::new();
            frontend::write_empty(&mut request, frontend::TERMINATE);
            self.stream.send(&request).await?;
            // A server that waits for the rest of a message takes it for that; this it understands.
            stream::close(&mut self.stream).await
        };
        // A server that does not answer is left to itself.
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
    }
}
