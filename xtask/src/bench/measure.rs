//! One workload through one peer, and the figures of it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::connection::{Connection, Room, message};
use super::peers::Running;
use super::pgbench::{Length, Outcome, Run, Transaction};
use super::results::{Cell, Metric};
use super::usage::{self, Reading};
use super::workloads::{Copying, Driver};
use super::{statistics, system_calls};

/// Figures of one run.
pub(super) type Figures = Vec<(Metric, f64)>;

/// How a workload is run.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) pgbench: PathBuf,
    pub(super) seconds: u32,
    /// An empty directory.
    pub(super) directory: PathBuf,
    /// Where `strace` is missing, or may not attach, this is why; told once.
    pub(super) no_system_calls: Option<String>,
}

impl Bench {
    /// Runs a workload other than the idle one.
    pub(super) fn run(&mut self, cell: Cell, peer: &Running, round: u32) -> Result<Figures> {
        let stop = AtomicBool::new(false);
        let (outcome, readings) = std::thread::scope(|scope| {
            let watching = peer.pid().map(|pid| {
                let stop = &stop;
                scope.spawn(move || usage::watch(pid, stop))
            });
            let outcome = match cell.workload.driver() {
                Driver::Pgbench { arguments, script } => {
                    let length = cell.workload.length(self.seconds);
                    self.pgbench(cell, peer, length).run(arguments, script)
                }
                Driver::Copy(way) => copies(peer.port, cell.clients, self.seconds, way),
                Driver::Idle => Ok(Outcome::default()),
            };
            stop.store(true, Ordering::Relaxed);
            let readings = watching.map(|thread| thread.join().unwrap_or_default());
            (outcome, readings.unwrap_or_default())
        });
        let mut figures = figures(cell, &outcome?, &readings)?;
        if let Some(kib) = peer.pid().and_then(usage::resident_kib) {
            figures.push((Metric::Memory, kib as f64));
        }
        // The number does not vary: one round tells it.
        if round == 0 && cell.workload.counts_system_calls() {
            figures.extend(self.system_calls(cell, peer).map(|calls| (Metric::SystemCalls, calls)));
        }
        Ok(figures)
    }

    fn pgbench(&self, cell: Cell, peer: &Running, length: Length) -> Run<'_> {
        Run {
            program: &self.pgbench,
            port: peer.port,
            clients: cell.clients,
            length,
            directory: &self.directory,
        }
    }

    fn system_calls(&mut self, cell: Cell, peer: &Running) -> Option<f64> {
        let Driver::Pgbench { arguments, script } = cell.workload.driver() else { return None };
        if self.no_system_calls.is_some() {
            return None;
        }
        let run = self.pgbench(cell, peer, Length::Transactions(1));
        match system_calls::count(run, arguments, script, peer.pid()?) {
            Ok(calls) => Some(calls),
            Err(error) => {
                let why = format!("{error:#}");
                eprintln!("system calls are not counted: {why}");
                self.no_system_calls = Some(why);
                None
            }
        }
    }
}

/// What transactions and the processor time beside them say. Only the time in which all clients
/// were at work counts: logins fall out.
fn figures(cell: Cell, outcome: &Outcome, readings: &[Reading]) -> Result<Figures> {
    let transactions = &outcome.transactions;
    let (first, last) =
        transactions.first().zip(transactions.last()).context("nothing was done")?;
    let latencies = statistics::latencies(transactions, cell.workload.connects_each_time());
    let mut figures = vec![(Metric::Failed, outcome.failed as f64)];
    let seconds = last.end_us.saturating_sub(first.end_us) as f64 / 1e6;
    ensure!(seconds > 0.0 && transactions.len() > 1, "one transaction is no measurement");
    figures.push((Metric::Throughput, (transactions.len() - 1) as f64 / seconds));
    let at = |share| statistics::percentile(&latencies, share).map(|us| us as f64);
    figures.extend(at(0.5).map(|us| (Metric::Median, us)));
    figures.extend(at(0.99).map(|us| (Metric::P99, us)));
    let worst = at(1.0).zip(at(0.5)).filter(|(_, middle)| *middle > 0.0);
    figures.extend(worst.map(|(most, middle)| (Metric::WorstByMedian, most / middle)));
    let share = statistics::least_share(transactions, cell.clients);
    figures.extend(share.map(|share| (Metric::LeastShare, share)));
    if let Some((from, until)) = usage::within(readings, first.end_us, last.end_us) {
        let inside = |one: &&Transaction| (from.at_us..until.at_us).contains(&one.end_us);
        let count = transactions.iter().filter(inside).count();
        let ns = until.cpu_ns.saturating_sub(from.cpu_ns) as f64;
        if count > 0 {
            figures.push((Metric::Cpu, ns / 1e3 / count as f64));
        }
    }
    Ok(figures)
}

/// Rows of 1 kB, as COPY's text format has them, in messages as psql sends them: 1 MB in all.
fn copy_data() -> Vec<u8> {
    let row = [&[b'x'; 1023][..], b"\n"].concat();
    let rows = row.repeat(8);
    (0..128).flat_map(|_| message(b'd', &rows)).collect()
}

/// Clients that copy until the time is over, each on a thread and a connection of its own.
fn copies(port: u16, clients: u32, seconds: u32, way: Copying) -> Result<Outcome> {
    let data = copy_data();
    let mut connections = Vec::new();
    for client in 0..clients {
        let mut room = Room::new();
        connections.push((client, Connection::open(port, &mut room)?, room));
    }
    let until = Instant::now() + Duration::from_secs(u64::from(seconds));
    let transactions: Result<Vec<Vec<Transaction>>> = std::thread::scope(|scope| {
        let data = &data;
        let threads: Vec<_> = connections
            .into_iter()
            .map(|(client, mut connection, mut room)| {
                scope.spawn(move || -> Result<Vec<Transaction>> {
                    let mut done = Vec::new();
                    while Instant::now() < until {
                        let start = Instant::now();
                        match way {
                            Copying::Out => connection.query("COPY copied TO STDOUT", &mut room)?,
                            // The server reads the rows and keeps none.
                            Copying::In => {
                                let copy = "COPY copied FROM STDIN WHERE false";
                                connection.copy_in(copy, data, &mut room)?;
                            }
                        }
                        let latency = start.elapsed().as_micros();
                        let latency_us = u64::try_from(latency).unwrap_or(u64::MAX);
                        done.push(Transaction { client, latency_us, end_us: usage::now_us() });
                    }
                    Ok(done)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Ok(Vec::new()))).collect()
    });
    let mut transactions = transactions?.concat();
    transactions.sort_by_key(|one| one.end_us);
    Ok(Outcome { transactions, failed: 0 })
}
