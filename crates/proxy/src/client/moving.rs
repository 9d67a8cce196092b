//! Clients that go on in another process, which has taken over: their sockets are handed to it with
//! what their next message may depend on.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use model::{Address, ClientId, Labels, PoolKey};
use pooling::session::{ClientSession, SessionMemento};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use wire::BackendKey;
use wire::auth::{ScramKeys, Secret};
use wire::error_response::ErrorFields;

use super::registry::ClientShared;
use super::seat;
use super::task::{ClientTask, Socket};
use crate::buffer::ReadBuffer;
use crate::error::ProxyError;
use crate::proxy::{Place, Shared};
use crate::server::Learned;
use crate::stream::Stream;

/// What another process must know of a client to go on with it. It holds the key that cancels its
/// queries, statements' texts and what its login has shown: it is to be sent to a process of the same
/// user only, and never to be logged. Its `Debug` shows who the client is.
#[derive(Serialize, Deserialize)]
pub struct ClientMemento {
    id: u64,
    database: String,
    user: String,
    application: String,
    /// What cancels its queries: process id and secret.
    key: (i32, Vec<u8>),
    /// Where it comes from, where that is not what its socket says (PROXY protocol).
    from: Option<SocketAddr>,
    age: Duration,
    learned: Shown,
    session: SessionMemento,
}

/// What the login of a client of the pool has shown; see [`Learned`].
#[derive(Serialize, Deserialize)]
enum Shown {
    Nothing,
    Plain(String),
    Md5([u8; 16]),
    Keys([[u8; 32]; 2]),
}

impl std::fmt::Debug for ClientMemento {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientMemento")
            .field("id", &self.id)
            .field("database", &self.database)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A client on its way.
#[derive(Debug)]
pub struct MovingClient {
    /// What there is to know of it.
    pub memento: ClientMemento,
    /// Its connection.
    pub socket: OwnedFd,
}

/// A client that wants to be handed over.
#[derive(Debug)]
pub struct Passage {
    /// The client.
    pub client: MovingClient,
    /// Whether the other process has it. If not, or if this is dropped, it goes on here.
    pub taken: oneshot::Sender<bool>,
}

impl ClientTask {
    /// What it takes to go on elsewhere, if nothing is under way and the connection can be handed
    /// over: an encrypted one has keys and counters that cannot.
    pub(super) fn ready_to_move(&self, socket: &Socket) -> Option<SessionMemento> {
        let is_plain = matches!(socket.stream, Stream::Tcp(_) | Stream::Unix(_));
        let is_quiet = socket.read.len() == 0 && socket.write.pending() == 0;
        if self.stays || !is_plain || !is_quiet {
            return None;
        }
        self.session.memento()
    }

    /// Hands the client over. Whether it is gone; if not, it goes on here. Not cancel-safe: dropped,
    /// the client may be gone or not.
    pub(super) async fn move_on(&mut self, socket: &Socket, session: SessionMemento) -> bool {
        // Asked once: one that is not taken stays until it leaves.
        self.stays = true;
        let Some(passages) = self.shared.takeover.passages() else { return false };
        let Ok(duplicate) = socket.stream.duplicate() else { return false };
        let pool = &self.client.pool;
        let memento = ClientMemento {
            id: self.client.id.0,
            database: pool.key.database.to_string(),
            user: pool.key.user.to_string(),
            application: self.session.parameter("application_name").unwrap_or_default().to_owned(),
            key: (self.client.key().process_id, self.client.key().secret.clone()),
            from: self.client.tcp_address(),
            age: self.client.age(),
            learned: Shown::of(&pool.learned()),
            session,
        };
        let (taken, answer) = oneshot::channel();
        let client = MovingClient { memento, socket: duplicate };
        let sent = passages.send(Passage { client, taken }).await;
        sent.is_ok() && answer.await.unwrap_or(false)
    }
}

/// Takes in a client of another process. Its task runs until it leaves.
///
/// # Errors
/// What stands against it: no such database, no place, a socket that cannot be used.
pub(crate) fn adopt(shared: &Arc<Shared>, client: MovingClient) -> Result<(), ProxyError> {
    let MovingClient { memento, socket } = client;
    let stream = Stream::adopt(socket)?;
    let settings = shared.settings();
    let key =
        PoolKey { database: memento.database.as_str().into(), user: memento.user.as_str().into() };
    let refuse = |why: String| ProxyError::Refused(Box::new(ErrorFields::fatal("57P03", why)));
    let place = Place::take(shared, settings.client_places())
        .ok_or_else(|| refuse("no more connections allowed (max_client_conn)".to_owned()))?;
    let pool = shared
        .pool(&settings, &key)
        .ok_or_else(|| refuse(format!("no such database: {}", memento.database)))?;
    if let (Learned::Nothing, Some(learned)) = (pool.learned(), memento.learned.into_learned()) {
        pool.learn(&memento.user, learned);
    }
    let seat = seat::take(shared, &settings, &key)?;
    let id = ClientId(memento.id);
    let application: Arc<str> = memento.application.into();
    let (mode, known) = (pool.mode(), Arc::clone(&pool.known));
    let peer = memento.from.map_or_else(|| stream.peer_address(), Address::Tcp);
    let name = (Arc::clone(&application), settings.priorities.of(&key.user, &application));
    let (process_id, secret) = memento.key;
    let backend_key = BackendKey { process_id, secret };
    let client = ClientShared::new(id, pool, (peer, &stream), name, backend_key).aged(memento.age);
    let labels = shared.measures.labels.share(Labels::new(key.database, key.user, application));
    let registries = (&*shared.measures.shapes, known);
    let session = ClientSession::restore(id, labels.id(), mode, memento.session, registries);
    let task = ClientTask::with_session(Arc::clone(shared), client, labels, session, seat);
    tokio::spawn(Box::new(task).run(stream, ReadBuffer::default(), place));
    Ok(())
}

impl Shown {
    fn of(learned: &Learned) -> Self {
        match learned {
            Learned::Secret(Secret::Plain(password)) => Self::Plain(password.clone()),
            Learned::Secret(Secret::Md5(digest)) => Self::Md5(*digest),
            Learned::Keys(keys) => Self::Keys(keys.to_bytes()),
            // Nobody logs in with a verifier.
            Learned::Secret(Secret::Scram(_)) | Learned::Nothing => Self::Nothing,
        }
    }

    fn into_learned(self) -> Option<Learned> {
        Some(match self {
            Self::Nothing => return None,
            Self::Plain(password) => Learned::Secret(Secret::Plain(password)),
            Self::Md5(digest) => Learned::Secret(Secret::Md5(digest)),
            Self::Keys(keys) => Learned::Keys(ScramKeys::from_bytes(keys)),
        })
    }
}
