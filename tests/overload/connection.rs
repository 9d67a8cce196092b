//! A client connection that costs the generator little.

use std::net::SocketAddr;
use std::time::Duration;

use testkit::frames::{self, ErrorFields};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long it waits for an answer before that counts as none.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that is logged in.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Logs in as this application.
    pub(crate) async fn open(address: SocketAddr, database: &str, application: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut connection = Self { stream, read: Vec::with_capacity(1024) };
        let parameters =
            [("user", "postgres"), ("database", database), ("application_name", application)];
        let startup = frames::startup(frames::PROTOCOL_3_0, &parameters);
        let error = connection.exchange(&startup).await.unwrap();
        assert!(error.is_none(), "login: {error:?}");
        connection
    }

    /// Sends this, and awaits ReadyForQuery; gives the error before it, if there is one.
    ///
    /// # Errors
    /// The end of the connection, or no answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Option<ErrorFields>, String> {
        self.stream.write_all(request).await.map_err(|error| error.to_string())?;
        let answer = tokio::time::timeout(PATIENCE, self.until_ready()).await;
        answer.unwrap_or_else(|_| Err("no answer".to_owned()))
    }

    async fn until_ready(&mut self) -> Result<Option<ErrorFields>, String> {
        let mut error = None;
        self.read.clear();
        let mut done = 0;
        loop {
            while let Some((kind, body)) = frame(&self.read[done..]) {
                done += 5 + body.len();
                match kind {
                    b'E' => error = Some(ErrorFields::read(body)),
                    b'Z' => return Ok(error),
                    _ => {}
                }
            }
            match self.stream.read_buf(&mut self.read).await {
                Ok(0) => return Err(format!("closed; before came {error:?}")),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

/// The first message, if it is whole.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<5>()?;
    let [kind, length @ ..] = *head;
    let length = u32::from_be_bytes(length) as usize - 4;
    Some((kind, rest.get(..length)?))
}
