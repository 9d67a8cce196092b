//! A server's name that leads elsewhere after a while, with real sockets: two addresses of the loopback
//! network, a server at each, and a resolver that changes its mind.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use access::hba::Rules;
use access::{IdentMaps, Networks};
use model::{ClientId, LabelRegistry, PoolKey, PoolMode, Priority};
use parking_lot::Mutex;
use pooling::hosts::Wish;
use pooling::priorities::Priorities;
use pooling::timeouts::Timeouts;
use sql::ShapeRegistry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wire::backend::{self, TransactionStatus};
use wire::{frontend, startup};

use super::{Measures, Proxy, Shared};
use crate::events::EventBuffer;
use crate::hosts::{HostSettings, Resolve};
use crate::login_settings::{AuthType, LoginSettings};
use crate::pool::Acquired;
use crate::settings::{Listening, Maxima, PoolTarget, ProxySettings};
use crate::stream::ServerAddress;
use crate::tcp::TcpOptions;
use crate::tls::{ClientTls, ServerTlsFiles, SslMode};

/// Where the server is, and where it goes.
const OLD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const NEW: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const PATIENCE: Duration = Duration::from_secs(10);

/// A message: its kind and its body.
async fn message(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await?;
    let mut body = vec![0; stream.read_u32().await? as usize - 4];
    stream.read_exact(&mut body).await?;
    Ok((kind, body))
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind], &length[..], body].concat()
}

/// Lets everybody in, and answers every statement with `name`. Counts the connections that are open.
async fn server(listener: TcpListener, name: Ipv4Addr, open: Arc<AtomicUsize>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let open = Arc::clone(&open);
        tokio::spawn(async move {
            open.fetch_add(1, Ordering::SeqCst);
            // It ends with the connection.
            let _ = conversation(stream, name).await;
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn let_in(stream: &mut TcpStream) -> io::Result<()> {
    let mut startup = vec![0; stream.read_u32().await? as usize - 4];
    stream.read_exact(&mut startup).await?;
    let mut answer = frame(backend::AUTHENTICATION, &0_u32.to_be_bytes());
    backend::write_backend_key(&mut answer, 1, &[0; 4]);
    backend::write_ready(&mut answer, TransactionStatus::Idle);
    stream.write_all(&answer).await
}

async fn conversation(mut stream: TcpStream, name: Ipv4Addr) -> io::Result<()> {
    let_in(&mut stream).await?;
    let mut status = TransactionStatus::Idle;
    loop {
        let (kind, body) = message(&mut stream).await?;
        if kind != b'Q' {
            return Ok(());
        }
        status = match body.as_slice() {
            b"BEGIN\0" => TransactionStatus::Block,
            b"COMMIT\0" => TransactionStatus::Idle,
            _ => status,
        };
        let name = name.to_string();
        let column = [&1_u16.to_be_bytes()[..], b"name\0", &[0; 6], &25_u32.to_be_bytes()];
        let column = [&column.concat()[..], &(-1_i16).to_be_bytes(), &[0xff; 4], &[0; 2]].concat();
        let length = u32::try_from(name.len()).unwrap().to_be_bytes();
        let row = [&1_u16.to_be_bytes()[..], &length, name.as_bytes()].concat();
        let mut answer = frame(backend::ROW_DESCRIPTION, &column);
        answer.extend(frame(backend::DATA_ROW, &row));
        backend::write_command_complete(&mut answer, "SELECT 1");
        backend::write_ready(&mut answer, status);
        stream.write_all(&answer).await?;
    }
}

/// A client of the pooler.
struct Client(TcpStream);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&startup::startup_message("u", "shop", &[])).await.unwrap();
        let mut this = Self(stream);
        this.answer().await;
        this
    }

    /// The first value of the answer, which is where it comes from.
    async fn answer(&mut self) -> String {
        let mut value = String::new();
        loop {
            let (kind, body) = message(&mut self.0).await.unwrap();
            match kind {
                backend::DATA_ROW => {
                    let row = backend::read_data_row(&body).unwrap();
                    value = String::from_utf8(row[0].unwrap().to_vec()).unwrap();
                }
                backend::ERROR_RESPONSE => panic!("{}", String::from_utf8_lossy(&body)),
                backend::READY_FOR_QUERY => return value,
                _ => {}
            }
        }
    }

    async fn ask(&mut self, text: &str) -> String {
        let mut bytes = Vec::new();
        frontend::write_query(&mut bytes, text.as_bytes());
        self.0.write_all(&bytes).await.unwrap();
        self.answer().await
    }
}

fn target(port: u16) -> PoolTarget {
    let tls = ServerTlsFiles { mode: SslMode::Disable, ..ServerTlsFiles::default() };
    PoolTarget {
        hosts: vec![ServerAddress::new("db.example", port)],
        wish: Wish::default(),
        database: "shop".to_owned(),
        user: "u".to_owned(),
        password: None,
        tls: tls.load().unwrap(),
        tcp: TcpOptions::default(),
        connect_query: None,
        startup: Vec::new(),
        size: 5,
        min_size: 0,
        reserve_size: 0,
        server_lifetime: Duration::from_secs(3_600),
        mode: PoolMode::Transaction,
        timeouts: Timeouts::default(),
        maxima: Maxima::default(),
        on_demand: false,
        forced_user: false,
    }
}

pub(super) fn settings(port: u16) -> ProxySettings {
    let long = Duration::from_secs(60);
    ProxySettings {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        unix_socket: None,
        listening: Listening { reuse_port: false, backlog: 16 },
        peer_id: None,
        peers: Vec::new(),
        proxy_protocol_from: Networks::default(),
        tcp: TcpOptions::default(),
        client_tls: ClientTls::default(),
        find_pool: Arc::new(move |_, _| Some(target(port))),
        databases: vec!["shop".to_owned()],
        warm: Vec::new(),
        login: LoginSettings {
            auth_type: AuthType::Trust,
            rules: Rules::default(),
            maps: IdentMaps::default(),
            trusted: None,
            users: Default::default(),
            own_user: None,
            find_lookup: Arc::new(|_| None),
        },
        admin_users: Vec::new(),
        stats_users: Vec::new(),
        max_client_conn: 10,
        clients_that_fit: 10,
        max_not_logged_in: 10,
        max_wait_queue: None,
        max_queue_age: None,
        low_priority_share: 75,
        priorities: Priorities::default(),
        max_prepared_statements: 10,
        share_unnamed_statements: false,
        prepare_simple_queries: false,
        query_wait_timeout: long,
        server_idle_timeout: long,
        reserve_pool_timeout: None,
        server_round_robin: false,
        autodb_idle_timeout: None,
        server_connect_timeout: long,
        hosts: HostSettings {
            check_interval: None,
            check_timeout: long,
            dns_max_ttl: Some(Duration::from_millis(50)),
        },
        server_login_retry: long,
        client_login_timeout: long,
        cancel_wait_timeout: long,
        suspend_timeout: None,
        shutdown_timeout: long,
    }
}

/// What the name leads to; none is nothing at all.
type Answer = Arc<Mutex<Option<Ipv4Addr>>>;

fn resolver(answer: &Answer) -> Resolve {
    let answer = Arc::clone(answer);
    Arc::new(move |name, port| {
        assert_eq!(name, "db.example");
        let answer = match *answer.lock() {
            Some(ip) => Ok(vec![SocketAddr::new(IpAddr::V4(ip), port)]),
            None => Err(io::Error::other("no answer")),
        };
        Box::pin(std::future::ready(answer))
    })
}

pub(super) fn proxy(settings: ProxySettings, resolve: Resolve) -> Proxy {
    let measures = Measures {
        shapes: Arc::new(ShapeRegistry::new(10)),
        labels: Arc::new(LabelRegistry::new(10)),
        events: Arc::new(EventBuffer::new(1)),
        traces: false,
    };
    Proxy { shared: Arc::new(Shared::new(settings, measures, None, resolve)) }
}

/// Waits for something to be so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn connections_follow_a_name_that_leads_elsewhere() {
    let old = TcpListener::bind((OLD, 0)).await.unwrap();
    let port = old.local_addr().unwrap().port();
    let new = TcpListener::bind((NEW, port)).await.unwrap();
    let (open_old, open_new) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    tokio::spawn(server(old, OLD, Arc::clone(&open_old)));
    tokio::spawn(server(new, NEW, Arc::clone(&open_new)));

    let answer: Answer = Arc::new(Mutex::new(Some(OLD)));
    let proxy = proxy(settings(port), resolver(&answer));
    let listeners = proxy.listen(Vec::new()).await.unwrap();
    let address = listeners.addresses()[0];
    tokio::select! {
        () = proxy.serve(Arc::new(listeners)) => unreachable!("nobody ends it"),
        () = follow(address, answer, &open_old, &open_new) => {}
    }
}

/// Otherwise a pool of one would never open another one.
#[tokio::test]
async fn an_attempt_that_ends_in_a_panic_does_not_keep_its_place() {
    let listener = TcpListener::bind((OLD, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(server(listener, OLD, Arc::default()));
    let resolve = resolver(&Arc::new(Mutex::new(Some(OLD))));
    let attempts = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&attempts);
    let resolve: Resolve = Arc::new(move |name, port| {
        assert!(counted.fetch_add(1, Ordering::SeqCst) > 0, "the first attempt");
        resolve(name, port)
    });
    let one = PoolTarget { size: 1, ..target(port) };
    let find_pool = Arc::new(move |_: &str, _: &str| Some(one.clone()));
    let proxy = proxy(ProxySettings { find_pool, ..settings(port) }, resolve);
    let listeners = proxy.listen(Vec::new()).await.unwrap();
    let address = listeners.addresses()[0];
    let is_let_in = async || {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&startup::startup_message("u", "shop", &[])).await.unwrap();
        loop {
            // An error ends with the connection.
            match tokio::time::timeout(PATIENCE / 10, message(&mut stream)).await {
                Ok(Ok((backend::READY_FOR_QUERY, _))) => return true,
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => return false,
            }
        }
    };
    tokio::select! {
        () = proxy.serve(Arc::new(listeners)) => unreachable!("nobody ends it"),
        () = until("a client is let in", is_let_in) => {}
    }
    assert!(attempts.load(Ordering::SeqCst) > 1);
}

/// As when the process is told to quit: a task that is dropped with the runtime gives up the place of
/// a connection, the queue is to have it, and nothing can be begun any more.
#[test]
fn the_end_of_the_runtime_is_not_the_end_of_a_lock() {
    let (tell, ended) = std::sync::mpsc::channel();
    // On a thread of its own, which hangs if the test fails.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let left = runtime.block_on(async {
            let listener = TcpListener::bind((OLD, 0)).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let_in(&mut stream).await.unwrap();
                // It does not take a goodbye for an answer.
                std::future::pending::<()>().await;
            });
            let one = PoolTarget { size: 1, ..target(port) };
            let find_pool = Arc::new(move |_: &str, _: &str| Some(one.clone()));
            let resolve = resolver(&Arc::new(Mutex::new(Some(OLD))));
            let proxy = proxy(ProxySettings { find_pool, ..settings(port) }, resolve);
            let key = PoolKey { database: "shop".into(), user: "u".into() };
            let pool = proxy.shared.pool(&proxy.shared.settings(), &key).unwrap();
            let queue = |client| {
                let now = Instant::now();
                match pool.acquire(ClientId(client), Priority::Normal, None, now) {
                    Acquired::Later(ticket) => ticket,
                    Acquired::Now(_) | Acquired::Refused(_) => panic!("{client} is to wait"),
                }
            };
            let mut first = queue(1);
            let lease = poll_fn(|cx| first.poll_grant(cx)).await.unwrap();
            let second = queue(2);
            tokio::spawn(lease.renew(ClientId(1)));
            tokio::task::yield_now().await;
            assert_eq!((pool.out(), pool.total()), (1, 1), "it has not got another one");
            (proxy, second)
        });
        drop(runtime);
        drop(left);
        tell.send(()).unwrap();
    });
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(()));
}

/// What clients notice of it.
async fn follow(
    address: SocketAddr,
    answer: Answer,
    open_old: &AtomicUsize,
    open_new: &AtomicUsize,
) {
    let (mut busy, mut idle) = (Client::connect(address).await, Client::connect(address).await);
    assert_eq!(busy.ask("BEGIN").await, OLD.to_string());
    assert_eq!(idle.ask("SELECT 1").await, OLD.to_string());
    assert_eq!((open_old.load(Ordering::SeqCst), open_new.load(Ordering::SeqCst)), (2, 0));

    *answer.lock() = Some(NEW);
    until("new transactions go to the new address", async || {
        idle.ask("SELECT 1").await == NEW.to_string()
    })
    .await;
    until("who is idle there is closed", async || open_old.load(Ordering::SeqCst) == 1).await;
    assert_eq!(busy.ask("SELECT 1").await, OLD.to_string(), "a transaction stays where it is");
    assert_eq!(busy.ask("COMMIT").await, OLD.to_string());
    until("nothing goes there any more", async || open_old.load(Ordering::SeqCst) == 0).await;
    assert_eq!(busy.ask("SELECT 1").await, NEW.to_string());

    // Without an answer the last one holds.
    *answer.lock() = None;
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(300) {
        assert_eq!(idle.ask("SELECT 1").await, NEW.to_string());
    }
    *answer.lock() = Some(OLD);
    until("and back", async || idle.ask("SELECT 1").await == OLD.to_string()).await;
}
