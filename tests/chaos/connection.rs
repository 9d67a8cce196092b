//! A client connection that reports trouble instead of ending the run: trouble is what is looked for.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use testkit::ErrorFields;
use testkit::frames::{self, Frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// What went wrong with a request.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// An error came in the place of the answer; the connection goes on.
    Refused(ErrorFields),
    /// The connection is over; with the last error that came on it.
    Closed(Option<ErrorFields>),
    /// No answer in time.
    Silent(String),
    /// The answer is not the one to this request.
    Wrong(String),
}

/// An answer up to ReadyForQuery.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// Message types, runs of rows and of copied data as one; without what may come at any time.
    pub(crate) kinds: String,
    /// Rows, as text; NULL is "∅".
    pub(crate) rows: Vec<Vec<String>>,
    /// Tags of the commands.
    pub(crate) tags: Vec<String>,
    /// What a COPY sent.
    pub(crate) copied: Vec<u8>,
    /// Payloads of notifications.
    pub(crate) notified: Vec<String>,
    /// The first error.
    pub(crate) error: Option<ErrorFields>,
}

impl Answer {
    fn add(&mut self, kind: u8, body: &[u8]) {
        if !(matches!(kind, b'D' | b'd') && self.kinds.ends_with(char::from(kind))) {
            self.kinds.push(char::from(kind));
        }
        match kind {
            b'D' => {
                let values = frames::row_values(body).into_iter();
                self.rows.push(values.map(|value| value.unwrap_or_else(|| "∅".into())).collect());
            }
            b'C' => self.tags.push(text(body)),
            b'd' => self.copied.extend(body),
            b'E' if self.error.is_none() => self.error = Some(ErrorFields::read(body)),
            _ => {}
        }
    }
}

fn text(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim_end_matches('\0').to_owned()
}

/// A connection, logged in or on the way there.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    patience: Duration,
    /// Process id and secret of BackendKeyData.
    pub(crate) key: (i32, Vec<u8>),
    /// What ParameterStatus said.
    pub(crate) parameters: HashMap<String, String>,
    /// What the last ReadyForQuery said.
    pub(crate) status: u8,
}

impl Connection {
    /// Connects from `source` if given, and sends nothing.
    pub(crate) async fn open(
        address: SocketAddr,
        source: Option<SocketAddr>,
        patience: Duration,
    ) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(source) = source {
            socket.bind(source)?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        let (input, parameters) = (Vec::new(), HashMap::new());
        let key = (0, Vec::new());
        Ok(Self { stream, input, patience, key, parameters, status: b'I' })
    }

    /// Logs in without a password.
    pub(crate) async fn log_in(
        address: SocketAddr,
        startup: &[(&str, &str)],
        patience: Duration,
    ) -> Result<Self, Trouble> {
        let open = Self::open(address, None, patience).await;
        let mut connection = open.map_err(|_| Trouble::Closed(None))?;
        connection.send(&frames::startup(frames::PROTOCOL_3_0, startup)).await;
        let answer = connection.until_ready().await?;
        match answer.error {
            Some(error) => Err(Trouble::Closed(Some(error))),
            None => Ok(connection),
        }
    }

    /// Sends. That the other side has closed shows itself when it is read from: it may have said why.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = timeout(self.patience, self.stream.write_all(bytes)).await;
    }

    /// Sends a request and awaits its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer, Trouble> {
        self.send(request).await;
        self.until_ready().await
    }

    /// Reads up to ReadyForQuery.
    pub(crate) async fn until_ready(&mut self) -> Result<Answer, Trouble> {
        self.until(b"Z").await
    }

    /// Reads up to a message of one of these types.
    pub(crate) async fn until(&mut self, ends: &[u8]) -> Result<Answer, Trouble> {
        let mut answer = Answer::default();
        loop {
            let (kind, body) = match timeout(self.patience, self.frame()).await {
                Ok(Ok(Some(frame))) => frame,
                Ok(Ok(None)) => return Err(Trouble::Closed(answer.error)),
                Ok(Err(what)) => return Err(Trouble::Wrong(what)),
                Err(_) => return Err(Trouble::Silent(answer.kinds)),
            };
            match kind {
                b'S' => self.reported(&body),
                b'K' => {
                    let (id, secret) = body.split_at_checked(4).unwrap_or_default();
                    let id = id.try_into().map_or(0, i32::from_be_bytes);
                    self.key = (id, secret.to_vec());
                }
                b'N' => {}
                b'A' => {
                    let payload = text(body.get(4..).unwrap_or_default());
                    answer.notified.push(payload.split('\0').nth(1).unwrap_or_default().into());
                }
                b'Z' => self.status = body.first().copied().unwrap_or(b'?'),
                _ => {}
            }
            if !matches!(kind, b'S' | b'K' | b'N' | b'A') {
                answer.add(kind, &body);
            }
            if ends.contains(&kind) {
                return Ok(answer);
            }
        }
    }

    /// Awaits an Authentication message with this code, and gives what follows the code.
    pub(crate) async fn authentication(&mut self, code: u32) -> Result<Vec<u8>, Trouble> {
        match timeout(self.patience, self.frame()).await {
            Ok(Ok(Some((b'R', body)))) if body.starts_with(&code.to_be_bytes()) => {
                Ok(body[4..].to_vec())
            }
            Ok(Ok(Some((b'E', body)))) => Err(Trouble::Refused(ErrorFields::read(&body))),
            Ok(Ok(None)) => Err(Trouble::Closed(None)),
            Ok(other) => Err(Trouble::Wrong(format!("{other:?} instead of {code}"))),
            Err(_) => Err(Trouble::Silent(format!("awaiting {code}"))),
        }
    }

    fn reported(&mut self, body: &[u8]) {
        let said = text(body);
        let (name, value) = said.split_once('\0').unwrap_or_default();
        self.parameters.insert(name.into(), value.into());
    }

    /// The next message; none at the end. An error says how the stream is out of step.
    async fn frame(&mut self) -> Result<Option<Frame>, String> {
        loop {
            if let Some((head, rest)) = self.input.split_first_chunk::<5>() {
                let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
                let known = head[0].is_ascii_alphanumeric() && (4..1 << 28).contains(&length);
                if !known {
                    return Err(format!("no message begins with {head:?}"));
                }
                if rest.len() >= length - 4 {
                    let body = rest[..length - 4].to_vec();
                    let kind = head[0];
                    self.input.drain(..=length);
                    return Ok(Some((kind, body)));
                }
            }
            // A reset is an end as any other.
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) | Err(_) => return Ok(None),
                Ok(_) => {}
            }
        }
    }

    /// Reads what there is, once.
    pub(crate) async fn read_some(&mut self) {
        let _ = timeout(self.patience, self.stream.read_buf(&mut self.input)).await;
    }

    /// Waits for the other side to close.
    pub(crate) async fn closed(mut self) {
        let mut rest = [0; 64];
        let reading = async { while self.stream.read(&mut rest).await.is_ok_and(|n| n > 0) {} };
        let _ = timeout(self.patience, reading).await;
    }

    /// Closes with RST.
    pub(crate) fn abort(self) {
        let _ = self.stream.set_zero_linger();
    }
}

/// Sends a cancel request and waits until it has been dealt with.
pub(crate) async fn cancel(address: SocketAddr, key: &(i32, Vec<u8>), patience: Duration) {
    if let Ok(mut connection) = Connection::open(address, None, patience).await {
        connection.send(&frames::cancel(key.0, &key.1)).await;
        connection.closed().await;
    }
}
