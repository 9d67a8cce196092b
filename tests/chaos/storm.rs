//! Thousands of idle clients, some busy ones, and a storm of logins.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testkit::frames::{self, query};
use testkit::{Postgres, Proxy};
use wire::auth::{SCRAM_SHA_256, ScramClient, ScramKeys, sasl_initial_response, sasl_response};

use crate::connection::{Connection, Trouble};
use crate::plan::StormPlan;
use crate::vitals::Vitals;

const PASSWORD: &str = "storm-secret";
/// How long a client waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who logs in: the keys are derived once, so that the load costs the generator little.
pub(crate) struct Keys {
    pub(crate) verifier: String,
    keys: ScramKeys,
}

impl Keys {
    /// A role `storm`, and what it logs in with.
    pub(crate) async fn make(postgres: &Postgres) -> Self {
        let admin = postgres.admin().await;
        let role = format!("CREATE ROLE storm LOGIN PASSWORD '{PASSWORD}'");
        admin.batch_execute(&role).await.unwrap();
        let sql = "SELECT rolpassword, decode(substring(rolpassword from ':([^$]*)'), 'base64'),
                   substring(rolpassword from '[$]([0-9]*):')::int
                   FROM pg_authid WHERE rolname = 'storm'";
        let row = admin.query_one(sql, &[]).await.unwrap();
        let (salt, iterations) = (row.get::<_, Vec<u8>>(1), row.get::<_, i32>(2));
        let iterations = u32::try_from(iterations).unwrap();
        let keys = ScramKeys::from_password(PASSWORD.as_bytes(), &salt, iterations);
        Self { verifier: row.get(0), keys }
    }

    /// One login, by SCRAM. `number` spreads them over loopback addresses: each has its own ports.
    async fn log_in(&self, address: SocketAddr, number: usize) -> Result<Connection, Trouble> {
        let source = SocketAddr::from(([127, 0, 0, 2 + (number % 16) as u8], 0));
        let open = Connection::open(address, Some(source), PATIENCE).await;
        let wrong = |what: String| Trouble::Wrong(what);
        let mut connection = open.map_err(|error| wrong(format!("connecting: {error}")))?;
        let startup = [("user", "storm"), ("database", "postgres")];
        connection.send(&frames::startup(frames::PROTOCOL_3_0, &startup)).await;
        connection.authentication(10).await?;
        let (client, first) = ScramClient::with_keys(self.keys.clone(), rand::random());
        connection.send(&sasl_initial_response(SCRAM_SHA_256, &first)).await;
        let challenge = connection.authentication(11).await?;
        let next = client.challenge(&challenge).map_err(|error| wrong(error.to_string()))?;
        connection.send(&sasl_response(&next.1)).await;
        let signature = connection.authentication(12).await?;
        next.0.finish(&signature).map_err(|error| wrong(error.to_string()))?;
        let answer = connection.until_ready().await?;
        match answer.error {
            Some(error) => Err(Trouble::Closed(Some(error))),
            None => Ok(connection),
        }
    }
}

/// Files may be as many as the system lets us have.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Makes this thread the last to get a processor; without effect where that cannot be had.
fn step_back() {
    let thread = std::fs::read_link("/proc/thread-self").ok();
    if let Some(id) = thread.as_deref().and_then(|path| path.file_name()) {
        let _ = Command::new("renice").args(["-n", "15", "-p"]).arg(id).output();
    }
}

/// A thread with a runtime of its own, so that what is measured does not wait for what makes load.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Logs in `count` times, `at_once` at a time; gives the connections.
async fn log_in_many(
    keys: &Arc<Keys>,
    address: SocketAddr,
    count: usize,
    at_once: usize,
) -> Vec<Result<Connection, Trouble>> {
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..at_once)
        .map(|_| {
            let (keys, next) = (Arc::clone(keys), Arc::clone(&next));
            tokio::spawn(async move {
                let mut connections = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return connections;
                    }
                    connections.push(keys.log_in(address, number).await);
                }
            })
        })
        .collect();
    let mut connections = Vec::new();
    for worker in workers {
        connections.extend(worker.await.unwrap());
    }
    connections
}

/// One query with a token; anything but its answer is an error.
async fn ask(connection: &mut Connection, token: &str) -> Result<(), String> {
    let answer = connection.exchange(&query(&format!("SELECT '{token}'"))).await;
    let answer = answer.map_err(|trouble| format!("{trouble:?}"))?;
    if answer.kinds != "TDCZ" || answer.rows != [[token]] {
        return Err(format!("{token}: {} {:?} {:?}", answer.kinds, answer.rows, answer.error));
    }
    Ok(())
}

/// What the busy clients have measured.
#[derive(Default)]
struct Measured {
    queries: Mutex<Vec<(Instant, Duration)>>,
    errors: Mutex<Vec<String>>,
    over: AtomicBool,
}

impl Measured {
    /// Median and p99 of the queries that ended between these moments, in milliseconds.
    fn between(&self, from: Instant, to: Instant) -> (usize, f64, f64) {
        let queries = self.queries.lock();
        let within = queries.iter().filter(|(at, _)| (from..=to).contains(at));
        let mut times: Vec<f64> = within.map(|(_, time)| time.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let rank = |share: f64| {
            let index = (times.len() as f64 * share) as usize;
            times.get(index.min(times.len().saturating_sub(1))).copied().unwrap_or(0.0)
        };
        (times.len(), rank(0.5), rank(0.99))
    }
}

async fn busy(keys: Arc<Keys>, address: SocketAddr, plan: StormPlan, measured: Arc<Measured>) {
    let clients: Vec<_> = (0..plan.busy)
        .map(|number| {
            let (keys, measured) = (Arc::clone(&keys), Arc::clone(&measured));
            tokio::spawn(async move {
                let mut connection = match keys.log_in(address, number).await {
                    Ok(connection) => connection,
                    Err(trouble) => return measured.errors.lock().push(format!("{trouble:?}")),
                };
                let mut sequence = 0;
                while !measured.over.load(Ordering::Relaxed) {
                    let pause = rand::random_range(0..=2 * plan.think_ms);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    sequence += 1;
                    let sent = Instant::now();
                    if let Err(what) = ask(&mut connection, &format!("b{number}n{sequence}")).await
                    {
                        return measured.errors.lock().push(what);
                    }
                    measured.queries.lock().push((Instant::now(), sent.elapsed()));
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
}

/// Runs it all, and panics with what went wrong. Blocks: it has threads and runtimes of its own.
pub(crate) fn run(plan: StormPlan, keys: Keys, proxy: &Proxy) {
    let (keys, address) = (Arc::new(keys), proxy.address());
    let generator = runtime();
    let measured = Arc::new(Measured::default());
    // The generator's thread is this one; the busy clients have one that stays in front, which it
    // must have begun before.
    let (go, ready) = std::sync::mpsc::channel();
    let (of_busy, of_keys) = (Arc::clone(&measured), Arc::clone(&keys));
    let busy_thread = std::thread::spawn(move || {
        if ready.recv().is_ok() {
            runtime().block_on(busy(of_keys, address, plan, of_busy));
        }
    });
    step_back();
    let before = Vitals::of(proxy.pid());
    let began = Instant::now();
    let logins = generator.block_on(log_in_many(&keys, address, plan.idle, 50));
    let mut errors: Vec<String> = Vec::new();
    let mut idle = Vec::new();
    for login in logins {
        match login {
            Ok(connection) => idle.push(connection),
            Err(trouble) => errors.push(format!("an idle client: {trouble:?}")),
        }
    }
    errors.extend(generator.block_on(ask_all(&mut idle, "first")));
    let with_idle = Vitals::of(proxy.pid());
    let each = with_idle.resident_kib.saturating_sub(before.resident_kib) * 1024;
    eprintln!("{} idle clients in {:.1?}", idle.len(), began.elapsed());
    eprintln!(
        "pgweir before {before}, with them {with_idle}: {} bytes each",
        each / plan.idle as u64
    );
    let _ = go.send(());
    let mut ratios = Vec::new();
    for round in 1..=plan.rounds {
        // The first moments are those in which the busy clients log in.
        std::thread::sleep(plan.calm / 4);
        let calm = Instant::now();
        std::thread::sleep(plan.calm);
        let storm = Instant::now();
        let logins = generator.block_on(log_in_many(&keys, address, plan.logins, 500));
        let end = Instant::now();
        let refused = logins.iter().filter_map(|login| login.as_ref().err());
        errors.extend(refused.map(|trouble| format!("a login: {trouble:?}")));
        let (count, p50, p99) = measured.between(calm, storm);
        eprintln!("round {round}: before, {count} queries: p50 {p50:.2} ms, p99 {p99:.2} ms");
        let (count, p50, storm_p99) = measured.between(storm, end);
        eprintln!(
            "round {round}: during {} logins in {:.2?}, {count} queries: p50 {p50:.2} ms, \
            p99 {storm_p99:.2} ms",
            logins.len(),
            end - storm
        );
        ratios.push(storm_p99 / p99.max(0.001));
        drop(logins);
    }
    errors.extend(generator.block_on(ask_all(&mut idle, "last")));
    measured.over.store(true, Ordering::Relaxed);
    busy_thread.join().unwrap();
    errors.extend(measured.errors.lock().drain(..));
    eprintln!("{} errors; p99 during over p99 before: {ratios:.2?}", errors.len());
    assert!(errors.is_empty(), "{:#?}", &errors[..errors.len().min(20)]);
    assert!(measured.queries.lock().len() > plan.busy, "the busy clients did nothing");
    ratios.sort_by(f64::total_cmp);
    assert!(!plan.timed || ratios[ratios.len() / 2] <= 2.0, "p99 more than doubled: {ratios:?}");
}

/// One query on each, a few at a time.
async fn ask_all(connections: &mut [Connection], when: &str) -> Vec<String> {
    let mut errors = Vec::new();
    for (number, connection) in connections.iter_mut().enumerate() {
        errors.extend(ask(connection, &format!("idle{number}{when}")).await.err());
    }
    errors
}
