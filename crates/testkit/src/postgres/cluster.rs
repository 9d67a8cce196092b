//! A server's files on disk, and how it is started on them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::programs::ServerPrograms;
use super::{PostgresOptions, template};
use crate::TestkitError;
use crate::guardian::{Guarded, Guardian};
use crate::scratch;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);
/// Another process may take the free port between our look and the server's bind.
const PORT_ATTEMPTS: usize = 5;

/// A data directory and what it takes to run a server on it.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) programs: ServerPrograms,
    pub(super) directory: PathBuf,
    pub(super) port: u16,
    identity: Option<(u32, u32)>,
    options: PostgresOptions,
}

impl Cluster {
    /// Makes a cluster on a free port and starts it: a new one, or a standby of the server on the port
    /// `of`. From then on its guardian removes its
    /// directory, even if this process is killed.
    pub(super) fn create(
        options: PostgresOptions,
        files: &[(String, String)],
        of: Option<u16>,
    ) -> Result<(Self, Guardian), TestkitError> {
        let programs = ServerPrograms::find()?;
        let directory = scratch::directory("postgres")?;
        let identity = match of {
            None => template::copy_into(directory.path(), &programs)?,
            Some(port) => template::base_backup_into(directory.path(), &programs, port)?,
        };
        let path = directory.path().to_owned();
        let mut cluster = Self { programs, directory: path, port: 0, identity, options };
        for (name, text) in files {
            cluster.write_file(name, text)?;
        }
        let mut attempt = 1;
        loop {
            cluster.port = free_port()?;
            match cluster.launch() {
                Ok(guardian) => {
                    let _kept = directory.keep();
                    return Ok((cluster, guardian));
                }
                Err(_) if attempt < PORT_ATTEMPTS && cluster.port_was_taken() => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Starts the server on its port and waits until it takes connections.
    pub(super) fn launch(&self) -> Result<Guardian, TestkitError> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path());
        let log = log.map_err(TestkitError::io("opening the server's log"))?;
        let mut arguments = vec!["-D".to_owned(), self.data_directory().display().to_string()];
        let own = [
            ("port".to_owned(), self.port.to_string()),
            ("unix_socket_directories".to_owned(), self.directory.display().to_string()),
        ];
        for (name, value) in own.iter().chain(&self.options.settings) {
            arguments.extend(["-c".to_owned(), format!("{name}={value}")]);
        }
        let guardian = Guardian::start(Guarded {
            program: &self.programs.program("postgres")?,
            arguments,
            environment: Vec::new(),
            directory: &self.directory,
            identity: self.identity,
            last_signal: "QUIT",
            output: Stdio::from(log),
        })?;
        let deadline = Instant::now() + PATIENCE;
        while !self.takes_connections(guardian.pid()) {
            let ended = guardian.exit_status().is_some();
            if ended || Instant::now() > deadline {
                let log = self.log();
                if ended {
                    guardian.keep_directory()?;
                }
                let seconds = PATIENCE.as_secs();
                return Err(TestkitError::NotReady { what: "PostgreSQL".into(), seconds, log });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(guardian)
    }

    /// `postmaster.pid`: the first line is the process, the eighth its status (`pg_ctl` reads them
    /// so, since PostgreSQL 10).
    fn takes_connections(&self, pid: u32) -> bool {
        let file = fs::read_to_string(self.data_directory().join("postmaster.pid"));
        let file = file.unwrap_or_default();
        let mut lines = file.lines();
        lines.next().is_some_and(|line| line.trim() == pid.to_string())
            && lines.nth(6).is_some_and(|line| line.trim() == "ready")
    }

    /// Writes a file of the data directory, as the server's own: it takes no key that others may
    /// read.
    pub(super) fn write_file(&self, name: &str, text: &str) -> Result<(), TestkitError> {
        let path = self.data_directory().join(name);
        let write = || {
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            match self.identity {
                Some((user, group)) => chown(&path, Some(user), Some(group)),
                None => Ok(()),
            }
        };
        write().map_err(TestkitError::io(name))
    }

    fn port_was_taken(&self) -> bool {
        self.log().contains("Address already in use")
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    fn data_directory(&self) -> PathBuf {
        self.directory.join("data")
    }
}

fn free_port() -> Result<u16, TestkitError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(TestkitError::io("finding a free port"))
}
