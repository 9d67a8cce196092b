//! `pgweir run`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::settings::{Origin, Problem, Resolved, SettingsError, Written};

/// The file that is read if none is named.
const DEFAULT_FILE: &str = "pgweir.toml";

/// What `pgweir run` takes. Values are kept as typed; settings are checked in one place, whatever
/// source they come from.
#[derive(Args, Clone, Default)]
#[command(after_help = "\
Every setting can be given in pgweir.toml, as PGWEIR_NAME in the environment, or as a flag; the \
later wins. `pgweir settings` lists them. Arguments can be read by other users of this machine: give \
a URL that holds a password as PGWEIR_UPSTREAM or in the file.

Examples:
  pgweir run postgres://app:secret@db.internal/shop
  pgweir run -c /etc/pgweir.toml --listen 0.0.0.0:6432
  pgweir run -c /etc/pgbouncer/pgbouncer.ini
  PGWEIR_UPSTREAM=postgres://app:secret@db.internal pgweir run --default-pool-size 40
  pgweir run -c pgweir.toml --set server_lifetime=30m --set admin_users=ada,grace")]
pub struct RunArguments {
    /// The server. With one URL, clients may ask for any database on it; with several, each is the
    /// way to the database that it names.
    #[arg(value_name = "DATABASE_URL")]
    pub urls: Vec<String>,

    /// The configuration file: TOML, or PgBouncer's pgbouncer.ini as it is [default: pgweir.toml, if
    /// there is one].
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Take over from the running pgweir with the same data_dir: its listening sockets, its clients, its
    /// history. If there is none, start as usual.
    #[arg(short = 'R', long)]
    pub takeover: bool,

    /// Where clients connect [default: 127.0.0.1:6432].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,

    /// Where metrics and health are served; off serves nothing [default: 127.0.0.1:6433].
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub http: Option<String>,

    /// Where history is kept [default: the platform's state folder].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<String>,

    /// When a server connection goes back to its pool: transaction, session, statement,
    /// transaction_strict [default: transaction].
    #[arg(long, value_name = "MODE")]
    pub pool_mode: Option<String>,

    /// Server connections for each database and user [default: 20].
    #[arg(long, value_name = "N")]
    pub default_pool_size: Option<String>,

    /// Client connections in all [default: 10000].
    #[arg(long, value_name = "N")]
    pub max_client_conn: Option<String>,

    /// How long a client may wait for a server connection [default: 120s].
    #[arg(long, value_name = "DURATION")]
    pub query_wait_timeout: Option<String>,

    /// How clients prove who they are: scram-sha-256, md5, plain, cert, hba, trust, any [default:
    /// scram-sha-256 if any user has a password].
    #[arg(long, value_name = "TYPE")]
    pub auth_type: Option<String>,

    /// Who may use the admin console, with commas between [default: the URL's user].
    #[arg(long, value_name = "NAMES")]
    pub admin_users: Option<String>,

    /// Worker threads [default: one for two processors].
    #[arg(long, value_name = "N")]
    pub worker_threads: Option<String>,

    /// How long SIGTERM waits for transactions to end [default: 60s].
    #[arg(long, value_name = "DURATION")]
    pub shutdown_timeout: Option<String>,

    /// What a log line looks like: human, json [default: human].
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,

    /// The least urgent log lines that are written: error, warn, info, debug, trace [default: info].
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,

    /// Any setting by its name; may be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
}

impl RunArguments {
    /// Reads file, environment and flags. Called again for a reload.
    ///
    /// # Errors
    /// Every problem, in whatever source.
    pub fn settings(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Resolved, SettingsError> {
        self.written(environment)?.resolve()
    }

    /// What file, environment and flags say, unchecked.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn written(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Written, SettingsError> {
        let environment: Vec<_> = environment.into_iter().collect();
        let mut written = Written::default();
        if let Some((file, named_by)) = self.file(&environment) {
            match std::fs::read_to_string(&file) {
                Ok(contents) => written.add_file(&file, &contents),
                Err(error) => {
                    let unnamed = named_by == Origin::Whole;
                    if !unnamed || error.kind() != std::io::ErrorKind::NotFound {
                        let why = format!("cannot be read: {error}");
                        return Err(file_problem(named_by, &file, &why));
                    }
                }
            }
        }
        written.add_environment(environment);
        self.add_flags(&mut written);
        Ok(written)
    }

    /// The file that is read; none where none is named and there is none in the working directory.
    pub fn file_read(
        &self,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Option<PathBuf> {
        let environment: Vec<_> = environment.into_iter().collect();
        self.file(&environment).map(|(file, _)| file).filter(|file| file.exists())
    }

    /// The file to read, and what named it; `Origin::Whole` if nothing did.
    fn file(&self, environment: &[(OsString, OsString)]) -> Option<(PathBuf, Origin)> {
        if let Some(file) = &self.config {
            return Some((file.clone(), Origin::Flag("--config".to_owned())));
        }
        let variable = environment.iter().find(|(name, _)| name == "PGWEIR_CONFIG");
        match variable {
            Some((_, file)) if file.is_empty() => None,
            Some((name, file)) => {
                let name = name.to_string_lossy().into_owned();
                Some((PathBuf::from(file), Origin::Variable(name)))
            }
            None => Some((PathBuf::from(DEFAULT_FILE), Origin::Whole)),
        }
    }

    fn add_flags(&self, written: &mut Written) {
        for pair in &self.set {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            written.add_flag("--set", name.trim(), value.trim());
        }
        let flags = [
            ("--listen", "listen", &self.listen),
            ("--http", "http", &self.http),
            ("--data-dir", "data_dir", &self.data_dir),
            ("--pool-mode", "pool_mode", &self.pool_mode),
            ("--default-pool-size", "default_pool_size", &self.default_pool_size),
            ("--max-client-conn", "max_client_conn", &self.max_client_conn),
            ("--query-wait-timeout", "query_wait_timeout", &self.query_wait_timeout),
            ("--auth-type", "auth_type", &self.auth_type),
            ("--admin-users", "admin_users", &self.admin_users),
            ("--worker-threads", "worker_threads", &self.worker_threads),
            ("--shutdown-timeout", "shutdown_timeout", &self.shutdown_timeout),
            ("--log-format", "log_format", &self.log_format),
            ("--log-level", "log_level", &self.log_level),
        ];
        for (flag, name, value) in flags {
            if let Some(value) = value {
                written.add_flag(flag, name, value.as_str());
            }
        }
        written.add_urls(&self.urls);
    }
}

fn file_problem(origin: Origin, file: &Path, why: &str) -> SettingsError {
    let message = format!("{} {why}", file.display());
    SettingsError { problems: vec![Problem { origin, key: String::new(), message }] }
}
