//! A pgweir before a database of its own, with an address for HTTP, and a client for that.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use testkit::{Postgres, Proxy, ProxyOptions, TestDatabase};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::Client;

use crate::openmetrics::{self, Served};

pub(crate) const PGWEIR: &str = env!("CARGO_BIN_EXE_pgweir");
/// How long anything may take to be seen. A scrape is good for a second.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Scene {
    pub(crate) database: TestDatabase,
    pub(crate) proxy: Proxy,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Scene {
    /// With these settings besides.
    pub(crate) async fn with(settings: &str) -> Self {
        Self::with_environment(settings, &[]).await
    }

    /// And with these variables.
    pub(crate) async fn with_environment(settings: &str, variables: &[(&str, &str)]) -> Self {
        let postgres = Postgres::shared().await;
        let database = postgres.database().await;
        let options = ProxyOptions::upstream(postgres.url("postgres", "postgres"))
            .settings(settings)
            .arguments(["--http", "127.0.0.1:0", "--default-pool-size", "5"]);
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let options = ProxyOptions { environment: variables.collect(), ..options };
        Self { proxy: Proxy::start(PGWEIR, options).await, database }
    }

    /// A driver's connection through the proxy.
    pub(crate) async fn client(&self) -> Client {
        self.proxy.connect("postgres", &self.database.name).await
    }

    /// Where HTTP is served.
    pub(crate) fn http(&self) -> SocketAddr {
        http_address(&self.proxy.log())
    }

    pub(crate) async fn get(&self, path: &str, headers: &str) -> Answer {
        get(self.http(), path, headers).await
    }

    /// The metrics, checked for being OpenMetrics.
    pub(crate) async fn scrape(&self) -> Served {
        let answer = self.get("/metrics", "Accept: application/openmetrics-text\r\n").await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        openmetrics::read(&answer.body)
    }

    /// Scrapes until it satisfies `wanted`, which gives what it found.
    pub(crate) async fn until<T>(&self, what: &str, wanted: impl Fn(&Served) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let served = self.scrape().await;
            if let Some(found) = wanted(&served) {
                return found;
            }
            assert!(Instant::now() < deadline, "no {what} in {served:#?}\n{}", self.proxy.log());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// The address in the line that says `ready`.
pub(crate) fn http_address(log: &str) -> SocketAddr {
    let (_, rest) = log.split_once(" http=").expect("the log names the address");
    let address: String = rest.chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
    address.parse().unwrap_or_else(|_| panic!("{address} is an address"))
}

/// `GET`, with these header lines besides.
pub(crate) async fn get(address: SocketAddr, path: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("HTTP is served");
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: pgweir\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer { status: status.expect("a status"), head: head.to_lowercase(), body: body.to_owned() }
}
