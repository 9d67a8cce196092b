//! The shop's traffic: visitors with think times, and two payment workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::Histogram;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio_postgres::{Config, Error};

use super::server::Connection;
use super::shopper::{Shopper, Visit, Visited};

/// Visits that all visitors together ask for in a second, if the shop keeps up: enough to keep two
/// cores busy without the indexes, whatever the number of connections.
const VISITS_PER_SECOND: f64 = 70.0;
/// Payment workers.
const WORKERS: u32 = 2;
/// Visitors come one after another, not all at once.
const ARRIVALS_PER_SECOND: f64 = 100.0;
/// A visitor gives up on a page that takes longer.
const VISIT_DEADLINE: Duration = Duration::from_secs(60);
/// Pause after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What the traffic has met so far.
#[derive(Clone, Debug, Default)]
pub(super) struct LoadCounts {
    /// Visits that ended as they should.
    pub(super) done: u64,
    /// Visits that the database refused as planned.
    pub(super) refused: u64,
    /// Visits and logins that failed otherwise.
    pub(super) failed: u64,
    /// What the last failure said.
    pub(super) last_failure: Option<String>,
}

#[derive(Default)]
struct Counters {
    done: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    last_failure: Mutex<Option<String>>,
    recent: Mutex<Histogram>,
}

impl Counters {
    fn visited(&self, visited: &Visited, took: Option<Duration>) {
        let counter = match visited {
            Visited::Done => &self.done,
            Visited::Refused => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Some(took) = took {
            self.recent.lock().record(took);
        }
    }

    fn failed(&self, why: String) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        *self.last_failure.lock() = Some(why);
    }
}

/// Running traffic. Dropping it closes all its connections.
pub(super) struct Load {
    counters: Arc<Counters>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Starts `clients` visitors and the workers. `shop` says where they connect, and as whom.
    pub(super) fn start(shop: &Config, clients: u32) -> Self {
        let counters = Arc::new(Counters::default());
        let mut tasks = JoinSet::new();
        let pause = Duration::from_secs_f64(f64::from(clients) / VISITS_PER_SECOND);
        for number in 0..clients.saturating_add(WORKERS) {
            let worker = number >= clients;
            let mut config = shop.clone();
            config.application_name(if worker { "shop-payments" } else { "shop-web" });
            let visitor = Visitor {
                config,
                counters: Arc::clone(&counters),
                pause: if worker { AFTER_FAILURE } else { pause },
                worker,
            };
            let arrival = Duration::from_secs_f64(f64::from(number) / ARRIVALS_PER_SECOND);
            let random = StdRng::seed_from_u64(u64::from(number));
            tasks.spawn(async move {
                tokio::time::sleep(arrival).await;
                visitor.stay(random).await;
            });
        }
        Self { counters, tasks }
    }

    /// Counts since the start.
    pub(super) fn counts(&self) -> LoadCounts {
        LoadCounts {
            done: self.counters.done.load(Ordering::Relaxed),
            refused: self.counters.refused.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
            last_failure: self.counters.last_failure.lock().clone(),
        }
    }

    /// How long visits took since the last call, the workers' left out.
    pub(super) fn take_latencies(&self) -> Histogram {
        std::mem::take(&mut *self.counters.recent.lock())
    }

    /// Ends the traffic and waits until every connection is closed. Cancel-safe.
    pub(super) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// One connection's owner.
struct Visitor {
    config: Config,
    counters: Arc<Counters>,
    /// Mean think time between two visits.
    pause: Duration,
    worker: bool,
}

impl Visitor {
    /// Visits until it is dropped; connects again after a failure.
    async fn stay(&self, mut random: StdRng) {
        loop {
            let seed = random.random();
            if let Err(error) = self.connect_and_visit(StdRng::seed_from_u64(seed)).await {
                self.counters.failed(describe(&error));
            }
            tokio::time::sleep(AFTER_FAILURE).await;
        }
    }

    async fn connect_and_visit(&self, random: StdRng) -> Result<(), Error> {
        let mut connection = Connection::open(&self.config).await?;
        let mut shopper = Shopper::new(&mut connection.client, random);
        loop {
            let thinking = self.pause.mul_f64(shopper.random().random_range(0.5..1.5));
            tokio::time::sleep(thinking).await;
            let began = Instant::now();
            let visiting = async {
                if self.worker {
                    shopper.collect_payment().await
                } else {
                    let visit = Visit::next(shopper.random());
                    shopper.visit(visit).await
                }
            };
            match tokio::time::timeout(VISIT_DEADLINE, visiting).await {
                // The workers' times are the payment provider's.
                Ok(visited) => {
                    self.counters.visited(&visited?, (!self.worker).then(|| began.elapsed()));
                }
                Err(_) => {
                    let seconds = VISIT_DEADLINE.as_secs();
                    self.counters.failed(format!("no page within {seconds} s"));
                    return Ok(());
                }
            }
        }
    }
}

fn describe(error: &Error) -> String {
    use std::error::Error as _;
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => format!("{} ({})", said.message(), said.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}
