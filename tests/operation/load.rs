//! `pgbench` for as long as a test wants it: one run after the other, none of which may fail.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use crate::bench::Bench;
use crate::scene::Scene;

/// Real clients at a time.
const CLIENTS: u32 = 100;
/// Seconds that a run takes. Those of the next one log in anew, with what is set then.
const RUN: u32 = 10;
/// How long it may stand still.
const PATIENCE: Duration = Duration::from_secs(30);

/// A hundred clients at work.
pub(crate) struct Load<'a> {
    scene: &'a Scene,
    address: SocketAddr,
    bench: Option<Bench>,
    /// What the server has counted is asked here.
    direct: Client,
    processed: u64,
}

impl<'a> Load<'a> {
    pub(crate) async fn start(scene: &'a Scene, address: SocketAddr) -> Self {
        let direct = scene.database.connect().await;
        let mut this = Self { scene, address, bench: None, direct, processed: 0 };
        this.begin().await;
        this.go_on(100).await;
        this
    }

    async fn begin(&mut self) {
        let how = (CLIENTS, RUN);
        self.bench = Some(Bench::start(self.scene, self.address, how, ["-M", "prepared"]).await);
    }

    async fn total(&self) -> i64 {
        let sql = "SELECT coalesce(sum(n), 0)::int8 FROM counters";
        self.direct.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Waits until so many more transactions are through. A run that is over by then has failed none,
    /// and another one begins.
    pub(crate) async fn go_on(&mut self, more: i64) {
        let goal = self.total().await + more;
        let deadline = Instant::now() + PATIENCE;
        while self.total().await < goal {
            if self.bench.as_mut().is_none_or(|bench| !bench.is_running()) {
                self.expect_none_failed().await;
                self.begin().await;
            }
            assert!(Instant::now() < deadline, "the load stands still");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn expect_none_failed(&mut self) {
        if let Some(bench) = self.bench.take() {
            self.processed += bench.expect_none_failed(self.scene).await;
        }
    }

    /// Waits for the end of the run, and says how many transactions there were, of which none has
    /// failed.
    pub(crate) async fn end(mut self) -> u64 {
        self.expect_none_failed().await;
        self.processed
    }
}
