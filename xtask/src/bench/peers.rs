//! What stands between pgbench and the server: nothing, or one of those that are compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::process::{Identity, Program, Scratch, free_port};
use super::server::{DATABASE, USER};
use crate::step::output_of;

/// Server connections that a pooler may have.
pub(super) const POOL_SIZE: u32 = 10;
/// Clients that a pooler may have.
const CLIENT_LIMIT: u32 = 20_000;
/// HAProxy insists on two files for each, and is asked for no more than the server takes.
const HAPROXY_CLIENT_LIMIT: u32 = 2_000;

/// One of those that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Peer {
    /// No proxy at all.
    Direct,
    /// Passes bytes on and knows nothing of them: what a proxy costs at least.
    Haproxy,
    PgBouncer,
    /// pgweir with all analysis off that can be off.
    PgweirOff,
    /// pgweir as it comes.
    Pgweir,
    /// pgweir that prepares what clients of the simple protocol send.
    PgweirPrepares,
}

impl Peer {
    pub(super) const ALL: [Self; 6] = [
        Self::Direct,
        Self::Haproxy,
        Self::PgBouncer,
        Self::PgweirOff,
        Self::Pgweir,
        Self::PgweirPrepares,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Haproxy => "haproxy",
            Self::PgBouncer => "pgbouncer",
            Self::PgweirOff => "pgweir-off",
            Self::Pgweir => "pgweir",
            Self::PgweirPrepares => "pgweir-prepares",
        }
    }

    pub(super) fn by_name(name: &str) -> Result<Self> {
        let names = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|one| one.name() == name);
        found.with_context(|| format!("{name} is none of the peers {names}"))
    }

    /// Whether its clients share server connections.
    pub(super) fn pools(self) -> bool {
        !matches!(self, Self::Direct | Self::Haproxy)
    }
}

/// The programs of those peers that are programs.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) haproxy: PathBuf,
    pub(super) pgbouncer: PathBuf,
    pub(super) pgweir: PathBuf,
}

impl Programs {
    /// What a peer says that it is.
    pub(super) fn version(&self, peer: Peer) -> String {
        let (program, flag) = match peer {
            Peer::Direct => return "no proxy".to_owned(),
            Peer::Haproxy => (&self.haproxy, "-v"),
            Peer::PgBouncer => (&self.pgbouncer, "--version"),
            Peer::PgweirOff | Peer::Pgweir | Peer::PgweirPrepares => (&self.pgweir, "--version"),
        };
        let said = output_of(program, &[flag]).unwrap_or_default();
        said.lines().next().unwrap_or_default().to_owned()
    }
}

/// A peer that takes connections.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) peer: Peer,
    pub(super) port: u16,
    program: Option<Program>,
}

/// Where peers are started.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) scratch: &'a Scratch,
    pub(super) programs: &'a Programs,
    pub(super) server_port: u16,
    pub(super) identity: Option<Identity>,
}

impl Place<'_> {
    /// Starts a peer, in a directory of its own called `name`.
    pub(super) fn start(&self, peer: Peer, name: &str) -> Result<Running> {
        if peer == Peer::Direct {
            return Ok(Running { peer, port: self.server_port, program: None });
        }
        let directory = self.scratch.directory(name, self.identity)?;
        let port = free_port()?;
        let command = match peer {
            Peer::Direct | Peer::Haproxy => self.haproxy(&directory, port)?,
            Peer::PgBouncer => self.pgbouncer(&directory, port)?,
            Peer::PgweirOff => self.pgweir(&directory, port, ANALYSIS_OFF)?,
            Peer::Pgweir => self.pgweir(&directory, port, "")?,
            Peer::PgweirPrepares => self.pgweir(&directory, port, PREPARES)?,
        };
        let identity = (peer == Peer::PgBouncer).then_some(self.identity).flatten();
        let mut program = Program::start(&command, identity, "KILL", directory.join("output"))?;
        program.wait_for(port)?;
        Ok(Running { peer, port, program: Some(program) })
    }

    fn haproxy(&self, directory: &Path, port: u16) -> Result<Command> {
        let path = directory.join("haproxy.cfg");
        fs::write(&path, haproxy_config(port, self.server_port))?;
        let mut command = Command::new(&self.programs.haproxy);
        command.arg("-db").arg("-f").arg(path);
        Ok(command)
    }

    fn pgbouncer(&self, directory: &Path, port: u16) -> Result<Command> {
        // The user it runs as cannot look into everybody's folders.
        let program = directory.join("pgbouncer");
        if self.programs.pgbouncer.components().count() > 1 {
            fs::copy(&self.programs.pgbouncer, &program)?;
        }
        let users = directory.join("users");
        fs::write(&users, format!("\"{USER}\" \"\"\n"))?;
        let path = directory.join("pgbouncer.ini");
        fs::write(&path, pgbouncer_config(port, self.server_port, &users))?;
        let copied = if program.is_file() { &program } else { &self.programs.pgbouncer };
        let mut command = Command::new(copied);
        command.arg("--quiet").arg(path);
        Ok(command)
    }

    fn pgweir(&self, directory: &Path, port: u16, further: &str) -> Result<Command> {
        let path = directory.join("pgweir.toml");
        fs::write(&path, pgweir_config(port, self.server_port, directory, further))?;
        let mut command = Command::new(&self.programs.pgweir);
        command.arg("run").arg("-c").arg(path);
        Ok(command)
    }
}

impl Running {
    /// Its process, if it is one.
    pub(super) fn pid(&self) -> Option<u32> {
        self.program.as_ref().map(|program| program.pid)
    }

    /// Whether it has ended by itself, which no peer should.
    pub(super) fn has_ended(&mut self) -> bool {
        self.program.as_mut().is_some_and(Program::has_ended)
    }
}

fn haproxy_config(port: u16, server_port: u16) -> String {
    format!(
        "global\n  maxconn {HAPROXY_CLIENT_LIMIT}\n\
         defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n\
         listen postgresql\n  bind 127.0.0.1:{port}\n  server postgresql 127.0.0.1:{server_port}\n"
    )
}

fn pgbouncer_config(port: u16, server_port: u16, users: &Path) -> String {
    format!(
        "[databases]\n\
         {DATABASE} = host=127.0.0.1 port={server_port}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\nlisten_port = {port}\nlisten_backlog = 4096\n\
         unix_socket_dir =\n\
         auth_type = trust\nauth_file = {}\n\
         pool_mode = transaction\ndefault_pool_size = {POOL_SIZE}\n\
         max_client_conn = {CLIENT_LIMIT}\nmax_prepared_statements = 200\n\
         server_tls_sslmode = disable\n\
         log_connections = 0\nlog_disconnections = 0\nlog_stats = 0\n",
        users.display()
    )
}

/// What of the analysis can be off. Statements are read all the same: what they do decides whether
/// their client keeps its server connection.
const ANALYSIS_OFF: &str = "analyse = false\nstatistics = false\n";
const PREPARES: &str = "prepare_simple_queries = true\n";

fn pgweir_config(port: u16, server_port: u16, directory: &Path, further: &str) -> String {
    format!(
        "listen = \"127.0.0.1:{port}\"\n\
         http = \"off\"\n\
         upstream = \"postgres://{USER}@127.0.0.1:{server_port}/{DATABASE}\"\n\
         auth_type = \"trust\"\n\
         pool_mode = \"transaction\"\n\
         default_pool_size = {POOL_SIZE}\n\
         max_client_conn = {CLIENT_LIMIT}\n\
         max_prepared_statements = 200\n\
         server_tls_sslmode = \"disable\"\n\
         data_dir = \"{}\"\n\
         log_level = \"warn\"\n\
         {further}",
        directory.join("data").display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for peer in Peer::ALL {
            assert_eq!(Peer::by_name(peer.name()).unwrap(), peer);
        }
    }

    #[test]
    fn both_poolers_are_told_the_same() {
        let ini = pgbouncer_config(1, 2, Path::new("/u"));
        let toml: toml::Table = pgweir_config(1, 2, Path::new("/d"), ANALYSIS_OFF).parse().unwrap();
        for name in ["default_pool_size", "max_client_conn", "max_prepared_statements"] {
            assert!(ini.contains(&format!("\n{name} = {}\n", toml[name])), "{name}");
        }
        assert!(ini.contains("\npool_mode = transaction\n"));
        assert_eq!(toml["pool_mode"].as_str(), Some("transaction"));
        assert_eq!(toml["analyse"].as_bool(), Some(false));
    }
}
