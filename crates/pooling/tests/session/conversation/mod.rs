//! A client's session and the server connections it borrows, played by the test: what the shell
//! around the session does, without sockets.

mod script;

use std::time::{Duration, Instant};

use model::{ClientId, Event, LabelId, PoolMode, QueryEvent, TransactionEvent};
use pgweir_pooling::parameters::{ClientParameters, ServerParameters};
use pgweir_pooling::session::{ClientSession, ClientStep, Io, Loss, ServerSession, ServerStep};
use sql::ShapeRegistry;

pub(crate) use script::{from_client, from_server, show_client, show_server};

/// A server connection, with what has been written to it.
pub(crate) struct Server {
    pub(crate) session: ServerSession,
}

/// A server connection that has just logged in.
/// What a server gets that lacks settings.
pub(crate) fn settings(statements: &[&str]) -> String {
    let all = ["BEGIN"].iter().chain(statements).chain(&["COMMIT"]);
    all.map(|text| format!("P - {text}\nB -\nE\n")).collect()
}

pub(crate) fn server(max_prepared_statements: usize) -> Server {
    let mut parameters = ServerParameters::default();
    for (name, value) in [("TimeZone", "UTC"), ("application_name", ""), ("server_version", "15.0")]
    {
        parameters.reported_at_login(name, value);
    }
    Server {
        session: ServerSession::new("app", parameters, max_prepared_statements, Instant::now()),
    }
}

/// A client's session, and both sides' bytes.
pub(crate) struct Conversation {
    pub(crate) session: ClientSession,
    pub(crate) shapes: ShapeRegistry,
    pub(crate) now: Instant,
    pub(crate) events: Vec<Event>,
    /// How long it takes to get a server connection.
    pub(crate) wait: Duration,
    /// Whether it holds a server connection.
    pub(crate) attached: bool,
    pub(crate) terminated: bool,
    /// Whether it holds one that others have used, and must not.
    pub(crate) wants_own_server: bool,
    unused_client: Vec<u8>,
    unused_server: Vec<u8>,
    to_server: Vec<u8>,
    /// What has gone out to the server.
    written: Vec<u8>,
    to_client: Vec<u8>,
}

impl Conversation {
    pub(crate) fn new(startup: &[(&str, &str)]) -> Self {
        Self::in_mode(PoolMode::Transaction, startup)
    }

    pub(crate) fn in_mode(mode: PoolMode, startup: &[(&str, &str)]) -> Self {
        Self::of(ClientId(1), mode, startup)
    }

    pub(crate) fn of(client: ClientId, mode: PoolMode, startup: &[(&str, &str)]) -> Self {
        let parameters = ClientParameters::new(startup.iter().copied());
        Self {
            session: ClientSession::new(client, LabelId::OTHERS, mode, parameters),
            shapes: ShapeRegistry::new(1000),
            now: Instant::now(),
            events: Vec::new(),
            wait: Duration::ZERO,
            attached: false,
            terminated: false,
            wants_own_server: false,
            unused_client: Vec::new(),
            unused_server: Vec::new(),
            to_server: Vec::new(),
            written: Vec::new(),
            to_client: Vec::new(),
        }
    }

    /// The same; what comments say of traces is kept.
    pub(crate) fn with_traces(mut self) -> Self {
        self.session = self.session.with_traces(true);
        self
    }

    /// The client says this. A server connection is taken when one is needed.
    pub(crate) fn client(&mut self, server: &mut Server, said: &[&str]) {
        self.client_bytes(server, &from_client(said)).expect("the client keeps to the protocol");
    }

    pub(crate) fn client_bytes(
        &mut self,
        server: &mut Server,
        bytes: &[u8],
    ) -> Result<(), pgweir_pooling::PoolingError> {
        self.unused_client.extend_from_slice(bytes);
        loop {
            let mut io = Io {
                shapes: &self.shapes,
                to_server: &mut self.to_server,
                to_client: &mut self.to_client,
                events: &mut self.events,
                now: self.now,
            };
            let input = &self.unused_client;
            let held = self.attached.then_some(&mut server.session);
            let step = self.session.on_client(input, held, &mut io)?;
            let wrote = !self.to_server.is_empty();
            self.written.append(&mut self.to_server);
            match step {
                ClientStep::More { consumed, need } => {
                    assert!(consumed <= input.len());
                    let left = input.len() - consumed;
                    self.unused_client.drain(..consumed);
                    if need > left {
                        return Ok(());
                    }
                    // It has enough, and waits for the server: to take, or to answer.
                    if !wrote {
                        let answered = self.session.between_transactions();
                        assert!(!answered, "it waits for what it has");
                        return Ok(());
                    }
                }
                ClientStep::NeedServer { consumed } => {
                    assert!(!self.attached, "it has one");
                    assert!(consumed < input.len(), "for nothing");
                    self.unused_client.drain(..consumed);
                    self.attach(server);
                }
                ClientStep::Full { consumed } | ClientStep::Wait { consumed } => {
                    assert!(self.attached && consumed < input.len());
                    self.unused_client.drain(..consumed);
                    return Ok(());
                }
                ClientStep::NeedOwnServer { consumed } => {
                    assert!(self.attached && self.session.between_transactions());
                    self.unused_client.drain(..consumed);
                    self.wants_own_server = true;
                    return Ok(());
                }
                ClientStep::Terminate => {
                    self.terminated = true;
                    return Ok(());
                }
            }
        }
    }

    /// It gets this server connection.
    pub(crate) fn attach(&mut self, server: &mut Server) {
        let mut io = Io {
            shapes: &self.shapes,
            to_server: &mut self.to_server,
            to_client: &mut self.to_client,
            events: &mut self.events,
            now: self.now,
        };
        self.session.attach(&mut server.session, self.wait, &mut io);
        self.attached = true;
        self.wants_own_server = false;
    }

    /// The server says this. The connection is given back when it can be.
    pub(crate) fn server(&mut self, server: &mut Server, said: &[&str]) {
        let step = self.server_bytes(server, &from_server(said));
        assert_eq!(step, Ok(true), "the server keeps to the protocol");
    }

    /// False when the server is lost.
    pub(crate) fn server_bytes(
        &mut self,
        server: &mut Server,
        bytes: &[u8],
    ) -> Result<bool, pgweir_pooling::PoolingError> {
        self.unused_server.extend_from_slice(bytes);
        let mut io = Io {
            shapes: &self.shapes,
            to_server: &mut self.to_server,
            to_client: &mut self.to_client,
            events: &mut self.events,
            now: self.now,
        };
        let input = &self.unused_server;
        let alive = match self.session.on_server(input, &mut server.session, &mut io)? {
            ServerStep::More { consumed, need } => {
                assert!(consumed <= input.len());
                assert!(need > input.len() - consumed, "it waits for what it has");
                self.unused_server.drain(..consumed);
                true
            }
            ServerStep::Lost => false,
        };
        self.written.append(&mut self.to_server);
        if self.session.releasable() {
            assert!(self.unused_server.is_empty(), "given back with bytes on the way");
            self.attached = false;
        }
        if alive && !self.unused_client.is_empty() {
            // What waited for this answer.
            self.client_bytes(server, &[])?;
        }
        Ok(alive)
    }

    /// The server connection is gone.
    pub(crate) fn lose(&mut self, server: &mut Server) -> Loss {
        let mut io = Io {
            shapes: &self.shapes,
            to_server: &mut self.to_server,
            to_client: &mut self.to_client,
            events: &mut self.events,
            now: self.now,
        };
        self.attached = false;
        self.unused_server.clear();
        let loss = self.session.server_lost(&mut server.session, &mut io);
        self.written.clear();
        loss
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }

    /// What was written to the server since the last look.
    pub(crate) fn server_got(&mut self) -> String {
        show_client(&std::mem::take(&mut self.written))
    }

    /// What was written to the client since the last look.
    pub(crate) fn client_got(&mut self) -> String {
        show_server(&std::mem::take(&mut self.to_client))
    }

    /// Forgets what was written so far.
    pub(crate) fn forget(&mut self) {
        self.written.clear();
        self.to_client.clear();
    }

    /// Both outputs as they are.
    pub(crate) fn output(&self) -> (&[u8], &[u8]) {
        (&self.written, &self.to_client)
    }

    pub(crate) fn queries(&self) -> Vec<&QueryEvent> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Query(query) => Some(query),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn transactions(&self) -> Vec<TransactionEvent> {
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::Transaction(transaction) => Some(transaction.clone()),
                Event::Query(query) => query.transaction(),
                Event::Connection(_) => None,
            })
            .collect()
    }
}
