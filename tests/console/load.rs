//! Applications at work, while an admin does something.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinHandle;

use crate::scene::{Scene, until};

/// Clients that run one transaction after the other.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Result<(), tokio_postgres::Error>>>,
}

impl Load {
    /// So many clients, all of them at work.
    pub(crate) async fn of(scene: &Scene, clients: usize) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut load = Self { stop, done, clients: Vec::new() };
        for _ in 0..clients {
            let client = scene.client("load").await;
            let (stop, done) = (Arc::clone(&load.stop), Arc::clone(&load.done));
            load.clients.push(tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    client.batch_execute("BEGIN; SELECT pg_sleep(0.002)").await?;
                    client.query_one("SELECT $1::int4 + 1", &[&1i32]).await?;
                    client.batch_execute("COMMIT").await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }));
        }
        load.until_more(u64::try_from(clients).expect("few")).await;
        load
    }

    /// Transactions done.
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Waits until so many more are done.
    pub(crate) async fn until_more(&self, more: u64) {
        let before = self.done();
        until("transactions are done", async || (self.done() >= before + more).then_some(())).await;
    }

    /// Ends it; what each client has met.
    pub(crate) async fn end(self) -> Vec<Result<(), tokio_postgres::Error>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut ends = Vec::new();
        for client in self.clients {
            ends.push(client.await.expect("no panic"));
        }
        ends
    }

    /// Ends it; none has met an error.
    pub(crate) async fn end_well(self) {
        for end in self.end().await {
            end.expect("no client notices");
        }
    }
}
