//! A client that sends exactly what a test says, and no more.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::frames::{self, ErrorFields, Frame};
use crate::socket::{ClientEncryption, Socket};

/// How long an awaited message may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(15);

/// A raw connection to a PostgreSQL, or to something that says it is one.
///
/// Every function panics when the other side does not do what is expected within 15 seconds (see
/// [`ScriptedClient::set_patience`]). None is cancel-safe: a dropped read may have taken half a
/// message.
#[derive(Debug)]
pub struct ScriptedClient {
    stream: Socket,
    patience: Duration,
}

impl ScriptedClient {
    /// Connects and sends nothing.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .await
            .unwrap_or_else(|error| panic!("connecting to {address}: {error}"));
        stream.set_nodelay(true).unwrap_or_else(|error| panic!("TCP_NODELAY: {error}"));
        Self { stream: Socket::Plain(stream), patience: PATIENCE }
    }

    /// Connects to a Unix socket and sends nothing.
    pub async fn connect_unix(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket)
            .await
            .unwrap_or_else(|error| panic!("connecting to {}: {error}", socket.display()));
        Self { stream: Socket::Unix(stream), patience: PATIENCE }
    }

    /// Asks for encryption, which must be offered, and shakes hands.
    pub async fn encrypt(&mut self, how: &ClientEncryption) {
        self.send(&frames::request_code(frames::SSL_REQUEST)).await;
        assert_eq!(char::from(self.expect_byte().await), 'S', "is TLS offered?");
        self.shake_hands(how).await.unwrap_or_else(|error| panic!("TLS handshake: {error}"));
    }

    /// Shakes hands without asking, as `sslnegotiation=direct` does.
    ///
    /// # Errors
    /// What is wrong with the server's side, as far as the handshake shows it.
    pub async fn shake_hands(&mut self, how: &ClientEncryption) -> io::Result<()> {
        let shaken = timeout(self.patience, self.stream.encrypt(how)).await;
        shaken.unwrap_or_else(|_| panic!("no TLS handshake in {:?}", self.patience))
    }

    /// Connects and logs in without a password.
    pub async fn login(address: SocketAddr, user: &str, database: &str) -> Self {
        let mut client = Self::connect(address).await;
        client.startup(user, database, &[]).await;
        client.login_trust().await;
        client
    }

    /// How long an awaited message may take.
    pub fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.unwrap_or_else(|error| panic!("sending: {error}"));
    }

    /// Sends bytes as they are; for when the other side may already have closed.
    pub async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Sends a message with a correct length.
    pub async fn send_frame(&mut self, kind: u8, body: &[u8]) {
        self.send(&frames::message(kind, body)).await;
    }

    /// Sends a StartupMessage of protocol 3.0.
    pub async fn startup(&mut self, user: &str, database: &str, extra: &[(&str, &str)]) {
        let mut parameters = vec![("user", user), ("database", database)];
        parameters.extend(extra);
        self.send(&frames::startup(frames::PROTOCOL_3_0, &parameters)).await;
    }

    /// Awaits AuthenticationOk and what follows it up to ReadyForQuery, which is included.
    pub async fn login_trust(&mut self) -> Vec<Frame> {
        let (kind, body) = self.expect_frame().await;
        if kind == b'E' {
            panic!("login refused: {}", ErrorFields::read(&body));
        }
        assert_eq!((kind, &body[..]), (b'R', &[0, 0, 0, 0][..]), "expected AuthenticationOk");
        self.expect_until(b'Z').await
    }

    /// Sends a Query.
    pub async fn send_query(&mut self, sql: &str) {
        self.send(&frames::query(sql)).await;
    }

    /// Sends a Query and awaits its replies up to ReadyForQuery, which is included. An error from
    /// the server is a reply as any other.
    pub async fn query(&mut self, sql: &str) -> Vec<Frame> {
        self.send_query(sql).await;
        self.expect_until(b'Z').await
    }

    /// Sends a Query that must succeed, and gives its rows as text.
    pub async fn rows(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        let replies = self.query(sql).await;
        if let Some((_, body)) = replies.iter().find(|frame| frame.0 == b'E') {
            panic!("{sql}: {}", ErrorFields::read(body));
        }
        let rows = replies.iter().filter(|frame| frame.0 == b'D');
        rows.map(|(_, body)| frames::row_values(body)).collect()
    }

    /// Sends a Query that must succeed, and gives the first column of its first row.
    pub async fn value(&mut self, sql: &str) -> String {
        let first = self.rows(sql).await.into_iter().next().and_then(|row| row.into_iter().next());
        first.flatten().unwrap_or_else(|| panic!("{sql}: no row, or NULL"))
    }

    /// Awaits one message, with what the socket says if there is none.
    ///
    /// # Errors
    /// The end of the connection, or what TLS says instead: an alert, perhaps.
    pub async fn try_frame(&mut self) -> io::Result<Frame> {
        let mut kind = [0];
        let read = timeout(self.patience, self.stream.read_exact(&mut kind)).await;
        read.unwrap_or_else(|_| panic!("no message in {:?}", self.patience))?;
        let length = self.stream.read_u32().await?;
        let length = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
        let mut body = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
        self.stream.read_exact(&mut body).await?;
        Ok((kind[0], body))
    }

    /// Awaits one message.
    pub async fn expect_frame(&mut self) -> Frame {
        match self.next_frame().await {
            Some(frame) => frame,
            None => panic!("expected a message, but the connection was closed"),
        }
    }

    /// Awaits one message of this type and gives its body.
    pub async fn expect(&mut self, kind: u8) -> Vec<u8> {
        let (came, body) = self.expect_frame().await;
        let said = if came == b'E' { ErrorFields::read(&body).to_string() } else { String::new() };
        assert_eq!(char::from(came), char::from(kind), "an unexpected message came. {said}");
        body
    }

    /// Awaits messages up to one of this type, which is included.
    pub async fn expect_until(&mut self, kind: u8) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let Some(frame) = self.next_frame().await else {
                panic!(
                    "closed while awaiting {:?}; before came {:?}{}",
                    char::from(kind),
                    frames::kinds(&frames),
                    last_error(&frames),
                );
            };
            let found = frame.0 == kind;
            frames.push(frame);
            if found {
                return frames;
            }
        }
    }

    /// Awaits an ErrorResponse, passing over notices and parameters, and gives its fields.
    pub async fn expect_error(&mut self) -> ErrorFields {
        loop {
            match self.expect_frame().await {
                (b'E', body) => return ErrorFields::read(&body),
                (b'N' | b'S', _) => {}
                (kind, _) => panic!("expected ErrorResponse, got {:?}", char::from(kind)),
            }
        }
    }

    /// Awaits one byte: the answer to SSLRequest and GSSENCRequest.
    pub async fn expect_byte(&mut self) -> u8 {
        let read = timeout(self.patience, self.stream.read_u8()).await;
        read.unwrap_or_else(|_| panic!("no byte in {:?}", self.patience))
            .unwrap_or_else(|error| panic!("expected a byte: {error}"))
    }

    /// Awaits the end of the connection; a message instead is a failure. A reset counts as an end.
    pub async fn expect_closed(&mut self) {
        if let Some((kind, body)) = self.next_frame().await {
            let said =
                if kind == b'E' { ErrorFields::read(&body).to_string() } else { String::new() };
            panic!("expected the end, got {:?} {said}", char::from(kind));
        }
    }

    /// Awaits the end of the connection, whatever comes before it, and gives those messages.
    pub async fn drain(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next_frame().await {
            frames.push(frame);
        }
        frames
    }

    /// Asserts that nothing arrives for this long. The time is the assertion: it can only fail to
    /// notice a late message, never fail wrongly.
    pub async fn expect_silence(&mut self, length: Duration) {
        let mut byte = [0];
        if let Ok(read) = timeout(length, self.stream.tcp().peek(&mut byte)).await {
            panic!("expected silence, got {read:?} of {:?}", char::from(byte[0]));
        }
    }

    /// Ends our direction only: the other side reads an end of file and can still answer.
    pub async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap_or_else(|error| panic!("half-closing: {error}"));
    }

    /// Closes with RST instead of FIN, as a crashed or firewalled client does.
    pub fn abort(self) {
        self.stream.tcp().set_zero_linger().unwrap_or_else(|error| panic!("SO_LINGER: {error}"));
    }

    /// Says Terminate and closes.
    pub async fn terminate(mut self) {
        self.send(&frames::terminate()).await;
    }

    /// The port of our end.
    pub fn local_port(&self) -> u16 {
        self.stream.tcp().local_addr().unwrap_or_else(|error| panic!("our address: {error}")).port()
    }

    /// The next message, or `None` at the end of the connection.
    pub async fn next_frame(&mut self) -> Option<Frame> {
        self.try_next_frame().await.unwrap_or_else(|error| panic!("half a message: {error}"))
    }

    /// The next message, or `None` at the end of the connection; an end in the middle of a message is
    /// an error.
    pub async fn try_next_frame(&mut self) -> io::Result<Option<Frame>> {
        let read = timeout(self.patience, read_frame(&mut self.stream)).await;
        read.unwrap_or_else(|_| panic!("no message in {:?}", self.patience))
    }
}

fn last_error(frames: &[Frame]) -> String {
    let error = frames.iter().rev().find(|frame| frame.0 == b'E');
    error.map_or_else(String::new, |(_, body)| format!("; {}", ErrorFields::read(body)))
}

/// Reads one typed message; `None` at an end of file or a reset before it.
///
/// Not cancel-safe: a dropped read may have taken half a message.
pub(crate) async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Frame>> {
    let Ok(kind) = stream.read_u8().await else {
        return Ok(None);
    };
    let length = stream.read_u32().await?;
    let Some(length) = usize::try_from(length).ok().and_then(|length| length.checked_sub(4)) else {
        let kind = char::from(kind);
        return Err(io::Error::other(format!("a message of type {kind:?} has length {length}")));
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some((kind, body)))
}
