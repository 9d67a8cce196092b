//! Micro-benchmarks of the pure core: what a statement costs beyond its system calls.
//!
//! `cargo bench -p pgweir`. The figures are noisy on a shared machine: compare two runs of one
//! machine, not a run with a number written down.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use model::{ClientId, Histogram, LabelRegistry, Labels, PoolMode, Priority, ServerId};
use pooling::parameters::{ClientParameters, ServerParameters};
use pooling::scheduler::{Age, Limits, Request, Scheduler, WaiterId};
use pooling::session::{ClientSession, Io, ServerSession, write_settings};
use sql::ShapeRegistry;
use testkit::frames;
use wire::frame::Head;

const STATEMENT: &str = "SELECT o.id, o.status, c.name FROM orders o JOIN customers c ON c.id = \
                         o.customer_id WHERE o.id = 4711 AND o.status = 'open'";

/// Statements as applications and ORMs send them.
const TYPICAL: &str = include_str!("statements.sql");

/// The statements of a workload, one by one; and those of a file of which each ends with a semicolon
/// at the end of a line, if `PGWEIR_BENCH_SQL` names one.
fn workloads() -> Vec<(&'static str, Vec<String>)> {
    let split = |text: &str| text.split_terminator(";\n").map(str::to_owned).collect();
    let mut all = vec![("typical", split(TYPICAL))];
    if let Some(path) = std::env::var_os("PGWEIR_BENCH_SQL") {
        let bytes = std::fs::read(path).expect("PGWEIR_BENCH_SQL names a file");
        all.push(("file", split(&String::from_utf8_lossy(&bytes))));
    }
    all
}

/// What the text of a statement costs: the lexical pass; that and what a known statement costs beyond
/// it; and a new one.
fn shapes(criterion: &mut Criterion) {
    for (name, statements) in workloads() {
        let bytes: usize = statements.iter().map(String::len).sum();
        let mut group = criterion.benchmark_group(format!("{name}, {} texts", statements.len()));
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function("lexical pass", |bencher| {
            bencher.iter(|| {
                for text in &statements {
                    black_box(sql::shape_id(black_box(text.as_bytes())));
                }
            });
        });
        let registry = ShapeRegistry::new(statements.len());
        group.bench_function("known", |bencher| {
            bencher.iter(|| {
                for text in &statements {
                    black_box(registry.observe_one(black_box(text.as_bytes())));
                }
            });
        });
        group.bench_function("new", |bencher| {
            bencher.iter_batched(
                || ShapeRegistry::new(statements.len()),
                |registry| {
                    for text in &statements {
                        black_box(registry.observe_one(black_box(text.as_bytes())));
                    }
                    registry
                },
                BatchSize::LargeInput,
            );
        });
        group.finish();
    }
}

fn limits() -> Limits {
    Limits {
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
    }
}

fn scheduler(criterion: &mut Criterion) {
    let now = Instant::now();
    let mut scheduler = Scheduler::new(limits());
    scheduler.request(WaiterId(0), Priority::Normal, None, now);
    let age = Age::new(now, 0.5);
    for _ in 0..scheduler.connects_due(false, now).for_queue {
        scheduler.begin_connects(1);
        scheduler.connected();
        scheduler.freed(ServerId(1), age, now);
    }
    scheduler.freed(ServerId(1), age, now);
    criterion.bench_function("scheduler: request and free", |bencher| {
        bencher.iter(|| match scheduler.request(WaiterId(1), Priority::Normal, None, now) {
            Request::Granted(server) => scheduler.freed(black_box(server), age, now),
            other => panic!("the pool is idle: {other:?}"),
        });
    });
}

/// One statement through the session machine, both ways, on a server connection that is held.
fn session(criterion: &mut Criterion) {
    let registry = ShapeRegistry::new(1_000);
    let labels = LabelRegistry::new(10);
    let label = labels.intern(Labels::new("shop", "web", "bench"));
    let parameters = ClientParameters::new([]);
    let mut client = ClientSession::new(ClientId(1), label, PoolMode::Transaction, parameters);
    let mut server = ServerSession::new("app", ServerParameters::default(), 200, Instant::now());
    let request = frames::query(STATEMENT);
    let answer = [
        frames::row_description(&["id"]),
        frames::data_row(&[Some("4711")]),
        frames::command_complete("SELECT 1"),
        frames::ready_for_query(b'I'),
    ]
    .concat();
    let (mut to_server, mut to_client, mut events) = (Vec::new(), Vec::new(), Vec::new());
    criterion.bench_function("session: one simple query, both ways", |bencher| {
        bencher.iter(|| {
            to_server.clear();
            to_client.clear();
            events.clear();
            let mut io = Io {
                shapes: &registry,
                to_server: &mut to_server,
                to_client: &mut to_client,
                events: &mut events,
                now: Instant::now(),
            };
            client.attach(&mut server, Duration::ZERO, &mut io);
            let sent = client.on_client(black_box(&request), Some(&mut server), &mut io);
            let answered = client.on_server(black_box(&answer), &mut server, &mut io);
            assert!(sent.is_ok() && answered.is_ok() && client.releasable());
        });
    });
}

/// Where the messages of an answer of a hundred rows begin.
fn framing(criterion: &mut Criterion) {
    let answer = frames::data_row(&[Some("4711"), Some("open")]).repeat(100);
    let mut group = criterion.benchmark_group("framing");
    group.throughput(Throughput::Bytes(answer.len() as u64));
    group.bench_function("a hundred rows", |bencher| {
        bencher.iter(|| {
            let mut at = 0;
            while let Ok(Some(head)) = Head::from_server(black_box(&answer[at..])) {
                at += head.total();
            }
            assert_eq!(at, answer.len());
        });
    });
    group.finish();
}

/// What makes a server connection that of a client with two settings of its own.
fn attach(criterion: &mut Criterion) {
    let client = ClientParameters::new([("TimeZone", "Europe/Berlin"), ("search_path", "shop")]);
    let mut to_server = Vec::new();
    criterion.bench_function("attach: two settings that differ", |bencher| {
        bencher.iter(|| {
            to_server.clear();
            let statements = ServerParameters::default().difference(black_box(&client));
            write_settings(&statements, &mut to_server)
        });
    });
}

fn histogram(criterion: &mut Criterion) {
    let mut histogram = Histogram::default();
    let mut us = 1u64;
    criterion.bench_function("histogram: record", |bencher| {
        bencher.iter(|| {
            us = us.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            histogram.record(Duration::from_micros(us >> 44));
        });
    });
}

criterion_group!(benches, framing, shapes, scheduler, attach, session, histogram);
criterion_main!(benches);
