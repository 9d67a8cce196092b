//! What a client is told of the server's parameters when it logs in.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Instant;

use model::{ClientId, Priority};
use pooling::parameters::ClientParameters;
use pooling::session::write_settings;
use wire::backend;
use wire::error_response::{ErrorFields, ErrorView, Severity};
use wire::frame::FrameError;
use wire::frontend;

use crate::error::ProxyError;
use crate::pool::{Acquired, Lease, Pool, Welcome};
use crate::server::ServerConnection;

type Reported = Vec<(String, String)>;

/// What ParameterStatus has to say to one client.
pub(super) struct Told {
    /// What the server has.
    welcome: Arc<Welcome>,
    /// What is otherwise for this client.
    changes: Reported,
}

impl Told {
    /// Writes a ParameterStatus for each.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        // Of several reports the last one holds.
        let changed =
            |name: &str| self.changes.iter().rfind(|(found, _)| found.eq_ignore_ascii_case(name));
        for (name, value) in &self.welcome.reported {
            let value = changed(name).map_or(value, |(_, value)| value);
            backend::write_parameter_status(out, name, value);
        }
        let is_known = |name: &str| {
            self.welcome.reported.iter().any(|(found, _)| found.eq_ignore_ascii_case(name))
        };
        for (name, value) in self.changes.iter().filter(|(name, _)| !is_known(name)) {
            backend::write_parameter_status(out, name, value);
        }
    }
}

/// Finds out what ParameterStatus has to say to a client that wants `parameters`, and puts these
/// into the server's spelling.
///
/// A server is asked only if none of the pool was opened yet, or if the client wants settings that
/// no client of the pool has wanted before.
pub(super) async fn negotiate(
    pool: &Arc<Pool>,
    client: ClientId,
    priority: Priority,
    parameters: &mut ClientParameters,
) -> Result<Told, ProxyError> {
    let mut lease = None;
    let welcome = match pool.welcome() {
        Some(welcome) => welcome,
        None => {
            let held = lease.insert(acquire(pool, client, priority).await?);
            Arc::new(Welcome::new(&held.server().parameters))
        }
    };
    // The application's name needs no server: it is any text.
    let wanted = if parameters.wants_at_most("application_name") {
        String::new()
    } else {
        let mut server = welcome.parameters.clone();
        server.difference(&parameters.without("application_name")).join(";")
    };
    let changes = if wanted.is_empty() {
        Arc::from([])
    } else if let Some(known) = pool.known_settings(&wanted) {
        known
    } else {
        let held = match &mut lease {
            Some(held) => held,
            none => none.insert(acquire(pool, client, priority).await?),
        };
        match try_out(held.server(), parameters).await {
            Ok(Ok(changes)) => {
                let changes: Arc<[(String, String)]> = changes.into();
                pool.remember_settings(wanted, Arc::clone(&changes));
                changes
            }
            Ok(Err(refusal)) => {
                if let Some(lease) = lease {
                    lease.release(Instant::now());
                }
                return Err(ProxyError::Refused(Box::new(refusal)));
            }
            Err(error) => {
                let why = format!("the server connection was lost during login: {error}");
                return Err(ProxyError::Refused(Box::new(ErrorFields::fatal("08006", why))));
            }
        }
    };
    if let Some(lease) = lease {
        lease.release(Instant::now());
    }
    let application = parameters.get("application_name").map(str::to_owned);
    let mut changes = changes.to_vec();
    changes.extend(application.map(|name| ("application_name".to_owned(), name)));
    parameters.settle(&welcome.parameters, &changes);
    Ok(Told { welcome, changes })
}

pub(super) async fn acquire(
    pool: &Arc<Pool>,
    client: ClientId,
    priority: Priority,
) -> Result<Lease, ProxyError> {
    let refused = |mut error: Box<ErrorFields>| {
        // The client is not logged in: whatever it is, it ends here.
        error.severity = Severity::Fatal;
        ProxyError::Refused(error)
    };
    match pool.acquire(client, priority, None, Instant::now()) {
        Acquired::Now(lease) => Ok(lease),
        Acquired::Refused(error) => Err(refused(error)),
        Acquired::Later(mut ticket) => poll_fn(|cx| ticket.poll_grant(cx)).await.map_err(refused),
    }
}

/// Messages in answer to a SET are short; longer ones are not believed.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Applies the settings to a server, as an attach would. Returns the values that the server reports
/// for them, or why it refuses them; then it is as before.
async fn try_out(
    server: &mut ServerConnection,
    parameters: &ClientParameters,
) -> Result<Result<Reported, ErrorFields>, ProxyError> {
    let wanted = parameters.without("application_name");
    let before = server.session.parameters.clone();
    let statements = server.session.parameters.difference(&wanted);
    let mut reported = Vec::new();
    if !statements.is_empty() {
        let refusal = apply(server, &statements, &mut reported).await?;
        if let Some(refusal) = refusal {
            // They are one transaction: nothing of it holds.
            server.session.parameters = before;
            return Ok(Err(refusal));
        }
    }
    for (name, value) in &reported {
        server.session.parameters.reported(name, value);
    }
    // What it had already it does not report.
    server.session.parameters.complete_report(&wanted, &mut reported);
    Ok(Ok(reported))
}

/// Runs the statements; returns the error if there is one.
async fn apply(
    server: &mut ServerConnection,
    statements: &[String],
    reported: &mut Reported,
) -> Result<Option<ErrorFields>, ProxyError> {
    let mut request = Vec::new();
    write_settings(statements, &mut request);
    frontend::write_empty(&mut request, frontend::SYNC);
    server.stream.send(&request).await?;
    server.session.statements.set_unnamed(None);
    let mut refusal = None;
    loop {
        let head = server.read.server_head(&mut server.stream).await?;
        if head.body > MAX_ANSWER_BYTES {
            let length = i32::try_from(head.body).unwrap_or(i32::MAX);
            return Err(FrameError::Length { kind: head.kind, length }.into());
        }
        let body = server.read.take_body(&mut server.stream, head, head.body).await?;
        match head.kind {
            backend::PARAMETER_STATUS => {
                if let Some((name, value)) = backend::read_parameter_status(&body) {
                    reported.push((name.to_owned(), value.to_owned()));
                }
            }
            backend::ERROR_RESPONSE => {
                refusal = Some(ErrorView::new(&body).to_fields(Severity::Fatal));
            }
            _ => {}
        }
        if head.kind == backend::READY_FOR_QUERY {
            if refusal.is_some() {
                server.run("ROLLBACK").await?;
            }
            return Ok(refusal);
        }
    }
}
