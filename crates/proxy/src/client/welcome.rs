//! What a client is told of the server's parameters when it logs in.

use std::sync::Arc;

use model::ClientId;
use pooling::parameters::{ClientParameters, ServerParameters};
use tokio::io::AsyncWriteExt;
use wire::backend;
use wire::error_response::{ErrorFields, ErrorView};
use wire::frame::{HEAD_BYTES, Head};
use wire::frontend;

use crate::error::ProxyError;
use crate::pool::{Acquired, Lease, Pool};

type Reported = Vec<(String, String)>;

/// Finds out what ParameterStatus has to say to a client that wants `parameters`, and puts these
/// into the server's spelling.
///
/// A server is asked only if none of the pool was opened yet, or if the client wants settings that
/// no client of the pool has wanted before.
pub(super) async fn negotiate(
    pool: &Arc<Pool>,
    client: ClientId,
    parameters: &mut ClientParameters,
) -> Result<Reported, ProxyError> {
    let mut lease = None;
    let welcome = match pool.welcome() {
        Some(welcome) => welcome,
        None => {
            let held = lease.insert(acquire(pool, client).await?);
            held.server().parameters.clone().into()
        }
    };
    let mut server = ServerParameters::default();
    for (name, value) in welcome.iter() {
        server.reported_at_login(name, value);
    }
    // The application's name needs no server: it is any text.
    let wanted = server.clone().difference(&parameters.without("application_name"));
    let changes = if wanted.is_empty() {
        Arc::from([])
    } else if let Some(known) = pool.known_settings(&wanted) {
        known
    } else {
        let mut held = match lease.take() {
            Some(held) => held,
            None => acquire(pool, client).await?,
        };
        let changes: Arc<[(String, String)]> = try_out(&mut held, parameters).await?.into();
        lease = Some(held);
        pool.remember_settings(wanted, Arc::clone(&changes));
        changes
    };
    if let Some(lease) = lease {
        lease.release();
    }
    let application = parameters.get("application_name").map(str::to_owned);
    let mut changes = changes.to_vec();
    changes.extend(application.map(|name| ("application_name".to_owned(), name)));
    parameters.settle(&server, &changes);
    let mut reported = welcome.to_vec();
    for (name, value) in changes {
        match reported.iter_mut().find(|(found, _)| found.eq_ignore_ascii_case(&name)) {
            Some(found) => found.1 = value,
            None => reported.push((name, value)),
        }
    }
    Ok(reported)
}

async fn acquire(pool: &Arc<Pool>, client: ClientId) -> Result<Lease, ProxyError> {
    let refused = |error: ErrorFields| {
        // The client is not logged in: whatever it is, it ends here.
        let mut fatal = error;
        fatal.severity = wire::error_response::Severity::Fatal;
        ProxyError::Refused(Box::new(fatal))
    };
    match pool.acquire(client, None) {
        Acquired::Now(lease) => Ok(lease),
        Acquired::Refused(error) => Err(refused(error)),
        Acquired::Later(mut ticket) => {
            let grant = (&mut ticket.grant).await.map_err(|_| ProxyError::Closed)?;
            grant.map_err(refused)
        }
    }
}

/// Applies the settings to a server, as an attach would, and returns what it reports.
async fn try_out(lease: &mut Lease, parameters: &ClientParameters) -> Result<Reported, ProxyError> {
    let server = lease.server();
    let sql = server.session.parameters.difference(&parameters.without("application_name"));
    if sql.is_empty() {
        return Ok(Vec::new());
    }
    let mut request = Vec::new();
    frontend::write_query(&mut request, sql.as_bytes());
    server.stream.write_all(&request).await?;
    let mut reported = Vec::new();
    let mut failure = None;
    loop {
        server.read.fill_to(&mut server.stream, HEAD_BYTES).await?;
        let Some(head) = Head::from_server(server.read.bytes())? else { continue };
        server.read.fill_to(&mut server.stream, head.total()).await?;
        let body = &server.read.bytes()[HEAD_BYTES..head.total()];
        match head.kind {
            backend::PARAMETER_STATUS => {
                if let Some((name, value)) = backend::read_parameter_status(body) {
                    reported.push((name.to_owned(), value.to_owned()));
                }
            }
            backend::ERROR_RESPONSE => {
                let view = ErrorView::new(body);
                let sqlstate = String::from_utf8_lossy(view.sqlstate()).into_owned();
                failure = Some(ErrorFields::fatal(sqlstate, view.message().into_owned()));
            }
            _ => {}
        }
        let ready = head.kind == backend::READY_FOR_QUERY;
        server.read.consume(head.total());
        if ready {
            break;
        }
    }
    server.session.statements.set_unnamed(None);
    for (name, value) in &reported {
        server.session.parameters.reported(None, name, value);
    }
    // The lease is dropped with the error, and with it a server of which it is not known any more
    // what it has.
    failure.map_or(Ok(reported), |error| Err(ProxyError::Refused(Box::new(error))))
}
