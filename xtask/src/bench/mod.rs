//! `cargo xtask bench`: pgweir beside others, interleaved in one run, on a server of its own.

mod connection;
mod idle;
mod instructions;
mod measure;
mod options;
mod page;
mod peers;
mod pgbench;
mod pgbouncer;
mod picture;
mod process;
mod results;
mod server;
mod statistics;
mod system_calls;
mod table;
mod usage;
mod workloads;

use std::fs;
use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

pub(crate) use instructions::guard;

use crate::package::PROFILE;
use crate::repository::{cargo, root, target};
use crate::setup;
use crate::step::{output_of, step, succeed};
use measure::{Bench, Figures};
use options::Options;
use peers::{Peer, Place, Programs, Running};
use process::Scratch;
use results::{Cell, Results, Sample};
use server::Server;
use workloads::Workload;

/// Optional: without them there is a peer, or a figure, less.
const PACKAGES: &[&str] = &["haproxy", "strace"];

/// Says that the limit on open files has been raised, or cannot be.
const RAISED: &str = "PGWEIR_BENCH_FILES_RAISED";

/// Measures, prints the table, and writes the page if that is asked for.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if let Some((flag, rest)) = arguments.split_first()
        && flag == "--instructions"
    {
        return instructions::run(rest);
    }
    let options = Options::read(arguments)?;
    let target = target().join("bench");
    fs::create_dir_all(&target).with_context(|| target.display().to_string())?;
    let (results_file, conditions_file) =
        (target.join("results.tsv"), target.join("conditions.md"));
    let mut results = Results::load(&results_file);
    let mut failed = 0;
    if options.rounds > 0 {
        raise_file_limit()?;
        failed = measure(&options, &target, &conditions_file, &mut results, &results_file)?;
    }
    ensure!(!results.is_empty(), "nothing has been measured yet");
    print!("{}", table::markdown(&results));
    if options.write {
        let conditions = fs::read_to_string(&conditions_file).unwrap_or_default();
        page::write(&root(), &results, &conditions)?;
    }
    eprintln!("figures: {}", results_file.display());
    ensure!(failed == 0, "{failed} runs failed; the figures are those of the others");
    Ok(())
}

/// Becomes itself with as many files as one may open: ten thousand connections have two ends each.
fn raise_file_limit() -> Result<()> {
    if std::env::var_os(RAISED).is_some() {
        return Ok(());
    }
    let script = "ulimit -n \"$(ulimit -Hn)\" 2>/dev/null; exec \"$@\"";
    let mut again = Command::new("/bin/sh");
    again
        .args(["-c", script, "sh"])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1));
    Err(again.env(RAISED, "1").exec()).context("starting anew")
}

/// Measures all that is asked for, and saves after each cell. Returns how many runs failed.
fn measure(
    options: &Options,
    target: &Path,
    conditions: &Path,
    results: &mut Results,
    file: &Path,
) -> Result<u32> {
    step("setup", setup::run)?;
    let mut options = options.clone();
    let programs = programs(&mut options, target)?;
    let identity = process::unprivileged()?;
    let scratch = Scratch::new()?;
    let server = Server::start(&scratch, identity)?;
    fs::write(conditions, page::conditions(&options, &programs, &server))?;
    let place =
        Place { scratch: &scratch, programs: &programs, server_port: server.port, identity };
    let bench = Bench {
        pgbench: server.pgbench(),
        seconds: options.seconds,
        directory: scratch.directory("pgbench", None)?,
        no_system_calls: None,
    };
    let cells = cells(&options);
    cells.iter().for_each(|cell| results.forget(*cell));
    let mut session =
        Session { place, server: &server, bench, running: Vec::new(), started: 0, failed: 0 };
    for peer in &options.peers {
        session.start(*peer)?;
    }
    for round in 0..options.rounds {
        eprintln!("── round {} of {}", round + 1, options.rounds);
        for (at, cell) in (0..).zip(&cells) {
            session.cell(*cell, round, at, results);
            results.save(file)?;
        }
    }
    Ok(session.failed)
}

/// The programs of the peers; a peer that cannot be had is left out, and that is told.
fn programs(options: &mut Options, target: &Path) -> Result<Programs> {
    setup::offer_each(PACKAGES.iter().copied());
    let haproxy = ["haproxy", "/usr/sbin/haproxy"]
        .into_iter()
        .find(|name| output_of(name, &["-v"]).is_some());
    if haproxy.is_none() && options.peers.contains(&Peer::Haproxy) {
        eprintln!("haproxy is not installed: going on without it");
        options.peers.retain(|peer| *peer != Peer::Haproxy);
    }
    let pgbouncer = match &options.pgbouncer {
        _ if !options.peers.contains(&Peer::PgBouncer) => PathBuf::new(),
        named => pgbouncer::find(named.as_deref(), target)?,
    };
    let pgweir = match &options.pgweir {
        Some(path) => fs::canonicalize(path).with_context(|| path.display().to_string())?,
        None => build_pgweir()?,
    };
    Ok(Programs { haproxy: haproxy.unwrap_or("haproxy").into(), pgbouncer, pgweir })
}

fn build_pgweir() -> Result<PathBuf> {
    step("build", || succeed(&mut cargo(&["build", "--profile", PROFILE, "--package", "pgweir"])))?;
    Ok(target().join(PROFILE).join("pgweir"))
}

fn cells(options: &Options) -> Vec<Cell> {
    let of = |workload: &Workload| {
        let workload = *workload;
        workload
            .clients(&options.clients)
            .into_iter()
            .map(move |clients| Cell { workload, clients })
    };
    options.only.iter().flat_map(of).collect()
}

/// The peers at work.
struct Session<'a> {
    place: Place<'a>,
    server: &'a Server,
    bench: Bench,
    running: Vec<Running>,
    /// Peers that were started: each gets a directory of its own.
    started: u32,
    failed: u32,
}

impl Session<'_> {
    fn start(&mut self, peer: Peer) -> Result<()> {
        let running = self.launch(peer)?;
        self.running.push(running);
        Ok(())
    }

    fn launch(&mut self, peer: Peer) -> Result<Running> {
        self.started += 1;
        self.place.start(peer, &format!("{}-{}", peer.name(), self.started))
    }

    /// One workload through every peer. Who comes first changes from round to round and from cell to
    /// cell: what drifts, drifts for all.
    fn cell(&mut self, cell: Cell, round: u32, at: u32, results: &mut Results) {
        let peers = self.running.len();
        for turn in 0..peers {
            let index = (turn + round as usize + at as usize) % peers;
            let Some(peer) = self.running.get(index).map(|running| running.peer) else { continue };
            if !cell.workload.concerns(peer) {
                continue;
            }
            progress(cell, peer);
            match self.one(cell, index, round) {
                Ok(figures) => {
                    for (metric, value) in figures {
                        results.add(Sample { cell, peer, round, metric, value });
                    }
                }
                Err(error) => {
                    self.failed += 1;
                    let (workload, clients) = (cell.workload.name(), cell.clients);
                    eprintln!("{workload}, {clients} clients, {}: {error:#}", peer.name());
                }
            }
        }
    }

    fn one(&mut self, cell: Cell, index: usize, round: u32) -> Result<Figures> {
        self.server.settle()?;
        let peer = self.running.get_mut(index).context("no such peer")?;
        if cell.workload == Workload::Idle {
            let peer = peer.peer;
            return idle::run(&self.launch(peer)?, cell.clients);
        }
        // One that has fallen over is the next run's no longer.
        if peer.has_ended() {
            let peer = peer.peer;
            let anew = self.launch(peer)?;
            if let Some(place) = self.running.get_mut(index) {
                *place = anew;
            }
        }
        let peer = self.running.get(index).context("no such peer")?;
        self.bench.run(cell, peer, round)
    }
}

/// What is at work now, where somebody looks.
fn progress(cell: Cell, peer: Peer) {
    if std::io::stderr().is_terminal() {
        eprintln!("   {}, {} clients: {}", cell.workload.name(), cell.clients, peer.name());
    }
}
