//! A server that misbehaves on command.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::client::read_frame;
use crate::frames::{self, Frame};

/// Until when [`FakeServer::wait_for_connections`] waits.
const PATIENCE: Duration = Duration::from_secs(15);

/// One thing that a fake server does on a connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reads the first packet; SSLRequest and GSSENCRequest before it are answered with `N`, and a
    /// CancelRequest with the end of the connection, whatever the script says.
    ReadStartup,
    /// [`Step::ReadStartup`], then what a server says to a client that it trusts, up to
    /// ReadyForQuery. The process id is the connection's number, from 1.
    AcceptLogin,
    /// Reads one message.
    Read,
    /// Reads messages up to one of this type.
    ReadUntil(u8),
    /// Writes bytes.
    Send(Vec<u8>),
    /// Writes bytes one at a time, each in its own packet.
    Trickle(Vec<u8>),
    /// Reads SASLInitialResponse and answers AuthenticationSASLContinue with these numbers, be they
    /// sensible or not.
    ScramChallenge {
        /// The iteration count (`i=`).
        iterations: u64,
        /// What is appended to the client's nonce (`r=`).
        server_nonce: String,
    },
    /// Does nothing for this long.
    Delay(Duration),
    /// Answers every Query and every Sync as an idle server with empty results does, until the
    /// client leaves.
    Serve,
    /// Reads and never answers, until the client leaves.
    Hang,
    /// Ends its own direction only.
    HalfClose,
    /// Closes with RST.
    Reset,
    /// Closes with FIN; so does the end of a script.
    Close,
}

#[derive(Debug, Default)]
struct Record {
    packets: Vec<Vec<Frame>>,
}

/// A listener on a free port whose connections follow scripts. Dropping it closes everything.
#[derive(Debug)]
pub struct FakeServer {
    address: SocketAddr,
    record: Arc<Mutex<Record>>,
    accepted: watch::Receiver<usize>,
    listening: JoinHandle<()>,
}

impl FakeServer {
    /// Every connection follows the same script.
    pub async fn start(script: Vec<Step>) -> Self {
        Self::start_each(vec![script]).await
    }

    /// The first connection follows the first script, and so on; the last is for all that follow.
    pub async fn start_each(scripts: Vec<Vec<Step>>) -> Self {
        assert!(!scripts.is_empty(), "a fake server needs a script");
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.unwrap_or_else(|error| panic!("listening: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("its address: {error}"));
        let record = Arc::new(Mutex::new(Record::default()));
        let (count, accepted) = watch::channel(0);
        let listening = tokio::spawn(accept(listener, scripts, Arc::clone(&record), count));
        Self { address, record, accepted, listening }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A DSN for it.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@{}/{database}", self.address)
    }

    /// How many connections came so far.
    pub fn connections(&self) -> usize {
        *self.accepted.borrow()
    }

    /// Waits until this many connections came.
    pub async fn wait_for_connections(&self, count: usize) {
        let mut accepted = self.accepted.clone();
        let waited = timeout(PATIENCE, accepted.wait_for(|came| *came >= count)).await;
        assert!(matches!(waited, Ok(Ok(_))), "{} of {count} connections came", self.connections());
    }

    /// What each connection sent so far, in the order in which they came. A first packet, which has
    /// no type on the wire, has type 0.
    pub fn received(&self) -> Vec<Vec<Frame>> {
        lock(&self.record).packets.clone()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(
    listener: TcpListener,
    scripts: Vec<Vec<Step>>,
    record: Arc<Mutex<Record>>,
    count: watch::Sender<usize>,
) {
    // Dropped with this task, and then aborts the connections.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut record = lock(&record);
            record.packets.push(Vec::new());
            record.packets.len() - 1
        };
        count.send_replace(number + 1);
        let script = scripts[number.min(scripts.len() - 1)].clone();
        let mut connection = Connection { stream, number, record: Arc::clone(&record) };
        // An error means that the client left: nothing is left to misbehave towards.
        connections.spawn(async move { connection.follow(script).await.ok() });
    }
}

struct Connection {
    stream: TcpStream,
    number: usize,
    record: Arc<Mutex<Record>>,
}

impl Connection {
    async fn follow(&mut self, script: Vec<Step>) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        for step in script {
            match step {
                Step::ReadStartup => self.read_startup().await?,
                Step::AcceptLogin => {
                    self.read_startup().await?;
                    let greeting = self.greeting();
                    self.stream.write_all(&greeting).await?;
                }
                Step::Read => {
                    self.read().await?;
                }
                Step::ReadUntil(kind) => while self.read().await?.0 != kind {},
                Step::Send(bytes) => self.stream.write_all(&bytes).await?,
                Step::Trickle(bytes) => {
                    for byte in bytes {
                        self.stream.write_u8(byte).await?;
                        tokio::task::yield_now().await;
                    }
                }
                Step::ScramChallenge { iterations, server_nonce } => {
                    self.scram_challenge(iterations, &server_nonce).await?;
                }
                Step::Delay(length) => sleep(length).await,
                Step::Serve => self.serve().await?,
                Step::Hang => loop {
                    self.read().await?;
                },
                Step::HalfClose => self.stream.shutdown().await?,
                Step::Reset => {
                    self.stream.set_zero_linger()?;
                    return Ok(());
                }
                Step::Close => return Ok(()),
            }
        }
        Ok(())
    }

    async fn read(&mut self) -> io::Result<Frame> {
        let frame = read_frame(&mut self.stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.note(frame.clone());
        Ok(frame)
    }

    fn note(&self, frame: Frame) {
        lock(&self.record).packets[self.number].push(frame);
    }

    async fn read_startup(&mut self) -> io::Result<()> {
        loop {
            let length = self.stream.read_u32().await?;
            let length = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
            let mut body = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
            self.stream.read_exact(&mut body).await?;
            let code = body.first_chunk().map(|code| u32::from_be_bytes(*code));
            self.note((0, body));
            match code {
                Some(frames::SSL_REQUEST | frames::GSSENC_REQUEST) => {
                    self.stream.write_u8(b'N').await?;
                }
                Some(frames::CANCEL_REQUEST) => return Err(io::ErrorKind::ConnectionAborted.into()),
                _ => return Ok(()),
            }
        }
    }

    fn greeting(&self) -> Vec<u8> {
        let process_id = i32::try_from(self.number + 1).unwrap_or(i32::MAX);
        let mut bytes = frames::authentication(0, &[]);
        for (name, value) in [
            ("server_version", "15.0"),
            ("server_encoding", "UTF8"),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO, MDY"),
            ("integer_datetimes", "on"),
            ("standard_conforming_strings", "on"),
            ("TimeZone", "UTC"),
        ] {
            bytes.extend(frames::parameter_status(name, value));
        }
        bytes.extend(frames::backend_key_data(process_id, &[1, 2, 3, 4]));
        bytes.extend(frames::ready_for_query(b'I'));
        bytes
    }

    /// RFC 5802, section 5.1: the client's nonce is the `r` attribute of its first message.
    async fn scram_challenge(&mut self, iterations: u64, server_nonce: &str) -> io::Result<()> {
        let (_, body) = self.read().await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        let nonce = text.split_once(",r=").map_or("", |(_, nonce)| nonce);
        let challenge = format!("r={nonce}{server_nonce},s=c2FsdHNhbHRzYWx0,i={iterations}");
        let message = frames::authentication(11, challenge.as_bytes());
        self.stream.write_all(&message).await
    }

    async fn serve(&mut self) -> io::Result<()> {
        loop {
            let reply = match self.read().await?.0 {
                b'Q' => {
                    [frames::command_complete("SELECT 0"), frames::ready_for_query(b'I')].concat()
                }
                b'P' => frames::message(b'1', &[]),
                b'B' => frames::message(b'2', &[]),
                b'C' => frames::message(b'3', &[]),
                b'D' => frames::message(b'n', &[]),
                b'E' => frames::command_complete("SELECT 0"),
                b'S' => frames::ready_for_query(b'I'),
                b'X' => return Ok(()),
                _ => continue,
            };
            self.stream.write_all(&reply).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ScriptedClient;
    use crate::frames::kinds;

    #[tokio::test]
    async fn it_accepts_serves_and_records() {
        let server = FakeServer::start(vec![Step::AcceptLogin, Step::Serve]).await;
        let mut client = ScriptedClient::connect(server.address()).await;
        client.send(&frames::request_code(frames::SSL_REQUEST)).await;
        assert_eq!(client.expect_byte().await, b'N');
        client.startup("a", "b", &[("application_name", "test")]).await;
        assert_eq!(kinds(&client.login_trust().await), "SSSSSSSKZ");
        assert_eq!(kinds(&client.query("SELECT 1").await), "CZ");
        client.send(&[frames::parse("", ""), frames::sync()].concat()).await;
        assert_eq!(kinds(&client.expect_until(b'Z').await), "1Z");
        assert_eq!(server.connections(), 1);
        assert_eq!(kinds(&server.received()[0]), "\0\0QPS");
    }

    #[tokio::test]
    async fn connections_follow_their_own_scripts() {
        let garbage = vec![Step::ReadStartup, Step::Send(b"garbage".to_vec())];
        let server = FakeServer::start_each(vec![vec![Step::Close], garbage]).await;
        ScriptedClient::connect(server.address()).await.expect_closed().await;
        let mut second = ScriptedClient::connect(server.address()).await;
        second.startup("a", "b", &[]).await;
        for byte in b"garbage" {
            assert_eq!(second.expect_byte().await, *byte);
        }
        second.expect_closed().await;
        server.wait_for_connections(2).await;
    }

    #[tokio::test]
    async fn a_challenge_carries_the_clients_nonce_and_any_number() {
        let challenge =
            Step::ScramChallenge { iterations: 4_000_000_000, server_nonce: "x".into() };
        let server = FakeServer::start(vec![Step::ReadStartup, challenge, Step::Hang]).await;
        let mut client = ScriptedClient::connect(server.address()).await;
        client.startup("a", "b", &[]).await;
        client.send_frame(b'p', b"SCRAM-SHA-256\0\0\0\0\x05n,,n=,r=abc").await;
        let body = client.expect(b'R').await;
        let text = String::from_utf8_lossy(&body[4..]);
        assert_eq!(text, "r=abcx,s=c2FsdHNhbHRzYWx0,i=4000000000");
        client.expect_silence(Duration::from_millis(20)).await;
    }

    #[tokio::test]
    async fn a_reset_and_a_cut_message_reach_the_client() {
        let cut = vec![Step::Send(frames::header(b'D', 1_000_000)), Step::Close];
        let server = FakeServer::start_each(vec![vec![Step::Reset], cut]).await;
        ScriptedClient::connect(server.address()).await.expect_closed().await;
        let mut client = ScriptedClient::connect(server.address()).await;
        for _ in 0..5 {
            client.expect_byte().await;
        }
        client.expect_closed().await;
    }
}
