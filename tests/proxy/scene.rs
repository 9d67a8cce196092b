//! A database of a test's own and a pgweir in front of it.

use std::collections::HashMap;
use std::net::SocketAddr;

pub(crate) use testkit::frames::only_error as error;
use testkit::{Frame, Proxy, ScriptedClient, TestDatabase};
pub(crate) use testkit::{show, until};
use tokio_postgres::Client;

use crate::way;

/// The program under test.
pub(crate) const PGWEIR: &str = env!("CARGO_BIN_EXE_pgweir");

/// A row of the admin console, by column.
pub(crate) type Row = HashMap<String, String>;

/// A database of a test's own and a pgweir in front of it.
pub(crate) struct Scene {
    pub(crate) proxy: Proxy,
    pub(crate) database: TestDatabase,
}

impl Scene {
    /// pgweir with these arguments, on the server that all tests share.
    pub(crate) async fn open<const N: usize>(arguments: [&str; N]) -> Self {
        let database = way::postgres().await.database().await;
        // Several, however few processors there are: that is where races are.
        let options = way::options().await.arguments(["--set", "worker_threads=2"]);
        let proxy = Proxy::start(PGWEIR, options.arguments(arguments)).await;
        Self { proxy, database }
    }

    /// With this pool size.
    pub(crate) async fn with_pool_of(size: usize) -> Self {
        Self::open(["--default-pool-size", &size.to_string()]).await
    }

    /// With these tables.
    pub(crate) async fn with_schema(self, sql: &str) -> Self {
        self.direct().await.batch_execute(sql).await.unwrap();
        self
    }

    /// A raw client that is logged in.
    pub(crate) async fn client(&self) -> ScriptedClient {
        let mut client = way::connect(self.proxy.address()).await;
        client.startup("postgres", &self.database.name, &[]).await;
        client.login_trust().await;
        client
    }

    /// Several raw clients.
    pub(crate) async fn clients<const N: usize>(&self) -> [ScriptedClient; N] {
        let mut clients = Vec::new();
        for _ in 0..N {
            clients.push(self.client().await);
        }
        clients.try_into().unwrap_or_else(|_| panic!("{N} clients"))
    }

    /// A raw client that is logged in, and the key to cancel what it runs.
    pub(crate) async fn client_with_key(&self) -> (ScriptedClient, CancelKey) {
        let mut client = way::connect(self.proxy.address()).await;
        client.startup("postgres", &self.database.name, &[]).await;
        let (process_id, secret) = backend_key(&client.login_trust().await);
        let address = self.proxy.address();
        (client, CancelKey { address, process_id, secret })
    }

    /// A driver's client.
    pub(crate) async fn driver(&self) -> Client {
        self.proxy.connect("postgres", &self.database.name).await
    }

    /// A client of the admin console.
    pub(crate) async fn console(&self) -> Client {
        self.proxy.connect("postgres", "pgweir").await
    }

    /// A connection past pgweir.
    pub(crate) async fn direct(&self) -> Client {
        self.database.connect().await
    }

    /// The process ids of the pool's server connections, as the server counts them.
    pub(crate) async fn server_connections(&self) -> Vec<i32> {
        server_connections(&self.direct().await).await
    }

    /// Waits until a server connection runs pg_sleep.
    pub(crate) async fn until_sleeping(&self) {
        let direct = self.direct().await;
        let sql = "SELECT FROM pg_stat_activity WHERE datname = current_database()
                   AND state = 'active' AND wait_event = 'PgSleep'";
        until("a server connection sleeps", async || {
            !direct.query(sql, &[]).await.unwrap().is_empty()
        })
        .await;
    }

    /// Why the console says that a client is pinned; clients are known by their port.
    pub(crate) async fn pinned(&self, client: &ScriptedClient) -> String {
        let rows = show(&self.console().await, "SHOW CLIENTS").await;
        let port = client.local_port().to_string();
        let row = rows.iter().find(|row| row["port"] == port);
        row.unwrap_or_else(|| panic!("no client of port {port} in {rows:?}"))["pinned"].clone()
    }
}

/// What it takes to cancel a client's query.
#[derive(Clone, Debug)]
pub(crate) struct CancelKey {
    address: SocketAddr,
    pub(crate) process_id: i32,
    pub(crate) secret: Vec<u8>,
}

impl CancelKey {
    /// Asks for it, and waits until that has been dealt with: the connection is closed then.
    pub(crate) async fn cancel(&self) {
        let mut connection = ScriptedClient::connect(self.address).await;
        connection.send(&testkit::frames::cancel(self.process_id, &self.secret)).await;
        connection.expect_closed().await;
    }
}

/// [`Scene::server_connections`] by a connection that is there already.
pub(crate) async fn server_connections(direct: &Client) -> Vec<i32> {
    let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
               AND pid <> pg_backend_pid() AND application_name <> 'pgweir-catalog'
               AND backend_type = 'client backend' ORDER BY backend_start, pid";
    let rows = direct.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// The most memory that pgweir has used so far, in KiB; `None` where the system does not say.
pub(crate) fn peak_memory_kib(proxy: &Proxy) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The transaction status in the last message, a ReadyForQuery.
pub(crate) fn status(frames: &[Frame]) -> char {
    match frames.last() {
        Some((b'Z', body)) => char::from(body[0]),
        other => panic!("expected ReadyForQuery, got {other:?}"),
    }
}

/// First columns of all rows among these messages.
pub(crate) fn values(frames: &[Frame]) -> Vec<String> {
    let rows = frames.iter().filter(|(kind, _)| *kind == b'D');
    rows.filter_map(|(_, body)| testkit::frames::row_values(body).into_iter().next().flatten())
        .collect()
}

/// The tags of all commands among these messages.
pub(crate) fn tags(frames: &[Frame]) -> Vec<String> {
    let tags = frames.iter().filter(|(kind, _)| *kind == b'C');
    tags.map(|(_, body)| String::from_utf8_lossy(body).trim_end_matches('\0').to_owned()).collect()
}

/// Name and value of each ParameterStatus among these messages.
pub(crate) fn parameters(frames: &[Frame]) -> HashMap<String, String> {
    let reports = frames.iter().filter(|(kind, _)| *kind == b'S');
    reports
        .map(|(_, body)| {
            let text = String::from_utf8_lossy(body);
            let mut parts = text.split('\0').map(str::to_owned);
            (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
        })
        .collect()
}

/// Process id and secret in the BackendKeyData among these messages.
pub(crate) fn backend_key(frames: &[Frame]) -> (i32, Vec<u8>) {
    let (_, body) = frames.iter().find(|(kind, _)| *kind == b'K').expect("BackendKeyData");
    let (id, secret) = body.split_at(4);
    (i32::from_be_bytes(id.try_into().unwrap()), secret.to_vec())
}
