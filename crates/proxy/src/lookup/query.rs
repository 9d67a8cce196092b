//! The question itself, by the extended protocol: the user's name is a parameter, never text.

use wire::auth::Secret;
use wire::backend;
use wire::error_response::{ErrorFields, ErrorView, Severity};
use wire::frame::FrameError;
use wire::frontend;

use crate::error::ProxyError;
use crate::server::ServerConnection;

/// A row with a name and a secret is shorter.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// Unqualified names mean PostgreSQL's own, whatever the database, the role or a client of pgweir
/// has set (CVE-2025-12819); and text is what we take it for.
const PREPARE: &str = "SET search_path TO pg_catalog; SET client_encoding TO 'UTF8'";

/// What came of a question.
pub(super) enum Outcome {
    /// The secret of a user who may log in by password.
    Secret(Option<Secret>),
    /// The server's error.
    Refused(Box<ErrorFields>),
    /// Not what an auth_query returns.
    Strange(&'static str),
}

/// Makes a new connection fit for questions. Not cancel-safe: close it then.
pub(super) async fn prepare(server: &mut ServerConnection) -> Result<(), ProxyError> {
    let mut request = Vec::new();
    frontend::write_query(&mut request, PREPARE.as_bytes());
    server.stream.send(&request).await?;
    let mut error = None;
    read_to_ready(server, |kind, body| {
        if kind == backend::ERROR_RESPONSE {
            error = Some(server_error(body));
        }
    })
    .await?;
    error.map_or(Ok(()), |error| Err(ProxyError::Server(error)))
}

/// Asks for one user. Not cancel-safe: close the connection then.
pub(super) async fn ask(
    server: &mut ServerConnection,
    query: &str,
    user: &str,
) -> Result<Outcome, ProxyError> {
    let mut request = Vec::new();
    frontend::write_parse(&mut request, b"", query.as_bytes(), &[0, 0]);
    frontend::write_bind_texts(&mut request, b"", &[user], |user, out| {
        out.extend_from_slice(user.as_bytes());
    });
    frontend::write_execute(&mut request, 1);
    frontend::write_empty(&mut request, frontend::SYNC);
    server.stream.send(&request).await?;
    let mut outcome = Outcome::Secret(None);
    read_to_ready(server, |kind, body| match kind {
        backend::DATA_ROW => outcome = read_row(body, user),
        backend::ERROR_RESPONSE => outcome = Outcome::Refused(server_error(body)),
        _ => {}
    })
    .await?;
    Ok(outcome)
}

fn read_row(body: &[u8], user: &str) -> Outcome {
    let Some(row) = backend::read_data_row(body) else {
        return Outcome::Strange("it returned a row that cannot be read");
    };
    let [Some(name), secret, ..] = row[..] else {
        return Outcome::Strange("it must return two columns, the user's name and the secret");
    };
    // A longer name is cut where it becomes PostgreSQL's type `name`: that is somebody else's row.
    if name != user.as_bytes() {
        return Outcome::Secret(None);
    }
    let Some(secret) = secret else { return Outcome::Secret(None) };
    match std::str::from_utf8(secret) {
        Ok("") => Outcome::Secret(None),
        Ok(text) => match Secret::parse(text) {
            Secret::Plain(text) if text.starts_with("SCRAM-SHA-256$") => {
                Outcome::Strange("it returned a SCRAM verifier that is not whole")
            }
            secret => Outcome::Secret(Some(secret)),
        },
        Err(_) => Outcome::Strange("it returned a secret that is not UTF-8"),
    }
}

fn server_error(body: &[u8]) -> Box<ErrorFields> {
    Box::new(ErrorView::new(body).to_fields(Severity::Error))
}

async fn read_to_ready(
    server: &mut ServerConnection,
    mut each: impl FnMut(u8, &[u8]),
) -> Result<(), ProxyError> {
    loop {
        let head = server.read.server_head(&mut server.stream).await?;
        if head.body > MAX_MESSAGE_BYTES {
            let length = i32::try_from(head.body).unwrap_or(i32::MAX);
            return Err(FrameError::Length { kind: head.kind, length }.into());
        }
        let body = server.read.take_body(&mut server.stream, head, head.body).await?;
        if head.kind == backend::READY_FOR_QUERY {
            return Ok(());
        }
        each(head.kind, &body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[Option<&str>]) -> Vec<u8> {
        let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
        for value in values {
            let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap());
            body.extend_from_slice(&length.to_be_bytes());
            body.extend_from_slice(value.unwrap_or_default().as_bytes());
        }
        body
    }

    #[test]
    fn a_row_is_a_secret_only_for_the_user_that_was_asked_for() {
        let read = |values: &[Option<&str>]| read_row(&row(values), "amy");
        let md5 = "md521f3163f8f86fa10bdefbfbd502a8f06";
        assert!(matches!(read(&[Some("amy"), Some(md5)]), Outcome::Secret(Some(Secret::Md5(_)))));
        assert!(matches!(read(&[Some("amy"), Some("x")]), Outcome::Secret(Some(Secret::Plain(_)))));
        assert!(matches!(read(&[Some("bob"), Some(md5)]), Outcome::Secret(None)));
        assert!(matches!(read(&[Some("amy"), None]), Outcome::Secret(None)));
        assert!(matches!(read(&[Some("amy"), Some("")]), Outcome::Secret(None)));
        let half = "SCRAM-SHA-256$4096:x";
        assert!(matches!(read(&[Some("amy"), Some(half)]), Outcome::Strange(_)));
        assert!(matches!(read(&[Some("amy")]), Outcome::Strange(_)));
        assert!(matches!(read(&[None, Some(md5)]), Outcome::Strange(_)));
        assert!(matches!(read_row(&[0, 9, 0], "amy"), Outcome::Strange(_)));
    }
}
