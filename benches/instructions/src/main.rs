//! Rounds of the pure core, for a program that counts instructions: `pgweir-instructions CASE ROUNDS`.
//! `cargo xtask bench --instructions` runs it below valgrind, which counts only inside of
//! [`counted`]: start and warming up are left out. Nothing else is built for this, so that it is quick.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use model::{ClientId, Event, LabelRegistry, Labels, PoolMode, Priority, ServerId};
use pooling::parameters::{ClientParameters, ServerParameters};
use pooling::scheduler::{Age, Limits, Request, Scheduler, WaiterId};
use pooling::session::{ClientSession, Io, ServerSession, write_settings};
use sql::ShapeRegistry;

const STATEMENT: &str = "SELECT o.id, o.status, c.name FROM orders o JOIN customers c ON c.id = \
                         o.customer_id WHERE o.id = 4711 AND o.status = 'open'";

const PREPARED: &str = "SELECT o.id, o.status, c.name FROM orders o JOIN customers c ON c.id = \
                        o.customer_id WHERE o.id = $1 AND o.status = 'open'";

/// Rounds before those that count: buffers have their size then, and shapes are known.
const WARM_UP: u32 = 100;

/// What valgrind counts inside of, by this name. Of its own, so that there is one of it.
#[inline(never)]
fn counted(rounds: u32, round: &mut dyn FnMut()) {
    for _ in 0..rounds {
        round();
    }
}

/// The same, uncounted.
#[inline(never)]
fn warm_up(round: &mut dyn FnMut()) {
    for _ in 0..WARM_UP {
        round();
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [case, rounds] = arguments.as_slice() else { return ExitCode::from(2) };
    let Ok(rounds) = rounds.parse() else { return ExitCode::from(2) };
    let Some(mut round) = round_of(case) else { return ExitCode::from(2) };
    warm_up(&mut *round);
    counted(rounds, &mut *round);
    ExitCode::SUCCESS
}

/// What is done again and again.
fn round_of(case: &str) -> Option<Box<dyn FnMut()>> {
    match case {
        "simple_query" => Some(simple_query()),
        "extended_query" => Some(extended_query()),
        "prepared_execute" => Some(prepared_execute()),
        "observe_known_statement" => Some(observe()),
        "attach_other_settings" => Some(attach()),
        "scheduler_request_and_free" => Some(schedule()),
        _ => None,
    }
}

/// A client's session and a server's, with all that they write to.
struct Sessions {
    registry: ShapeRegistry,
    client: ClientSession,
    server: ServerSession,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    events: Vec<Event>,
    now: Instant,
}

impl Sessions {
    fn new() -> Self {
        let label = LabelRegistry::new(10).intern(Labels::new("shop", "web", "bench"));
        let parameters = ClientParameters::new([]);
        let now = Instant::now();
        Self {
            registry: ShapeRegistry::new(1_000),
            client: ClientSession::new(ClientId(1), label, PoolMode::Transaction, parameters),
            server: ServerSession::new("app", ServerParameters::default(), 200, now),
            to_server: Vec::new(),
            to_client: Vec::new(),
            events: Vec::new(),
            now,
        }
    }

    /// A request and its answer, with a server connection that is held for as long.
    fn exchange(&mut self, request: &[u8], answer: &[u8]) {
        self.to_server.clear();
        self.to_client.clear();
        self.events.clear();
        let mut io = Io {
            shapes: &self.registry,
            to_server: &mut self.to_server,
            to_client: &mut self.to_client,
            events: &mut self.events,
            now: self.now,
        };
        self.client.attach(&mut self.server, Duration::ZERO, &mut io);
        let sent = self.client.on_client(black_box(request), Some(&mut self.server), &mut io);
        let answered = self.client.on_server(black_box(answer), &mut self.server, &mut io);
        assert!(sent.is_ok() && answered.is_ok() && self.client.releasable(), "one whole exchange");
    }
}

/// A message: its kind, its length, which counts itself, and its body.
fn message(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes();
    [&[kind][..], &length, &body].concat()
}

fn parse(name: &[u8], text: &str) -> Vec<u8> {
    message(b'P', &[name, b"\0", text.as_bytes(), b"\0\0\0"])
}

/// Bind of one parameter, Execute, Sync.
fn execute(name: &[u8]) -> Vec<u8> {
    [
        message(b'B', &[b"\0", name, b"\0", b"\0\0", b"\0\x01", b"\0\0\0\x044711", b"\0\0"]),
        message(b'E', &[b"\0", &[0; 4]]),
        message(b'S', &[]),
    ]
    .concat()
}

/// One row, and the end.
fn rows() -> Vec<u8> {
    [
        message(b'D', &[b"\0\x01", b"\0\0\0\x044711"]),
        message(b'C', &[b"SELECT 1\0"]),
        message(b'Z', &[b"I"]),
    ]
    .concat()
}

fn simple_query() -> Box<dyn FnMut()> {
    let mut sessions = Sessions::new();
    let request = message(b'Q', &[STATEMENT.as_bytes(), b"\0"]);
    let description = message(b'T', &[b"\0\x01", b"id\0", &[0; 18]]);
    let answer = [description, rows()].concat();
    Box::new(move || sessions.exchange(&request, &answer))
}

/// Parse of the unnamed statement, Bind, Execute, Sync: as drivers send what is not prepared. It is
/// parsed as it is, then under a name, and from then on not any more.
fn extended_query() -> Box<dyn FnMut()> {
    let mut sessions = Sessions::new();
    let request = [parse(b"", PREPARED), execute(b"")].concat();
    let parsed = [message(b'1', &[]), message(b'2', &[]), rows()].concat();
    for _ in 0..2 {
        sessions.exchange(&request, &parsed);
    }
    let answer = [message(b'2', &[]), rows()].concat();
    Box::new(move || sessions.exchange(&request, &answer))
}

/// Bind, Execute, Sync of a statement that was prepared before.
fn prepared_execute() -> Box<dyn FnMut()> {
    let mut sessions = Sessions::new();
    let prepared = [parse(b"find", PREPARED), message(b'S', &[])].concat();
    sessions.exchange(&prepared, &[message(b'1', &[]), message(b'Z', &[b"I"])].concat());
    let request = execute(b"find");
    let answer = [message(b'2', &[]), rows()].concat();
    Box::new(move || sessions.exchange(&request, &answer))
}

fn observe() -> Box<dyn FnMut()> {
    let registry = ShapeRegistry::new(1_000);
    Box::new(move || {
        black_box(registry.observe_one(black_box(STATEMENT.as_bytes())));
    })
}

/// What it takes to make a server connection that of a client with two settings of its own.
fn attach() -> Box<dyn FnMut()> {
    let wanted = [("TimeZone", "Europe/Berlin"), ("search_path", "shop")];
    let client = ClientParameters::new(wanted);
    Box::new(move || {
        let statements = ServerParameters::default().difference(black_box(&client));
        let mut to_server = Vec::new();
        black_box(write_settings(&statements, &mut to_server));
    })
}

fn schedule() -> Box<dyn FnMut()> {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(Limits {
        size: 10,
        min_size: 0,
        reserve_size: 0,
        reserve_timeout: None,
        round_robin: false,
        max_waiting: None,
        max_age: None,
        low_share: 75,
        low_share_of: 10,
        wait_timeout: Duration::from_secs(120),
        idle_timeout: Duration::from_secs(600),
        lifetime: Duration::from_secs(3600),
        login_retry: Duration::from_secs(15),
    });
    let age = Age::new(now, 0.5);
    scheduler.request(WaiterId(0), Priority::Normal, None, now);
    for _ in 0..scheduler.connects_due(false, now).for_queue {
        scheduler.begin_connects(1);
        scheduler.connected();
        scheduler.freed(ServerId(1), age, now);
    }
    scheduler.freed(ServerId(1), age, now);
    Box::new(move || {
        if let Request::Granted(server) =
            scheduler.request(WaiterId(1), Priority::Normal, None, now)
        {
            black_box(scheduler.freed(black_box(server), age, now));
        }
    })
}
