//! Many connections that do nothing most of the time: what each costs in memory, and how long a query
//! takes when every one of them sends one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::connection::{Connection, Room};
use super::measure::Figures;
use super::peers::{POOL_SIZE, Running};
use super::results::Metric;
use super::{statistics, usage};

/// Threads that log in and query, each for its share of the connections. As many as there are server
/// connections: it is many connections whose effect is measured, and not a queue.
const THREADS: u32 = POOL_SIZE;
/// What a process needs for itself it has by then: pgweir reads the catalogue and publishes for the
/// first time within seconds of its start, and that is no client's.
const SETTLING: Duration = Duration::from_secs(7);

/// Opens the connections to a peer that has just been started, and sends a query on each.
pub(super) fn run(peer: &Running, clients: u32) -> Result<Figures> {
    let pid = peer.pid().context("only a process has memory of its own")?;
    let kib = || usage::resident_kib(pid).map(|kib| kib as f64);
    // The pool's connections, and what a first client costs, are no idle client's.
    let mut room = Room::new();
    let warm: Result<Vec<Connection>> =
        (0..THREADS).map(|_| Connection::open(peer.port, &mut room)).collect();
    let mut warm = vec![warm?];
    ask(&mut warm)?;
    std::thread::sleep(SETTLING);
    let before = kib();
    let mut connections = open(peer.port, clients)?;
    let fresh = kib();
    let latencies = ask(&mut connections)?;
    let used = kib();
    let each = |later: Option<f64>| Some((later? - before?) / f64::from(clients));
    let at = |share| statistics::percentile(&latencies, share).map(|us| us as f64);
    let figures = [
        (Metric::IdleNew, each(fresh)),
        (Metric::IdleUsed, each(used)),
        (Metric::Memory, used),
        (Metric::Median, at(0.5)),
        (Metric::P99, at(0.99)),
    ];
    Ok(figures.into_iter().filter_map(|(metric, value)| Some((metric, value?))).collect())
}

/// Connections, in the shares of the threads.
fn open(port: u16, clients: u32) -> Result<Vec<Vec<Connection>>> {
    let shares =
        (0..THREADS).map(|thread| clients / THREADS + u32::from(thread < clients % THREADS));
    on_threads(shares, |share| {
        let mut room = Room::new();
        (0..share).map(|_| Connection::open(port, &mut room)).collect()
    })
}

/// A query on each connection, and how long each took, in microseconds, ascending.
fn ask(connections: &mut [Vec<Connection>]) -> Result<Vec<u64>> {
    let latencies = on_threads(connections.iter_mut(), |share| -> Result<Vec<u64>> {
        let mut room = Room::new();
        let timed = share.iter_mut().map(|connection| {
            let start = Instant::now();
            connection.query("SELECT 1", &mut room)?;
            Ok(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX))
        });
        timed.collect()
    });
    let mut latencies = latencies?.concat();
    latencies.sort_unstable();
    Ok(latencies)
}

/// Does something with each share, on a thread of its own.
fn on_threads<S: Send, T: Send>(
    shares: impl Iterator<Item = S>,
    work: impl Fn(S) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = shares.map(|share| scope.spawn(move || work(share))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
            .collect()
    })
}
