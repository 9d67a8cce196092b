//! Clients that write all the time and keep a list of what was acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use testkit::Proxy;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// How a writer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One statement, simple protocol.
    Simple,
    /// One statement that was prepared when it came, and is never prepared again.
    Prepared,
    /// BEGIN, two statements, COMMIT.
    Block,
}

/// What a writer has to tell.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) writer: i32,
    /// What was acknowledged, and when.
    pub(crate) acknowledged: Vec<(i64, Instant)>,
    /// SQLSTATEs of what failed.
    pub(crate) failed: Vec<String>,
    /// How often it had to connect again.
    pub(crate) reconnects: u32,
}

/// Writers at work.
pub(crate) struct Writers {
    over: Arc<AtomicBool>,
    counts: Vec<Arc<AtomicU64>>,
    tasks: Vec<JoinHandle<Record>>,
}

impl Writers {
    /// Starts one for each of these, all on the table `written`.
    pub(crate) async fn start(proxy: &Proxy, database: &str, kinds: &[Kind]) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (mut counts, mut tasks) = (Vec::new(), Vec::new());
        for (number, kind) in kinds.iter().enumerate() {
            let count = Arc::new(AtomicU64::new(0));
            let record = Record {
                kind: *kind,
                writer: i32::try_from(number).unwrap(),
                acknowledged: Vec::new(),
                failed: Vec::new(),
                reconnects: 0,
            };
            let url = proxy.url("postgres", database);
            let writer = Writer { url, count: Arc::clone(&count), over: Arc::clone(&over), record };
            counts.push(count);
            tasks.push(tokio::spawn(writer.run()));
        }
        Self { over, counts, tasks }
    }

    /// How many writes each has had acknowledged.
    pub(crate) fn counts(&self) -> Vec<u64> {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// Whether each has had so many more acknowledged since.
    pub(crate) fn have_done(&self, since: &[u64], more: u64) -> bool {
        self.counts().iter().zip(since).all(|(count, since)| *count >= since + more)
    }

    /// What each has to tell.
    pub(crate) async fn stop(self) -> Vec<Record> {
        self.over.store(true, Ordering::Relaxed);
        let mut records = Vec::new();
        for task in self.tasks {
            records.push(task.await.unwrap());
        }
        records
    }
}

struct Writer {
    url: String,
    count: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    record: Record,
}

impl Writer {
    async fn run(mut self) -> Record {
        let mut client = self.connect().await;
        let prepare = "INSERT INTO written VALUES ($1, $2)";
        let mut statement = client.prepare(prepare).await.unwrap();
        let mut number = 0_i64;
        while !self.over.load(Ordering::Relaxed) {
            number += 1;
            let writer = self.record.writer;
            let insert = format!("INSERT INTO written VALUES ({writer}, {number})");
            let done = match self.record.kind {
                Kind::Simple => client.batch_execute(&insert).await,
                Kind::Prepared => client.execute(&statement, &[&writer, &number]).await.map(drop),
                Kind::Block => block(&client, &insert).await,
            };
            match done {
                Ok(()) => {
                    self.record.acknowledged.push((number, Instant::now()));
                    self.count.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) => {
                    let state = error.code().map_or("none", |state| state.code());
                    self.record.failed.push(format!("{state} {error}"));
                }
            }
            if client.is_closed() {
                self.record.reconnects += 1;
                client = self.connect().await;
                statement = client.prepare(prepare).await.unwrap();
            }
        }
        self.record
    }

    async fn connect(&self) -> Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(async move { connection.await.ok() });
        client
    }
}

async fn block(client: &Client, insert: &str) -> Result<(), tokio_postgres::Error> {
    let work = async {
        client.batch_execute("BEGIN").await?;
        client.batch_execute("SELECT 1").await?;
        client.batch_execute(insert).await?;
        client.batch_execute("COMMIT").await
    };
    let done = work.await;
    if done.is_err() && !client.is_closed() {
        client.batch_execute("ROLLBACK").await?;
    }
    done
}
