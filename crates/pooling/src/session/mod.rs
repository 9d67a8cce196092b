//! One client's conversation: what its messages mean for the server connection it borrows, and what
//! the server's messages mean for the client.
//!
//! Bytes in, bytes out. The shell (crate `proxy`) reads and writes sockets and leases server
//! connections; everything that must be decided about a message is decided here.

mod client;
mod comments;
mod detached;
mod effect;
mod failure;
mod fronts;
mod local;
mod measure;
mod memento;
mod naming;
mod outcome;
mod own_server;
mod parsing;
mod pins;
mod portals;
mod prepared_query;
mod probe;
mod reading;
mod refusal;
mod repeat;
mod samples;
mod sequences;
mod server;
mod steps;
mod traces;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{ClientId, Event, LabelId, PoolMode, ShapeId};
use sql::{Observed, ShapeRegistry};
use wire::backend::TransactionStatus;
use wire::error_response::ErrorFields;
use wire::frontend;

pub use detached::Loss;
pub use memento::SessionMemento;
pub use pins::{PinReason, Pins};
pub use refusal::Refusal;
pub use steps::{ClientStep, ServerStep};

use crate::known::KnownStatements;
use crate::parameters::{ClientParameters, Journal, Mention, ServerParameters};
use crate::prepared::{ClientStatements, ServerStatements};
use crate::replies::{Expected, ReplyQueue};
use comments::Comments;
use detached::Detached;
use measure::Meter;
use portals::Portals;
use prepared_query::AsSent;
use probe::{Answer, Doubt};
use traces::Traces;

/// What is known of a server connection, whoever holds it.
#[derive(Debug)]
pub struct ServerSession {
    /// Run-time parameters.
    pub parameters: ServerParameters,
    /// Prepared statements.
    pub statements: ServerStatements,
    /// Who it is logged in as.
    user: Box<str>,
    opened: Instant,
    /// Who has used it, while that is one client.
    owner: Option<ClientId>,
    /// Several clients have used it.
    shared: bool,
    /// It has state that no command takes away again: it must be closed when its client leaves it.
    worn: bool,
    /// It would not write (25006): it may have become a standby.
    refused_write: bool,
    /// The rest of a message that is being streamed to the client.
    body: Option<Body>,
    /// Whose values `currval` and `lastval` would answer with.
    drawn: Option<sequences::Drawn>,
}

impl ServerSession {
    /// A connection that has logged in as `user`, at `opened`.
    #[must_use]
    pub fn new(
        user: &str,
        parameters: ServerParameters,
        max_prepared_statements: usize,
        opened: Instant,
    ) -> Self {
        let statements = ServerStatements::new(max_prepared_statements);
        let (user, owner) = (user.into(), None);
        Self {
            parameters,
            statements,
            user,
            opened,
            owner,
            shared: false,
            worn: false,
            refused_write: false,
            body: None,
            drawn: None,
        }
    }

    /// Whether it must not be given to another client, however clean it is made.
    #[must_use]
    pub fn is_worn(&self) -> bool {
        self.worn
    }

    /// `client`, which began to work at `since`, uses it. What was opened before that is as good as
    /// used by another one.
    fn used_by(&mut self, client: ClientId, since: Instant) {
        self.shared |= match self.owner {
            Some(owner) => owner != client,
            None => self.opened < since,
        };
        self.owner = Some(client);
    }

    /// Whether the client has the front of a message, and not the rest.
    #[must_use]
    pub fn is_mid_message(&self) -> bool {
        self.body.is_some_and(|body| body.forward)
    }

    /// The client is gone in the middle of a message: so many bytes of it are still to come, which
    /// the caller must skip.
    pub fn take_rest_of_message(&mut self) -> usize {
        self.body.take().map_or(0, |body| body.remaining)
    }
}

/// The rest of a message whose front has been dealt with.
#[derive(Clone, Copy, Debug)]
struct Body {
    remaining: usize,
    forward: bool,
    /// Whether it may hold statements that were not seen.
    statements: bool,
}

/// Where the session writes, and what it needs to know.
#[derive(Debug)]
pub struct Io<'a> {
    /// Statements' shapes.
    pub shapes: &'a ShapeRegistry,
    /// Bytes for the server.
    pub to_server: &'a mut Vec<u8>,
    /// Bytes for the client.
    pub to_client: &'a mut Vec<u8>,
    /// What was measured.
    pub events: &'a mut Vec<Event>,
    /// When the bytes at hand arrived.
    pub now: Instant,
}

/// Writes statements that change settings, as one transaction without a Sync: should one fail, the
/// server skips all that follows up to the client's own Sync, or for ever, and so does not carry out
/// anything with settings that are not the client's (`ignore_till_sync` in postgres.c). Returns the
/// number of CommandComplete in the answer. The unnamed statement is overwritten.
pub fn write_settings(statements: &[String], to_server: &mut Vec<u8>) -> u32 {
    let each = statements.iter().map(String::as_str);
    let mut answers = 0;
    // Outside of a block COMMIT ends what the messages before it have done, but warns.
    for text in std::iter::once("BEGIN").chain(each).chain(["COMMIT"]) {
        frontend::write_parse(to_server, b"", text.as_bytes(), &[0, 0]);
        frontend::write_bind_unnamed(to_server);
        frontend::write_execute_unnamed(to_server);
        answers += 1;
    }
    answers
}

/// A statement that changes what pgweir knows of the whole session (DISCARD ALL and its like) is
/// answered before what the client has sent behind it is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Barrier {
    Open,
    /// Shut after the next Sync.
    AtSync,
    /// Shut until the server has answered all.
    Shut,
}

/// One client's conversation.
#[derive(Debug)]
pub struct ClientSession {
    mode: PoolMode,
    known: Arc<KnownStatements>,
    statements: ClientStatements,
    /// The unnamed statement is served from a named one.
    unnamed_by_name: bool,
    /// The message at hand may begin what can be sent again.
    may_repeat: bool,
    /// What to send again should such a statement not be valid any more.
    repeatable: Option<Box<[u8]>>,
    /// What to send should the statement that serves the Query under way be refused.
    as_sent: Option<AsSent>,
    /// Of a Describe that is sent again, the client has been told the parameters.
    parameters_told: bool,
    parameters: ClientParameters,
    portals: Portals,
    replies: ReplyQueue,
    status: TransactionStatus,
    /// ReadyForQuery has come and nothing was sent since.
    quiet: bool,
    /// A message failed: all up to the next Sync is skipped.
    skipping: bool,
    /// A COPY reads, and what the client has sent does not end it.
    copy_reads: bool,
    /// A Sync was sent that the COPY under way reads over.
    lost_sync: bool,
    /// Such a COPY failed, perhaps before it came to the Sync: it may be answered after all. Until
    /// something else is answered.
    unsure: bool,
    barrier: Barrier,
    /// See [`ClientSession::yield_between_transactions`]: what follows a request is held back.
    yields: bool,
    /// Too much is due, and the server was asked for it.
    flushed: bool,
    /// The server's settings were reset under the client: the difference is to be written again.
    /// Nothing else of a new lease: whose sequences' values are there, and who waits, stays.
    settings_due: bool,
    pins: Pins,
    /// When it first got a server connection.
    began: Option<Instant>,
    /// What is under way may change how texts are read.
    reading_changes: Mention,
    /// Settings that the transaction under way has changed.
    journal: Journal,
    /// The transaction under way has made, changed or dropped something.
    schema_changed: bool,
    /// A statement has failed since the last ReadyForQuery.
    failed: bool,
    doubt: Doubt,
    /// In a box: few clients are ever asked about.
    answer: Option<Box<Answer>>,
    /// Functions that were called, and of which the server is to be asked what they do.
    unknown_routines: BTreeSet<Box<str>>,
    /// Settings that code may have changed, and that must be asked for by name.
    doubtful_settings: BTreeSet<Box<str>>,
    /// How often it has got a server connection.
    holds: u64,
    /// `currval` and `lastval` would answer with what others have drawn.
    foreign_sequences: bool,
    /// How often the question was asked again because it had been cancelled.
    asked_again: u8,
    body: Option<Body>,
    meter: Meter,
    traces: Traces,
    comments: Comments,
    detached: Detached,
    /// A FATAL error that the server sent before it went.
    last_words: Option<Vec<u8>>,
    /// What the client is told instead when what runs is cancelled.
    interrupted: Option<Box<ErrorFields>>,
    observed: Vec<Observed>,
}

impl ClientSession {
    /// A client that has logged in.
    #[must_use]
    pub fn new(
        client: ClientId,
        labels: LabelId,
        mode: PoolMode,
        parameters: ClientParameters,
    ) -> Self {
        Self {
            mode,
            known: Arc::default(),
            statements: ClientStatements::default(),
            unnamed_by_name: false,
            may_repeat: false,
            repeatable: None,
            as_sent: None,
            parameters_told: false,
            parameters,
            portals: Portals::default(),
            replies: ReplyQueue::default(),
            status: TransactionStatus::Idle,
            quiet: true,
            skipping: false,
            copy_reads: false,
            lost_sync: false,
            unsure: false,
            barrier: Barrier::Open,
            yields: false,
            flushed: false,
            settings_due: false,
            pins: Pins::default(),
            began: None,
            reading_changes: Mention::None,
            journal: Journal::default(),
            schema_changed: false,
            failed: false,
            doubt: Doubt::None,
            answer: None,
            unknown_routines: BTreeSet::new(),
            doubtful_settings: BTreeSet::new(),
            holds: 0,
            foreign_sequences: false,
            asked_again: 0,
            body: None,
            meter: Meter::new(client, labels),
            traces: Traces::default(),
            comments: Comments::default(),
            detached: Detached::Clean,
            last_words: None,
            interrupted: None,
            observed: Vec::new(),
        }
    }

    /// The same client, of a pool whose servers have parsed these.
    #[must_use]
    pub fn with_known(mut self, known: Arc<KnownStatements>) -> Self {
        self.known = known;
        self
    }

    /// A server connection was had, `wait` after the bytes that need it arrived: writes the settings
    /// that differ in front of the client's own bytes.
    pub fn attach(&mut self, server: &mut ServerSession, wait: Duration, io: &mut Io<'_>) {
        self.meter.waited(wait, io.now);
        self.yields = false;
        self.unsure = false;
        let since = *self.began.get_or_insert(io.now);
        server.used_by(self.meter.client, since);
        self.attached_to_sequences(server);
        self.write_settings_that_differ(server, io);
    }

    /// Gives the server connection that the client holds, or gets now, the client's settings.
    fn write_settings_that_differ(&mut self, server: &mut ServerSession, io: &mut Io<'_>) {
        self.settings_due = false;
        let statements = server.parameters.difference(&self.parameters);
        if !statements.is_empty() {
            let answers = write_settings(&statements, io.to_server);
            server.statements.set_unnamed(None);
            self.replies.push(Expected::OwnSettings(answers));
            self.quiet = false;
        }
    }

    /// Others wait for the server connection that this client holds, or what runs on it may have to
    /// be cancelled: however much the client has sent ahead, it goes to the server request by request
    /// from now on, so that the connection can be given back between two transactions, and a
    /// cancellation meets one request alone. Holds until the next [`Self::attach`].
    pub fn yield_between_transactions(&mut self) {
        self.yields = true;
    }

    /// Whether the server connection can be given back as it is.
    #[must_use]
    pub fn releasable(&self) -> bool {
        self.mode != PoolMode::Session
            && self.between_transactions()
            && self.pins.is_empty()
            && self.doubt == Doubt::None
            && !self.unsure
    }

    /// Whether an answer may come that nothing is known to have asked for.
    #[must_use]
    pub fn may_be_answered_again(&self) -> bool {
        self.unsure
    }

    /// Whether the server connection is between transactions, so that nothing but session state is
    /// left on it.
    #[must_use]
    pub fn between_transactions(&self) -> bool {
        self.quiet && self.status == TransactionStatus::Idle && self.body.is_none()
    }

    /// Whether the server has answered everything: what is left on it is at most an open
    /// transaction and session state.
    #[must_use]
    pub fn server_is_quiet(&self) -> bool {
        self.quiet && self.body.is_none()
    }

    /// Whether the server has the end of a request, so that its answer will come without being called
    /// for.
    #[must_use]
    pub fn owes_end(&self) -> bool {
        self.replies.has_end()
    }

    /// Whether the server has the front of a message of the client's, and waits for the rest.
    #[must_use]
    pub fn mid_client_message(&self) -> bool {
        self.body.is_some_and(|body| body.forward)
    }

    /// Whether session state may be left on the server connection that another client must not see:
    /// what has run, and what runs now.
    #[must_use]
    pub fn leaves_state(&self) -> bool {
        !self.pins.is_empty()
            || self.doubt != Doubt::None
            || self.mode == PoolMode::Session
            || self.meter.may_leave_state()
    }

    /// Why it keeps its server connection between transactions.
    #[must_use]
    pub fn pinned(&self) -> Option<PinReason> {
        self.pins.reason()
    }

    /// Why it holds a server connection that its pool's mode would have given back.
    #[must_use]
    pub fn held_by_pin(&self) -> Option<&'static str> {
        match self.mode {
            PoolMode::Session => None,
            _ => self.pins.reason().map(PinReason::as_str),
        }
    }

    /// The transaction's status as the client knows it.
    #[must_use]
    pub fn status(&self) -> TransactionStatus {
        self.status
    }

    /// Named statements the client has prepared.
    #[must_use]
    pub fn prepared_statements(&self) -> usize {
        self.statements.len()
    }

    /// The statement that runs, or ran last.
    #[must_use]
    pub fn statement(&self) -> ShapeId {
        self.meter.statement()
    }

    /// When the last statement was answered; none before the first.
    #[must_use]
    pub fn last_finish(&self) -> Option<Instant> {
        self.meter.last_finish()
    }

    /// What runs is being cancelled for a reason of our own: the client is told this.
    pub fn interrupt(&mut self, error: ErrorFields) {
        self.interrupted = Some(Box::new(error));
    }

    /// The client's application name changed: events carry these labels from now on.
    pub fn set_labels(&mut self, labels: LabelId) {
        self.meter.labels = labels;
    }

    /// The value of a parameter that the client set, where it differs from the server's own.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name)
    }

    /// The server had to wait for so long until the client took what it was sent.
    pub fn client_stalled(&mut self, time: Duration) {
        self.meter.stalled(time);
    }

    /// The client is gone: what was running is lost.
    pub fn gone(&mut self, now: Instant, events: &mut Vec<Event>) {
        if self.meter.running() > 0 {
            self.meter.finish(model::Outcome::Lost, 0, now, events);
        }
        self.meter.end(now, events);
    }
}
