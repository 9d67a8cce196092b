//! pgweir under a service manager: sockets that it is given, and what it says of itself. The test plays
//! the manager, by the book: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3).

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::Stdio;
use std::time::Duration;

use testkit::ScriptedClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixDatagram};
use tokio::process::{Child, Command};

use crate::scene::{PGWEIR, Scene};

/// How long the manager waits for a word.
const PATIENCE: Duration = Duration::from_secs(30);
/// Up to three sockets come in the place of the standard streams, and go on as 3, 4 and 5.
const LAUNCH: &str = r#"exec 3<&0 4<&1 5<&2 0</dev/null 1>"$LOG" 2>&1; LISTEN_PID=$$ exec "$@""#;

/// The manager and its service.
struct Manager {
    scene: Scene,
    notices: UnixDatagram,
}

impl Manager {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let notices = UnixDatagram::bind(scene.folder.path().join("notify")).unwrap();
        Self { scene, notices }
    }

    /// Starts pgweir with sockets and their names.
    fn start(&self, sockets: [(OwnedFd, &str); 3], more: &[&str]) -> Child {
        let folder = self.scene.folder.path();
        let names = sockets.each_ref().map(|(_, name)| *name).join(":");
        let [stdin, stdout, stderr] = sockets.map(|(socket, _)| Stdio::from(socket));
        Command::new("/bin/sh")
            .args(["-c", LAUNCH, "manager", PGWEIR, "run"])
            .arg(self.scene.postgres.url("postgres", "postgres"))
            .args(["--set", "analyse=false", "--listen", "127.0.0.1:1", "--data-dir"])
            .arg(folder.join("state"))
            .args(more)
            .env("LISTEN_FDS", "3")
            .env("LISTEN_FDNAMES", names)
            .env("NOTIFY_SOCKET", folder.join("notify"))
            .env("WATCHDOG_USEC", "200000")
            .env("LOG", folder.join("log"))
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Waits for a notice that has such a line, and gives all of it.
    async fn expect(&self, line: &str) -> String {
        let waiting = async {
            loop {
                let mut bytes = [0; 4096];
                let length = self.notices.recv(&mut bytes).await.unwrap();
                let notice = String::from_utf8_lossy(&bytes[..length]).into_owned();
                if notice.lines().any(|found| found.starts_with(line)) {
                    return notice;
                }
            }
        };
        let said = tokio::time::timeout(PATIENCE, waiting).await;
        said.unwrap_or_else(|_| panic!("no {line}; the log:\n{}", self.log()))
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.scene.folder.path().join("log"));
        log.unwrap_or_default()
    }

    fn signal(&self, child: &Child, signal: &str) {
        let pid = child.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
    }
}

/// Sockets as the manager makes them, and where they are.
struct Sockets {
    tcp: TcpListener,
    unix: UnixListener,
    http: TcpListener,
}

impl Sockets {
    fn new(manager: &Manager) -> Self {
        let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
        let unix = UnixListener::bind(manager.scene.folder.path().join(".s.PGSQL.1")).unwrap();
        Self { tcp: bind(), unix, http: bind() }
    }

    fn passed(&self) -> [(OwnedFd, &'static str); 3] {
        [
            (self.tcp.try_clone().unwrap().into(), "pgweir.socket"),
            (self.unix.try_clone().unwrap().into(), "pgweir.socket"),
            (self.http.try_clone().unwrap().into(), "http"),
        ]
    }

    fn address(&self) -> SocketAddr {
        self.tcp.local_addr().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_on_the_sockets_it_is_given_and_says_what_it_does() {
    let manager = Manager::new().await;
    let sockets = Sockets::new(&manager);
    // It came before there was anybody.
    let waiting = TcpStream::connect(sockets.address()).await.unwrap();
    let mut child = manager.start(sockets.passed(), &[]);
    let ready = manager.expect("READY=1").await;
    assert!(ready.contains(&format!("STATUS=listen={}", sockets.address())), "{ready}");
    drop(waiting);
    let name = &manager.scene.database.name;
    let mut client = ScriptedClient::login(sockets.address(), "postgres", name).await;
    assert_eq!(client.value("SELECT 1").await, "1");
    let path = manager.scene.folder.path().join(".s.PGSQL.1");
    let mut local = ScriptedClient::connect_unix(&path).await;
    local.startup("postgres", name, &[]).await;
    local.login_trust().await;
    assert_eq!(local.value("SELECT 2").await, "2");
    let mut http = TcpStream::connect(sockets.http.local_addr().unwrap()).await.unwrap();
    http.write_all(b"GET /ready HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    http.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");

    for _ in 0..3 {
        manager.expect("WATCHDOG=1").await;
    }
    manager.signal(&child, "HUP");
    let reloading = manager.expect("RELOADING=1").await;
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    manager.expect("READY=1").await;
    manager.signal(&child, "TERM");
    manager.expect("STOPPING=1").await;
    assert!(child.wait().await.unwrap().success(), "{}", manager.log());
    assert!(path.exists(), "it is the manager's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_takeover_makes_the_successor_the_main_process() {
    let manager = Manager::new().await;
    let sockets = Sockets::new(&manager);
    let mut child = manager.start(sockets.passed(), &[]);
    manager.expect("READY=1").await;
    let name = &manager.scene.database.name;
    let mut client = ScriptedClient::login(sockets.address(), "postgres", name).await;
    let folder = manager.scene.folder.path().join("state");
    let output = Command::new(PGWEIR)
        .args(["takeover", "--data-dir", folder.to_str().unwrap()])
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        manager.log()
    );
    let told = manager.expect("MAINPID=").await;
    let pid: u32 =
        told.lines().find_map(|line| line.strip_prefix("MAINPID=")).unwrap().parse().unwrap();
    assert!(child.wait().await.unwrap().success());
    assert_eq!(client.value("SELECT 1").await, "1");
    // The successor's, now that nobody else is there; it has the sockets, and the watchdog's clock.
    while manager.notices.try_recv(&mut [0; 4096]).is_ok() {}
    manager.expect("WATCHDOG=1").await;
    let mut new = ScriptedClient::login(sockets.address(), "postgres", name).await;
    assert_eq!(new.value("SELECT 2").await, "2");
    let kill = |signal| {
        std::process::Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap()
    };
    assert!(kill("TERM").success());
    manager.expect("STOPPING=1").await;
    crate::scene::until("it has ended", async || !kill("0").success()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_hangs_is_silent() {
    let manager = Manager::new().await;
    let sockets = Sockets::new(&manager);
    let child = manager.start(sockets.passed(), &[]);
    manager.expect("WATCHDOG=1").await;
    manager.signal(&child, "STOP");
    while manager.notices.try_recv(&mut [0; 4096]).is_ok() {}
    let mut notice = [0; 4096];
    let silence = manager.notices.recv(&mut notice);
    let heard = tokio::time::timeout(Duration::from_secs(1), silence).await;
    assert!(heard.is_err(), "it pings while it does nothing");
    manager.signal(&child, "CONT");
    manager.expect("WATCHDOG=1").await;
}
