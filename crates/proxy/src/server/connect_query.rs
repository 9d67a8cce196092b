//! What a database wants to be run on each of its server connections before any client has it.

use wire::backend::{self, TransactionStatus};
use wire::error_response::{ErrorView, Severity};
use wire::frontend;

use super::connection::ServerConnection;
use crate::error::ProxyError;

/// Runs it. An error of the server's is logged and ignored, as PgBouncer does. What it sets of what the
/// server reports is what clients are welcomed with.
///
/// # Errors
/// The connection failed, or was left in a transaction. Not cancel-safe.
pub(super) async fn run(server: &mut ServerConnection, sql: &str) -> Result<(), ProxyError> {
    let mut request = Vec::new();
    frontend::write_query(&mut request, sql.as_bytes());
    server.stream.send(&request).await?;
    loop {
        let (kind, body) = server.next_message().await?;
        match kind {
            backend::PARAMETER_STATUS => note(server, &body),
            backend::ERROR_RESPONSE => {
                let refusal = ErrorView::new(&body).to_fields(Severity::Error);
                let sqlstate = refusal.sqlstate();
                tracing::warn!(sqlstate, "connect_query failed: {}", refusal.message);
            }
            backend::READY_FOR_QUERY => {
                return match TransactionStatus::read(&body) {
                    Some(TransactionStatus::Idle) => Ok(()),
                    _ => Err(ProxyError::ConnectQuery),
                };
            }
            _ => {}
        }
    }
}

fn note(server: &mut ServerConnection, body: &[u8]) {
    let Some((name, value)) = backend::read_parameter_status(body) else { return };
    server.session.parameters.reported_at_login(name, value);
    match server.parameters.iter_mut().find(|(found, _)| found == name) {
        Some(found) => value.clone_into(&mut found.1),
        None => server.parameters.push((name.to_owned(), value.to_owned())),
    }
}
