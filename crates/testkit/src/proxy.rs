//! pgweir itself, on a free port.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio_postgres::Client;

use crate::guardian::{Guarded, Guardian};
use crate::{ScriptedClient, TestkitError, scratch};

/// How long pgweir may take to say `ready`.
const PATIENCE: Duration = Duration::from_secs(20);

/// How to run pgweir.
#[derive(Clone, Debug, Default)]
pub struct ProxyOptions {
    /// The upstream's DSN, the first argument.
    pub upstream: Option<String>,
    /// Arguments after those of the kit, e.g. `["--pool-mode", "session"]`.
    pub arguments: Vec<String>,
    /// A configuration file's text (TOML), passed with `-c`.
    pub settings: Option<String>,
    /// Where it listens; none is a free port of 127.0.0.1.
    pub listen: Option<String>,
    /// Environment variables.
    pub environment: Vec<(String, String)>,
}

impl ProxyOptions {
    /// In front of this DSN, with defaults.
    pub fn upstream(url: impl Into<String>) -> Self {
        Self { upstream: Some(url.into()), ..Self::default() }
    }

    /// With these arguments too.
    #[must_use]
    pub fn arguments<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments.extend(arguments.map(str::to_owned));
        self
    }

    /// With this configuration file.
    #[must_use]
    pub fn settings(mut self, toml: impl Into<String>) -> Self {
        self.settings = Some(toml.into());
        self
    }
}

/// A running pgweir. Dropping it kills it; so does the end of the test process.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    guardian: Guardian,
    log: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts the binary (in the tests of the package `pgweir`: `env!("CARGO_BIN_EXE_pgweir")`) and
    /// waits until it says that it is ready.
    pub async fn start(binary: impl AsRef<Path>, options: ProxyOptions) -> Self {
        Self::try_start(binary, options).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`Proxy::start`] for a test that expects a refusal: the error carries the log.
    pub async fn try_start(
        binary: impl AsRef<Path>,
        options: ProxyOptions,
    ) -> Result<Self, TestkitError> {
        let binary = binary.as_ref().to_owned();
        let starting = tokio::task::spawn_blocking(move || launch(&binary, &options)).await;
        starting.unwrap_or_else(|error| panic!("starting pgweir: {error}"))
    }

    /// Where it takes client connections.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.guardian.pid()
    }

    /// A DSN through it; `user` may be `user:password`.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@{}/{database}", self.address)
    }

    /// A driver's connection through it; its task ends with the client.
    pub async fn connect(&self, user: &str, database: &str) -> Client {
        self.try_connect(user, database)
            .await
            .unwrap_or_else(|error| panic!("connecting to {database} as {user}: {error}"))
    }

    /// [`Proxy::connect`] for a login that may be refused.
    pub async fn try_connect(
        &self,
        user: &str,
        database: &str,
    ) -> Result<Client, tokio_postgres::Error> {
        crate::postgres::connect(&self.url(user, database)).await
    }

    /// A raw connection through it, not logged in.
    pub async fn scripted(&self) -> ScriptedClient {
        ScriptedClient::connect(self.address).await
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        lines(&self.log).join("\n")
    }

    /// Sends a signal, named without `SIG`: `HUP` reloads, `TERM` drains.
    pub fn signal(&mut self, signal: &str) {
        self.guardian.signal(signal).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Waits for its end and gives its exit status, as a shell counts it.
    pub async fn wait(self) -> i32 {
        let waiting = tokio::task::spawn_blocking(move || {
            let status = self.guardian.wait();
            status.unwrap_or_else(|error| panic!("{error}; pgweir's log:\n{}", self.log()))
        });
        waiting.await.unwrap_or_else(|error| panic!("waiting for pgweir: {error}"))
    }

    /// SIGTERM, and the exit status.
    pub async fn stop(mut self) -> i32 {
        self.signal("TERM");
        self.wait().await
    }

    /// SIGKILL.
    pub async fn kill(mut self) {
        self.signal("KILL");
        self.wait().await;
    }
}

fn lines(log: &Mutex<Vec<String>>) -> Vec<String> {
    log.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn launch(binary: &Path, options: &ProxyOptions) -> Result<Proxy, TestkitError> {
    let directory = scratch::directory("proxy")?.keep();
    let mut arguments = vec!["run".to_owned()];
    arguments.extend(options.upstream.clone());
    if let Some(settings) = &options.settings {
        let file = directory.join("pgweir.toml");
        fs::write(&file, settings).map_err(TestkitError::io("writing pgweir.toml"))?;
        arguments.extend(["-c".to_owned(), file.display().to_string()]);
    }
    let listen = options.listen.as_deref().unwrap_or("127.0.0.1:0");
    arguments.extend(["--listen".to_owned(), listen.to_owned()]);
    arguments.extend(options.arguments.iter().cloned());
    // What it keeps goes with the test.
    let state = ("XDG_STATE_HOME".to_owned(), directory.display().to_string());
    // Tests run beside each other, and there is one default address.
    let no_http = ("PGWEIR_HTTP".to_owned(), "off".to_owned());
    let environment = [vec![state, no_http], options.environment.clone()].concat();
    let mut guardian = Guardian::start(Guarded {
        program: binary,
        arguments,
        environment,
        directory: &directory,
        identity: None,
        last_signal: "KILL",
        output: Stdio::piped(),
    })?;
    let log = Arc::new(Mutex::new(Vec::new()));
    let (announce, ready) = mpsc::channel();
    if let Some(output) = guardian.take_output() {
        let log = Arc::clone(&log);
        // Ends with the pipe, which ends with the guardian.
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                let ready = ready_address(&line);
                log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                if let Some(address) = ready {
                    // Nobody listens after the first.
                    let _ = announce.send(address);
                }
            }
        });
    }
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        match ready.recv_timeout(Duration::from_millis(20)) {
            Ok(address) => {
                return Ok(Proxy { address, guardian, log });
            }
            Err(_) if guardian.exit_status().is_none() && std::time::Instant::now() < deadline => {}
            Err(_) => break,
        }
    }
    // Ends the pipe, so that the log is whole.
    drop(guardian);
    while ready.recv().is_ok() {}
    Err(TestkitError::NotReady {
        what: "pgweir".into(),
        seconds: PATIENCE.as_secs(),
        log: lines(&log).join("\n"),
    })
}

/// The address in the line that says `ready`: ` listen=ADDRESS` in the log for people, or
/// `"listen":"ADDRESS"` in JSON.
fn ready_address(line: &str) -> Option<SocketAddr> {
    if !line.contains("ready") {
        return None;
    }
    let (_, rest) = line.split_once("listen=").or_else(|| line.split_once("\"listen\":"))?;
    let rest = rest.trim_start_matches('"');
    let end = rest.find(|c: char| c.is_whitespace() || "\",}".contains(c)).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_ready_line_is_found_in_both_formats() {
        let human = "2026-01-01T00:00:00Z  INFO pgweir: ready listen=127.0.0.1:6432 http=none";
        let json = r#"{"level":"INFO","message":"ready","listen":"127.0.0.1:6432","pid":1}"#;
        let expected = "127.0.0.1:6432".parse().ok();
        assert_eq!(ready_address(human), expected);
        assert_eq!(ready_address(json), expected);
        assert_eq!(ready_address("not yet, listen=127.0.0.1:6432"), None);
    }

    /// A script in the place of pgweir.
    fn program(directory: &Path, script: &str) -> std::path::PathBuf {
        let file = directory.join("program");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    #[tokio::test]
    async fn it_starts_with_its_arguments_logs_and_stops() {
        let directory = tempfile::tempdir().unwrap();
        let script = r#"trap 'exit 7' TERM
            echo "ready listen=127.0.0.1:1 arguments $*" >&2
            while :; do sleep 0.01; done"#;
        let options =
            ProxyOptions::upstream("postgres://u@h/d").arguments(["--pool-mode", "session"]);
        let proxy = Proxy::start(program(directory.path(), script), options).await;
        assert_eq!(proxy.address().port(), 1);
        let log = proxy.log.clone();
        assert_eq!(proxy.stop().await, 7);
        let expected = "arguments run postgres://u@h/d --listen 127.0.0.1:0 --pool-mode session";
        assert!(lines(&log).concat().ends_with(expected), "{log:?}");
    }

    #[tokio::test]
    async fn a_refusal_carries_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let program = program(directory.path(), "echo 'pool_mode: nonsense' >&2; exit 2");
        let error = Proxy::try_start(program, ProxyOptions::default()).await.unwrap_err();
        assert!(error.to_string().contains("pool_mode: nonsense"), "{error}");
    }
}
