//! From an accepted socket to a client that is logged in, or an answer that says why not.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::{Address, ClientId, ConnectionEvent, Event, Labels, PoolKey, Replication, SqlState};
use pooling::parameters::ClientParameters;
use wire::BackendKey;
use wire::auth::AuthenticationRequest;
use wire::backend::{self, TransactionStatus};
use wire::error_response::ErrorFields;
use wire::startup::{self, ProtocolVersion, StartupParameters, StartupRequest};

use super::auth::Claim;
use super::consoles::Entered;
use super::opening;
use super::proxied::{self, First};
use super::registry::{CancelAction, ClientShared, key_number};
use super::replication::{self, ReplicationTask};
use super::task::ClientTask;
use super::{seat, welcome};
use crate::admin::AdminRole;
use crate::buffer::ReadBuffer;
use crate::error::ProxyError;
use crate::peers::Destination;
use crate::proxy::{Place, Shared, Spare, Stay};
use crate::server::Learned;
use crate::settings::ProxySettings;
use crate::stream::{Handover, PARTING, Stream, close};

/// A client that is not logged in.
pub(super) struct Talk {
    pub(super) stream: Stream,
    pub(super) read: ReadBuffer,
    /// Where the client is: the other end of the stream, or who it is that a balancer brings.
    pub(super) peer: Address,
}

impl Talk {
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), ProxyError> {
        Ok(self.stream.send(bytes).await?)
    }

    /// Where the client comes from, as far as rules are concerned; none is a Unix socket.
    pub(super) fn peer_ip(&self) -> Option<IpAddr> {
        match self.peer {
            Address::Unix { .. } => None,
            // A socket for both families gives IPv4 addresses as IPv6.
            Address::Tcp(address) => Some(address.ip().to_canonical()),
        }
    }
}

/// Who logged in.
enum LoggedIn {
    Client(Box<ClientTask>, Place),
    Replication(Box<ReplicationTask>, Place),
    Admin(String, AdminRole, Entered),
    /// It wants nothing but that a query is cancelled.
    Cancel(BackendKey),
}

/// How long a client may take that was let in only to be told that there is no room.
const TURNED_AWAY: std::time::Duration = std::time::Duration::from_secs(1);

/// What most clients are told once they are let in has no more.
const USUAL_WELCOME_BYTES: usize = 1024;

/// Serves one socket until it is logged in, and then has it served. `stay` is over when it is logged
/// in. With a `spare` there is no room for it: it is told so, unless it goes to the admin console or
/// cancels a query.
///
/// What a login needs of memory is many times what an idle client may cost: so the conversation is a
/// task of its own, and that of the login ends.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    stream: Stream,
    stay: Stay,
    // Dropped after the socket, as arguments are.
    spare: Option<Spare>,
) {
    let settings = shared.settings();
    let patience = match &spare {
        Some(_) => settings.client_login_timeout.min(TURNED_AWAY),
        None => settings.client_login_timeout,
    };
    let peer = stream.peer_address();
    let mut talk = Talk { stream, read: ReadBuffer::default(), peer };
    let room = spare.is_none();
    // In a box: moved as it is, what a login needs would be copied several times.
    let login = Box::pin(log_in(&shared, &settings, &mut talk, room));
    let login = shared.turns.take(login);
    let login = tokio::time::timeout(patience, login);
    let result = tokio::select! {
        biased;
        result = login => result.unwrap_or(Err(ProxyError::TimedOut("client_login_timeout"))),
        () = stay.is_over() => return shown_out(peer),
    };
    drop(settings);
    let peer = talk.peer;
    match result {
        Ok(LoggedIn::Client(task, place)) => {
            drop(stay);
            tokio::spawn(task.run(talk.stream, talk.read, place));
        }
        Ok(LoggedIn::Replication(task, place)) => {
            drop(stay);
            task.run(talk.stream, talk.read).await;
            drop(place);
        }
        Ok(LoggedIn::Admin(user, role, entered)) => {
            drop(stay);
            if let Some(admin) = &shared.admin {
                let read = talk.read.into_bytes();
                let stream = Handover { stream: talk.stream, read, taken: 0 };
                admin.serve(stream, user, role, entered.cancelled()).await;
            }
        }
        // Not under the login's deadline: a request that is on its way is waited for.
        Ok(LoggedIn::Cancel(key)) => {
            // The request that is sent on needs a socket too.
            let _second = spare.as_ref().and_then(|_| shared.spares.take());
            cancel(&shared, key).await;
        }
        Err(error) => {
            // A port scan or a health check that says nothing is not worth a line.
            tracing::debug!(client = %peer, "login failed: {error}");
            if let ProxyError::Tls { message, hint } | ProxyError::ProxyHeader { message, hint } =
                &error
            {
                // The client has an alert, or nothing.
                tracing::info!(client = %peer, "client refused: {message}. {hint}");
            }
            let Some(fields) = error.for_client() else { return };
            if let ProxyError::Rejected { user, .. } = &error {
                let address = talk.peer_ip();
                let pause = shared.auth.pause_after_failure(address, user);
                // Holds no place meanwhile, and keeps nobody else waiting. Who must leave before it
                // is over is not told sooner.
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stay.is_over() => return shown_out(peer),
                }
            }
            let sqlstate = SqlState::from_bytes(fields.sqlstate().as_bytes());
            tracing::info!(client = %peer, %sqlstate, "client refused: {}", fields.message);
            let event = ConnectionEvent::Refused { pool: None, sqlstate };
            shared.measures.events.push(ClientId(0), &mut vec![Event::Connection(event)]);
            let parting = async {
                talk.send(&fields.encode()).await?;
                Ok::<(), ProxyError>(close(&mut talk.stream).await?)
            };
            let _ = tokio::time::timeout(PARTING, parting).await;
        }
    }
}

fn shown_out(peer: Address) {
    tracing::debug!(client = %peer, "closed before it was logged in, to make room");
}

async fn log_in(
    shared: &Arc<Shared>,
    settings: &ProxySettings,
    talk: &mut Talk,
    room: bool,
) -> Result<LoggedIn, ProxyError> {
    if let First::Cancel(key) = proxied::read_header(talk, settings).await? {
        return Ok(LoggedIn::Cancel(key));
    }
    let request = match opening::read_request(talk, &settings.client_tls).await? {
        StartupRequest::Cancel { process_id, key } => {
            return Ok(LoggedIn::Cancel(BackendKey { process_id, secret: key }));
        }
        StartupRequest::Startup(parameters) => parameters,
        StartupRequest::Ssl | StartupRequest::GssEncryption => return Err(ProxyError::Closed),
    };
    if let Some(negotiation) = startup::negotiation(&request) {
        talk.send(&negotiation).await?;
    }
    opening::check_encryption(talk, &settings.client_tls)?;
    let to_console = is_console(&request.database);
    if !to_console {
        shared.resumed().await;
    }
    let replication = replication::kind(&request)?;
    admit(shared, settings, replication, to_console, room)?;
    let claim = Claim {
        user: &request.user,
        database: &request.database,
        to_console,
        replication: replication == Replication::Physical,
        address: talk.peer_ip(),
        encrypted: talk.stream.is_encrypted(),
    };
    if to_console && is_owner(talk, &request.user) {
        return console(shared, talk, AdminRole::Admin, request.user).await;
    }
    let learned = shared.auth.authenticate(&settings.login, talk, claim).await?;
    if to_console {
        let role = role(settings, &request.user)?;
        return console(shared, talk, role, request.user).await;
    }
    let place = Place::take(shared, settings.client_places()).ok_or_else(|| full(settings))?;
    if replication != Replication::None {
        let task = replication::begin(shared, settings, talk, &request, learned).await?;
        return Ok(LoggedIn::Replication(Box::new(task), place));
    }
    let task = client(shared, settings, talk, &request, learned).await?;
    Ok(LoggedIn::Client(Box::new(task), place))
}

/// Whether a database's name is that of the admin console.
pub(crate) fn is_console(database: &str) -> bool {
    matches!(database, "pgweir" | "pgbouncer")
}

/// Whoever runs pgweir may do with it what it likes: on a Unix socket, the user `pgweir` or
/// `pgbouncer` of the console, as PgBouncer has it.
fn is_owner(talk: &Talk, user: &str) -> bool {
    matches!(user, "pgweir" | "pgbouncer")
        && talk.stream.peer_uid() == Some(nix::unistd::geteuid().as_raw())
}

/// Whether this client may try to log in at all. The admin console has room for whoever is let in.
fn admit(
    shared: &Shared,
    settings: &ProxySettings,
    replication: Replication,
    to_console: bool,
    room: bool,
) -> Result<(), ProxyError> {
    let refuse = |error: ErrorFields| Err(ProxyError::Refused(Box::new(error)));
    if shared.is_draining() && !to_console {
        return refuse(ErrorFields::fatal("57P03", "pgweir is shutting down"));
    }
    if to_console && replication != Replication::None {
        let error = ErrorFields::fatal("0A000", "the admin console has nothing to replicate");
        return refuse(error.with_hint("Leave `replication` out of the connection string."));
    }
    if !to_console && !room {
        return refuse(out_of_files());
    }
    if !to_console && !Place::is_free(shared, settings.client_places()) {
        return Err(full(settings));
    }
    Ok(())
}

fn full(settings: &ProxySettings) -> ProxyError {
    let error = ErrorFields::fatal("53300", "no more connections allowed (max_client_conn)");
    let (most, fit) = (settings.max_client_conn, settings.clients_that_fit);
    ProxyError::Refused(Box::new(error.with_hint(match most <= fit {
        true => {
            format!("max_client_conn is {most}; raise it, or close connections that are not used.")
        }
        false => format!(
            "max_client_conn is {most}, and the files that pgweir may have open are enough for \
             {fit}; {MORE_FILES}"
        ),
    })))
}

const MORE_FILES: &str = "raise the limit (`LimitNOFILE=` of a systemd unit, `ulimit -Hn`), or close \
                          connections that are not used.";

/// PostgreSQL's words.
fn out_of_files() -> ErrorFields {
    ErrorFields::fatal("53300", "sorry, too many clients already").with_hint(format!(
        "pgweir has no file descriptor left, and each connection is one; {MORE_FILES}"
    ))
}

/// Carries out a cancel request, or hands it to whoever may know the client. Not cancel-safe: dropped,
/// the request may be lost.
pub(crate) async fn cancel(shared: &Shared, key: BackendKey) {
    match shared.peers.destination(key) {
        Destination::Here(key) => match shared.clients.cancel(&key) {
            CancelAction::None => {
                shared.consoles.cancel(&key);
                shared.takeover.cancel_elsewhere(&key);
            }
            CancelAction::Woken => {}
            CancelAction::Send(request, pool) => pool.deliver(request).await,
        },
        Destination::Peer(peer, key) => {
            let settings = shared.settings();
            let (timeout, tcp) = (settings.cancel_wait_timeout, settings.tcp);
            drop(settings);
            peer.deliver(&key, timeout, tcp).await;
        }
        Destination::Nowhere(why) => tracing::debug!("cancel request dropped: {why}"),
    }
}

/// What a user may do in the admin console.
fn role(settings: &ProxySettings, user: &String) -> Result<AdminRole, ProxyError> {
    if settings.admin_users.contains(user) {
        Ok(AdminRole::Admin)
    } else if settings.stats_users.contains(user) {
        Ok(AdminRole::Stats)
    } else {
        let error = ErrorFields::fatal("42501", "admin access needed")
            .with_hint("admin_users and stats_users say who may use the admin console.");
        Err(ProxyError::Refused(Box::new(error)))
    }
}

async fn console(
    shared: &Arc<Shared>,
    talk: &mut Talk,
    role: AdminRole,
    user: String,
) -> Result<LoggedIn, ProxyError> {
    let Some(admin) = &shared.admin else {
        let error = ErrorFields::fatal("3D000", "the admin console is not available");
        return Err(ProxyError::Refused(Box::new(error)));
    };
    let mut out = AuthenticationRequest::Ok.encode();
    for (name, value) in admin.parameter_status() {
        backend::write_parameter_status(&mut out, &name, &value);
    }
    let entered = shared.consoles.enter(&shared.peers);
    let key = entered.key();
    backend::write_backend_key(&mut out, key.process_id, &key.secret);
    backend::write_ready(&mut out, TransactionStatus::Idle);
    talk.send(&out).await?;
    Ok(LoggedIn::Admin(user, role, entered))
}

async fn client(
    shared: &Arc<Shared>,
    settings: &ProxySettings,
    talk: &mut Talk,
    request: &StartupParameters,
    learned: Option<Learned>,
) -> Result<ClientTask, ProxyError> {
    let key =
        PoolKey { database: request.database.as_str().into(), user: request.user.as_str().into() };
    let Some(pool) = shared.pool(settings, &key) else {
        let error = ErrorFields::fatal("3D000", format!("no such database: {}", request.database));
        return Err(ProxyError::Refused(Box::new(error)));
    };
    if shared.is_disabled(&key.database) {
        // PgBouncer's words, PostgreSQL's code for a database that is closed (datallowconn).
        let message = format!("database does not allow connections: {}", key.database);
        let error = ErrorFields::fatal("55000", message)
            .with_hint("DISABLE has closed it; ENABLE in the admin console opens it again.");
        return Err(ProxyError::Refused(Box::new(error)));
    }
    // Its names are those of all its clients.
    let key = pool.key.clone();
    if let Some(learned) = learned {
        pool.learn(&request.user, learned);
    }
    let seat = seat::take(shared, settings, &key)?;
    let id = ClientId(shared.next_client.fetch_add(1, Ordering::Relaxed));
    let options = startup::parse_options(request.options.as_deref().unwrap_or_default())?;
    // What is given by name outranks what is given in options (process_startup_options).
    let wanted = options.iter().chain(&request.settings);
    let mut parameters =
        ClientParameters::new(wanted.map(|(name, value)| (name.as_str(), value.as_str())));
    let name = parameters.get("application_name").unwrap_or_default();
    let priority = settings.priorities.of(&key.user, name);
    let told = welcome::negotiate(&pool, id, priority, &mut parameters).await?;

    // As it is spelt now. A reload meanwhile may have changed what it is worth.
    let application: Arc<str> = parameters.get("application_name").unwrap_or_default().into();
    let priority = shared.settings().priorities.of(&key.user, &application);
    let long = request.negotiated_version() >= ProtocolVersion::V3_2;
    let backend_key = shared.peers.new_key(key_number(id), long);
    let name = (Arc::clone(&application), priority);
    let from = (talk.peer, &talk.stream);
    let client = ClientShared::new(id, pool, from, name, backend_key.clone());
    let mut out = Vec::with_capacity(USUAL_WELCOME_BYTES);
    out.extend_from_slice(&AuthenticationRequest::Ok.encode());
    told.write(&mut out);
    backend::write_backend_key(&mut out, backend_key.process_id, &backend_key.secret);
    backend::write_ready(&mut out, TransactionStatus::Idle);
    let labels = Labels::new(key.database, key.user, application);
    let task = ClientTask::new(Arc::clone(shared), client, labels, parameters, seat);
    talk.send(&out).await?;
    Ok(task)
}
