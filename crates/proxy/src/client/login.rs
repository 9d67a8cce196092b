//! From an accepted socket to a client that is logged in, or an answer that says why not.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::{Address, ClientId, ConnectionEvent, Event, Labels, PoolKey, SqlState};
use pooling::parameters::ClientParameters;
use tokio::io::AsyncWriteExt;
use wire::auth::AuthenticationRequest;
use wire::backend::{self, TransactionStatus};
use wire::error_response::ErrorFields;
use wire::startup::{self, ProtocolVersion, StartupParameters, StartupRequest};

use super::auth::Claim;
use super::consoles::Entered;
use super::opening;
use super::registry::{CancelAction, ClientShared};
use super::task::ClientTask;
use super::{seat, welcome};
use crate::admin::AdminRole;
use crate::buffer::ReadBuffer;
use crate::error::ProxyError;
use crate::proxy::{Place, Shared, Stay};
use crate::server::Learned;
use crate::settings::ProxySettings;
use crate::stream::{Handover, Stream};

/// How long a refused client may take to read why.
const PARTING: std::time::Duration = std::time::Duration::from_secs(1);

/// A client that is not logged in.
pub(super) struct Talk {
    pub(super) stream: Stream,
    pub(super) read: ReadBuffer,
}

impl Talk {
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), ProxyError> {
        Ok(self.stream.send(bytes).await?)
    }
}

/// Who logged in.
enum LoggedIn {
    Client(Box<ClientTask>, Place),
    Admin(String, AdminRole, Entered),
    /// It wants nothing but that a query is cancelled.
    Cancel {
        process_id: i32,
        key: Vec<u8>,
    },
}

/// Serves one socket until it is logged in, and then has it served. `stay` is over when it is logged
/// in.
///
/// What a login needs of memory is many times what an idle client may cost: so the conversation is a
/// task of its own, and that of the login ends.
pub(crate) async fn serve(shared: Arc<Shared>, stream: Stream, stay: Stay) {
    let settings = shared.settings();
    let peer = stream.peer_address();
    let mut talk = Talk { stream, read: ReadBuffer::default() };
    let login = shared.turns.take(log_in(&shared, &settings, &mut talk));
    let login = tokio::time::timeout(settings.client_login_timeout, login);
    let result = tokio::select! {
        biased;
        result = login => result.unwrap_or(Err(ProxyError::TimedOut("client_login_timeout"))),
        () = stay.is_over() => return shown_out(peer),
    };
    drop(settings);
    match result {
        Ok(LoggedIn::Client(task, place)) => {
            drop(stay);
            tokio::spawn(task.run(talk.stream, talk.read, place));
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
        Ok(LoggedIn::Cancel { process_id, key }) => cancel(&shared, process_id, &key).await,
        Err(error) => {
            // A port scan or a health check that says nothing is not worth a line.
            tracing::debug!(client = %peer, "login failed: {error}");
            if let ProxyError::Tls { message, hint } = &error {
                // The client has only an alert.
                tracing::info!(client = %peer, "client refused: {message}. {hint}");
            }
            let Some(fields) = error.for_client() else { return };
            if let ProxyError::Rejected { user, .. } = &error {
                let address = talk.stream.peer_ip();
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
                Ok::<(), ProxyError>(talk.stream.shutdown().await?)
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
) -> Result<LoggedIn, ProxyError> {
    let request = match opening::read_request(talk, &settings.client_tls).await? {
        StartupRequest::Cancel { process_id, key } => {
            return Ok(LoggedIn::Cancel { process_id, key });
        }
        StartupRequest::Startup(parameters) => parameters,
        StartupRequest::Ssl | StartupRequest::GssEncryption => return Err(ProxyError::Closed),
    };
    if let Some(negotiation) = startup::negotiation(&request) {
        talk.send(&negotiation).await?;
    }
    opening::check_encryption(talk, &settings.client_tls)?;
    let to_console = matches!(request.database.as_str(), "pgweir" | "pgbouncer");
    admit(shared, settings, &request, to_console)?;
    let claim = Claim {
        user: &request.user,
        database: &request.database,
        to_console,
        address: talk.stream.peer_ip(),
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
    let place = Place::take(shared, settings.max_client_conn).ok_or_else(|| full(settings))?;
    let task = client(shared, settings, talk, &request, learned).await?;
    Ok(LoggedIn::Client(Box::new(task), place))
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
    request: &StartupParameters,
    to_console: bool,
) -> Result<(), ProxyError> {
    let refuse = |error: ErrorFields| Err(ProxyError::Refused(Box::new(error)));
    if shared.is_draining() && !to_console {
        return refuse(ErrorFields::fatal("57P03", "pgweir is shutting down"));
    }
    if request.replication.as_deref().is_some_and(|value| !is_false(value)) {
        let error = ErrorFields::fatal("0A000", "replication connections are not supported yet");
        return refuse(error.with_hint("Connect to the PostgreSQL server directly for that."));
    }
    if !to_console && !Place::is_free(shared, settings.max_client_conn) {
        return Err(full(settings));
    }
    Ok(())
}

fn full(settings: &ProxySettings) -> ProxyError {
    let error = ErrorFields::fatal("53300", "no more connections allowed (max_client_conn)");
    ProxyError::Refused(Box::new(error.with_hint(format!(
        "max_client_conn is {}; raise it, or close connections that are not used.",
        settings.max_client_conn
    ))))
}

fn is_false(value: &str) -> bool {
    ["false", "off", "no", "0"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

async fn cancel(shared: &Shared, process_id: i32, key: &[u8]) {
    match shared.clients.cancel(process_id, key) {
        CancelAction::None => shared.consoles.cancel(process_id, key),
        CancelAction::Woken => {}
        CancelAction::Send(request, pool) => pool.deliver(request).await,
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
    let entered = shared.consoles.enter();
    let (process_id, key) = entered.backend_key();
    backend::write_backend_key(&mut out, process_id, key);
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
    let reported = welcome::negotiate(&pool, id, &mut parameters).await?;

    let application: Arc<str> = parameters.get("application_name").unwrap_or_default().into();
    let key_bytes = if request.negotiated_version() >= ProtocolVersion::V3_2 {
        rand::random::<[u8; 32]>().to_vec()
    } else {
        rand::random::<[u8; 4]>().to_vec()
    };
    let client =
        ClientShared::new(id, pool, &talk.stream, Arc::clone(&application), key_bytes.clone());
    let mut out = AuthenticationRequest::Ok.encode();
    for (name, value) in &reported {
        backend::write_parameter_status(&mut out, name, value);
    }
    backend::write_backend_key(&mut out, client.process_id(), &key_bytes);
    backend::write_ready(&mut out, TransactionStatus::Idle);
    let labels = Labels::new(key.database, key.user, application);
    let task = ClientTask::new(Arc::clone(shared), client, labels, parameters, seat);
    talk.send(&out).await?;
    Ok(task)
}
