//! Opening a server connection: connect, log in, learn what the server reports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use model::{Replication, ServerId};
use pooling::hosts::{HostId, Wish};
use pooling::parameters::ServerParameters;
use pooling::scheduler::Age;
use pooling::session::ServerSession;
use wire::auth::Secret;
use wire::backend;
use wire::error_response::{ErrorView, Severity};
use wire::startup;

use super::connect_query;
use super::connection::{CancelHandle, Lent, ServerConnection};
use super::login::{Binding, Learned, Login};
use crate::buffer::{ReadBuffer, WriteBuffer};
use crate::error::ProxyError;
use crate::hosts::Endpoint;
use crate::settings::PoolTarget;
use crate::stream::{ServerAddress, Stream};
use crate::tcp::TcpOptions;
use crate::tls::{Encryption, ServerTls, encrypt, explained};

/// Messages before ReadyForQuery are short; longer ones are not believed.
const MAX_LOGIN_MESSAGE_BYTES: usize = 64 * 1024;
/// All of them together.
const MAX_LOGIN_BYTES: usize = 1024 * 1024;

/// What a pool needs to open a server connection.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    /// The hosts that it may be opened to.
    pub(crate) hosts: Vec<ServerAddress>,
    /// Which of them will do.
    pub(crate) wish: Wish,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) password: Option<Secret>,
    pub(crate) tls: ServerTls,
    pub(crate) tcp: TcpOptions,
    pub(crate) connect_query: Option<String>,
    pub(crate) startup: Vec<(String, String)>,
    pub(crate) timeout: Duration,
    /// How long a cancel request may take.
    pub(crate) cancel_timeout: Duration,
    pub(crate) max_prepared_statements: usize,
    /// What the last login of a client has shown, for where `password` does not do.
    pub(crate) learned: Learned,
    /// For a connection of replication: what is said at its start.
    pub(crate) replication: Option<Arc<ReplicationStart>>,
}

/// What the client of a replication connection has asked for.
#[derive(Clone, Debug)]
pub(crate) struct ReplicationStart {
    pub(crate) kind: Replication,
    /// Startup parameters besides user and database.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Upstream {
    pub(crate) fn new(
        target: PoolTarget,
        timeout: Duration,
        cancel_timeout: Duration,
        max_prepared_statements: usize,
    ) -> Self {
        let PoolTarget {
            hosts,
            wish,
            database,
            user,
            password,
            tls,
            tcp,
            connect_query,
            startup,
            ..
        } = target;
        let learned = Learned::Nothing;
        Self {
            hosts,
            wish,
            database,
            user,
            password,
            tls,
            tcp,
            connect_query,
            startup,
            timeout,
            cancel_timeout,
            max_prepared_statements,
            learned,
            replication: None,
        }
    }

    /// What is asked for at the login besides user and database. What the database is configured with
    /// goes before what the client of a replication connection has asked for.
    fn startup_parameters(&self) -> Vec<(&str, &str)> {
        let asked = self.replication.iter().flat_map(|start| &start.parameters);
        let is_open = |(name, _): &&(String, String)| {
            !self.startup.iter().any(|(own, _)| own.eq_ignore_ascii_case(name))
        };
        let all = asked.filter(is_open).chain(&self.startup);
        all.map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    /// Whether a connection to the one is as good as one to the other.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        self.hosts == other.hosts
            && self.database == other.database
            && self.user == other.user
            && self.connect_query == other.connect_query
            && self.startup == other.startup
            && self.tls.asks_the_same(&other.tls)
    }
}

/// Opens a connection to this host and logs in. Cancel-safe: dropping the future closes it.
pub(crate) async fn connect(
    upstream: &Upstream,
    endpoint: &Endpoint,
    id: ServerId,
) -> Result<ServerConnection, ProxyError> {
    let opening = async {
        let mut server = open(upstream, endpoint, id).await?;
        if let Some(sql) = &upstream.connect_query {
            connect_query::run(&mut server, sql).await?;
        }
        if !server.has_said_all() {
            let kind = server.read.bytes().first().copied().unwrap_or_default();
            return Err(ProxyError::Pooling(pooling::PoolingError::Unexpected { kind }));
        }
        Ok(server)
    };
    tokio::time::timeout(upstream.timeout, opening)
        .await
        .unwrap_or(Err(ProxyError::TimedOut("server_connect_timeout")))
}

/// Tries what `sslmode` allows, one connection after the other; the first refusal says most.
async fn open(
    upstream: &Upstream,
    endpoint: &Endpoint,
    id: ServerId,
) -> Result<ServerConnection, ProxyError> {
    let mut refusal = None;
    for encryption in upstream.tls.attempts() {
        match open_once(upstream, endpoint, id, *encryption).await {
            Ok(server) => return Ok(server),
            Err((error, true)) if refusal.is_none() => refusal = Some(error),
            Err((error, _)) => return Err(refusal.unwrap_or(error)),
        }
    }
    Err(refusal.unwrap_or(ProxyError::Closed))
}

/// With the error: whether another encryption may help. It may where pg_hba.conf has no line for
/// this one.
async fn open_once(
    upstream: &Upstream,
    endpoint: &Endpoint,
    id: ServerId,
    encryption: Encryption,
) -> Result<ServerConnection, (ProxyError, bool)> {
    let (tls, tcp) = (upstream.tls.clone(), upstream.tcp);
    let route = Route { endpoint: endpoint.clone(), tls, tcp };
    let stream = route.open(encryption).await.map_err(|error| (error, false))?;
    let is_encrypted = stream.is_encrypted();
    log_in(upstream, route, id, stream).await.map_err(|error| {
        let no_line =
            matches!(&error, ProxyError::Server(refusal) if refusal.sqlstate() == "28000");
        let tried_both = encryption == Encryption::IfOffered && !is_encrypted;
        (explained(error, &endpoint.host()), no_line && !tried_both)
    })
}

/// The way to a server, for its connections and for the cancel requests that belong to them.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    endpoint: Endpoint,
    tls: ServerTls,
    tcp: TcpOptions,
}

impl Route {
    /// Opens a connection; one that is not over TCP is never encrypted. Cancel-safe.
    pub(crate) async fn open(&self, encryption: Encryption) -> Result<Stream, ProxyError> {
        let stream = self.endpoint.connect(self.tcp).await?;
        encrypt(stream, &self.tls, encryption, &self.endpoint.host()).await
    }
}

async fn log_in(
    upstream: &Upstream,
    route: Route,
    id: ServerId,
    stream: Stream,
) -> Result<ServerConnection, ProxyError> {
    let is_encrypted = stream.is_encrypted();
    let binding = Binding::new(upstream.tls.channel_binding(), stream.end_point());
    let mut talk = Talk { stream, read: ReadBuffer::default(), received: 0 };
    let asked = upstream.startup_parameters();
    talk.send(startup::startup_message(&upstream.user, &upstream.database, &asked)).await?;
    let (password, learned) = (upstream.password.clone(), upstream.learned.clone());
    let mut login = Login::new(&upstream.user, password, learned, binding);
    let mut parameters = Vec::new();
    let mut key = None;
    loop {
        let (kind, body) = talk.receive().await?;
        match kind {
            backend::AUTHENTICATION => {
                if let Some(answer) = login.answer(&body).await? {
                    talk.send(answer).await?;
                }
            }
            backend::PARAMETER_STATUS => {
                if let Some((name, value)) = backend::read_parameter_status(&body) {
                    parameters.push((name.to_owned(), value.to_owned()));
                }
            }
            backend::BACKEND_KEY_DATA => {
                key = backend::read_backend_key(&body).map(|(id, key)| (id, key.to_vec()));
            }
            backend::NOTICE_RESPONSE | backend::NEGOTIATE_PROTOCOL_VERSION => {}
            backend::ERROR_RESPONSE => return Err(server_error(&body)),
            // Only after the server has said that we are who we say: a server that skips the
            // exchange must not be believed.
            backend::READY_FOR_QUERY if login.is_done() => break,
            _ => return Err(ProxyError::Pooling(pooling::PoolingError::Unexpected { kind })),
        }
    }
    let (process_id, key) = key.unwrap_or_default();
    let mut known = ServerParameters::default();
    for (name, value) in &parameters {
        known.reported_at_login(name, value);
    }
    let opened = Instant::now();
    let session =
        ServerSession::new(&upstream.user, known, upstream.max_prepared_statements, opened);
    Ok(ServerConnection {
        id,
        address: talk.stream.peer_address(),
        local_address: talk.stream.local_address(),
        stream: talk.stream,
        read: talk.read.keeping(),
        session,
        cancel: CancelHandle::new(route, is_encrypted, process_id, key, upstream.cancel_timeout),
        age: Age::new(opened, rand::random()),
        opened_at: Timestamp::now(),
        parameters,
        place: 0,
        host: HostId::default(),
        cancels_before: 0,
        lent: Lent::default(),
    })
}

fn server_error(body: &[u8]) -> ProxyError {
    ProxyError::Server(Box::new(ErrorView::new(body).to_fields(Severity::Error)))
}

struct Talk {
    stream: Stream,
    read: ReadBuffer,
    received: usize,
}

impl Talk {
    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), ProxyError> {
        let mut write = WriteBuffer::default();
        write.bytes = bytes;
        Ok(write.flush(&mut self.stream).await?)
    }

    async fn receive(&mut self) -> Result<(u8, Vec<u8>), ProxyError> {
        let head = self.read.server_head(&mut self.stream).await?;
        self.received += head.total();
        if head.body > MAX_LOGIN_MESSAGE_BYTES || self.received > MAX_LOGIN_BYTES {
            let length = i32::try_from(head.body).unwrap_or(i32::MAX);
            return Err(wire::frame::FrameError::Length { kind: head.kind, length }.into());
        }
        Ok((head.kind, self.read.take_body(&mut self.stream, head, head.body).await?))
    }
}
