//! A client that sends bytes and decodes what comes back.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use pgwire::messages::response::{CommandComplete, ErrorResponse, TransactionStatus};
use pgwire::messages::{DecodeContext, PgWireBackendMessage, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::live::FakeLive;
use crate::live::{Live, Role, Session};
use crate::{ConsoleError, Stop, serve};

pub(super) fn session(role: Role) -> Session {
    Session { user: "alice".to_owned(), role, stop: Stop::default() }
}

/// A console that is being served, and the client's end of its connection.
pub(super) struct Client {
    stream: DuplexStream,
    inbox: BytesMut,
    /// What a cancel request sets.
    pub(super) stop: Stop,
    server: JoinHandle<Result<(), ConsoleError>>,
}

impl Client {
    pub(super) fn new(role: Role, live: Arc<dyn Live>) -> Self {
        let (stream, server) = tokio::io::duplex(1 << 16);
        let session = session(role);
        let stop = session.stop.clone();
        let server = tokio::spawn(serve(server, session, live));
        Self { stream, inbox: BytesMut::new(), stop, server }
    }

    pub(super) fn admin() -> Self {
        Self::new(Role::Admin, Arc::new(FakeLive::default()))
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next message; none at the end of the stream.
    pub(super) async fn next(&mut self) -> Option<PgWireBackendMessage> {
        let context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
        loop {
            if let Some(message) = PgWireBackendMessage::decode(&mut self.inbox, &context).unwrap()
            {
                return Some(message);
            }
            if self.stream.read_buf(&mut self.inbox).await.unwrap() == 0 {
                assert!(self.inbox.is_empty(), "cut off: {:?}", self.inbox);
                return None;
            }
        }
    }

    /// Sends a Query message and gives what comes before ReadyForQuery, as text.
    pub(super) async fn query(&mut self, text: &str) -> Vec<String> {
        self.send(&query(text)).await;
        self.until_ready().await
    }

    /// What comes up to and with ReadyForQuery, as text.
    pub(super) async fn until_ready(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let message = self.next().await.expect("the connection is open");
            let ready = matches!(message, PgWireBackendMessage::ReadyForQuery(_));
            lines.push(describe(&message));
            if ready {
                return lines;
            }
        }
    }

    /// Closes the client's side, and gives what came after that, and how serving ended.
    pub(super) async fn finish(mut self) -> (Vec<String>, Result<(), ConsoleError>) {
        self.stream.shutdown().await.unwrap();
        let mut lines = Vec::new();
        while let Some(message) = self.next().await {
            lines.push(describe(&message));
        }
        (lines, self.server.await.unwrap())
    }
}

/// A frontend message.
pub(super) fn message(kind: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let mut bytes = vec![kind];
    bytes.put_i32(i32::try_from(body.len() + 4).unwrap());
    bytes.extend(body);
    bytes
}

pub(super) fn query(text: &str) -> Vec<u8> {
    message(b'Q', &[text.as_bytes(), b"\0"])
}

/// A message in a line that tests can compare.
fn describe(message: &PgWireBackendMessage) -> String {
    use PgWireBackendMessage as Backend;

    match message {
        Backend::RowDescription(row) => {
            let columns = row
                .fields
                .iter()
                .map(|field| format!("{}:{}:{}", field.name, field.type_id, field.format_code));
            format!("columns {}", columns.collect::<Vec<_>>().join(" "))
        }
        Backend::DataRow(row) => format!("row {}", fields(row.data.clone()).join("|")),
        Backend::CommandComplete(CommandComplete { tag, .. }) => format!("tag {tag}"),
        Backend::ReadyForQuery(ready) => match ready.status {
            TransactionStatus::Idle => "ready I".to_owned(),
            TransactionStatus::Transaction => "ready T".to_owned(),
            TransactionStatus::Error => "ready E".to_owned(),
        },
        Backend::ErrorResponse(ErrorResponse { fields, .. }) => {
            let field = |kind| {
                let found = fields.iter().find(|(field, _)| *field == kind);
                found.map_or("", |(_, text)| text)
            };
            format!("{} {} {}", field(b'S'), field(b'C'), field(b'M'))
        }
        Backend::NoticeResponse(notice) => {
            let find = |kind| notice.fields.iter().find(|(field, _)| *field == kind);
            format!("notice {}", find(b'D').or(find(b'M')).map_or("", |(_, text)| text))
        }
        Backend::ParameterDescription(parameters) => {
            format!("parameters {}", parameters.types.len())
        }
        Backend::ParseComplete(_) => "parsed".to_owned(),
        Backend::BindComplete(_) => "bound".to_owned(),
        Backend::CloseComplete(_) => "closed".to_owned(),
        Backend::PortalSuspended(_) => "suspended".to_owned(),
        Backend::EmptyQueryResponse(_) => "empty".to_owned(),
        Backend::NoData(_) => "no data".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The fields of a DataRow: text as it is, other bytes in hexadecimal.
fn fields(mut data: BytesMut) -> Vec<String> {
    use bytes::Buf;

    let mut fields = Vec::new();
    while data.has_remaining() {
        let Ok(length) = usize::try_from(data.get_i32()) else {
            fields.push("NULL".to_owned());
            continue;
        };
        let field = data.split_to(length);
        let printable = |byte: &u8| !byte.is_ascii_control() || *byte == b'\n';
        fields.push(match std::str::from_utf8(&field) {
            Ok(text) if field.iter().all(printable) => text.to_owned(),
            _ => format!("x{}", field.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        });
    }
    fields
}
