//! The PostgreSQL that all peers share: a throwaway cluster without passwords.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::process::{Identity, Program, Scratch, free_port, last_lines};

/// The database, and the user.
pub(super) const DATABASE: &str = "bench";
pub(super) const USER: &str = "bench";

/// Rows of pgbench's branches: more than the pool has connections, so that TPC-B's updates do not
/// only wait for each other.
const SCALE: &str = "20";

/// What the workloads use beside pgbench's own tables. The row is stored as it is: it is sent, not
/// unpacked.
const TABLES: &str = "\
CREATE TABLE wide (body text);
ALTER TABLE wide ALTER body SET STORAGE EXTERNAL;
INSERT INTO wide SELECT string_agg(md5(i::text), '') FROM generate_series(1, 32768) i;
CREATE TABLE copied (body text);
ALTER TABLE copied ALTER body SET STORAGE EXTERNAL;
INSERT INTO copied SELECT repeat(md5(i::text), 32) FROM generate_series(1, 1024) i;
VACUUM ANALYZE;
";

/// A running cluster.
#[derive(Debug)]
pub(super) struct Server {
    /// Dropped with it, which ends the server.
    _program: Program,
    pub(super) programs: PathBuf,
    pub(super) port: u16,
}

impl Server {
    /// Makes a cluster, starts it and fills it.
    pub(super) fn start(scratch: &Scratch, identity: Option<Identity>) -> Result<Self> {
        let programs = crate::setup::server_programs().context("PostgreSQL is not installed")?;
        let directory = scratch.directory("postgres", identity)?;
        let data = directory.join("data");
        let mut initdb = Command::new(programs.join("initdb"));
        initdb
            .args(["--username", USER, "--auth=trust", "--encoding=UTF8", "--locale=C"])
            .args(["--no-sync", "--pgdata"])
            .arg(&data)
            .current_dir(&directory);
        if let Some((user, group)) = identity {
            initdb.uid(user).gid(group);
        }
        quietly(&mut initdb)?;
        let port = free_port()?;
        let mut postgres = Command::new(programs.join("postgres"));
        postgres.arg("-D").arg(&data);
        for setting in settings(&directory, port) {
            postgres.args(["-c", &setting]);
        }
        let log = directory.join("server.log");
        fs::write(&log, "")?;
        let mut program = Program::start(&postgres, identity, "QUIT", log)?;
        let status = data.join("postmaster.pid");
        program
            .wait_until(|| takes_connections(&fs::read_to_string(&status).unwrap_or_default()))?;
        let server = Self { _program: program, programs, port };
        server.fill()?;
        Ok(server)
    }

    fn fill(&self) -> Result<()> {
        quietly(
            self.client("psql", "postgres").args(["-c", &format!("CREATE DATABASE {DATABASE}")]),
        )?;
        quietly(self.client("pgbench", DATABASE).args([
            "--initialize",
            "--quiet",
            "--scale",
            SCALE,
        ]))?;
        let mut psql = self.client("psql", DATABASE);
        for statement in TABLES.lines() {
            psql.args(["-c", statement]);
        }
        quietly(&mut psql)
    }

    /// A client program, pointed at the server itself.
    fn client(&self, program: &str, database: &str) -> Command {
        let mut command = Command::new(client_program(&self.programs, program));
        command.args(["-h", "127.0.0.1", "-U", USER, "-p", &self.port.to_string()]);
        if program == "psql" {
            command.args(["--quiet", "--no-psqlrc", "-v", "ON_ERROR_STOP=1"]);
        }
        command.env("PGDATABASE", database);
        command
    }

    /// What the last workload has left to do is done before the next one; TPC-B's rows are as few
    /// as they were.
    pub(super) fn settle(&self) -> Result<()> {
        let mut psql = self.client("psql", DATABASE);
        for table in ["branches", "tellers"] {
            psql.args(["-c", &format!("VACUUM pgbench_{table}")]);
        }
        quietly(psql.args(["-c", "TRUNCATE pgbench_history", "-c", "CHECKPOINT"]))
    }

    /// `pgbench`, without arguments.
    pub(super) fn pgbench(&self) -> PathBuf {
        client_program(&self.programs, "pgbench")
    }

    /// What the server says that it is.
    pub(super) fn version(&self) -> String {
        crate::step::output_of(self.programs.join("postgres"), &["--version"]).unwrap_or_default()
    }
}

/// The eighth line of `postmaster.pid` is the server's status, as `pg_ctl` reads it.
fn takes_connections(status: &str) -> bool {
    status.lines().nth(7).is_some_and(|line| line.trim() == "ready")
}

/// Clients of peers that do not pool need a server connection each. Nothing is synced: the disk is
/// not what is measured.
fn settings(directory: &Path, port: u16) -> Vec<String> {
    vec![
        format!("port={port}"),
        format!("unix_socket_directories={}", directory.display()),
        "listen_addresses=127.0.0.1".into(),
        "max_connections=2300".into(),
        "shared_buffers=512MB".into(),
        "fsync=off".into(),
        "synchronous_commit=off".into(),
        "full_page_writes=off".into(),
        "max_wal_size=4GB".into(),
        "autovacuum=off".into(),
    ]
}

/// Beside the server, or on the PATH.
fn client_program(programs: &Path, name: &str) -> PathBuf {
    let beside = programs.join(name);
    if beside.is_file() { beside } else { name.into() }
}

/// Runs a command whose output nobody needs while it succeeds.
pub(super) fn quietly(command: &mut Command) -> Result<()> {
    let shown = crate::step::shown(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| shown.clone())?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{shown}: {}", last_lines(&told));
    Ok(())
}
