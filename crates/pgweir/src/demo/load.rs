//! The shop's traffic: visitors with think times, and two payment workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
const VISITS_PER_SECOND: f64 = 150.0;
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
    pages: Mutex<Pages>,
    /// Whether the shop's code was fixed.
    fixed: AtomicBool,
}

/// How long each page took, and how many of them were refused.
pub(super) type Pages = BTreeMap<Visit, Page>;

/// How long a page took.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    /// Each time it was asked for.
    pub(super) took: Histogram,
    /// How often the database refused it as planned.
    pub(super) refused: u64,
}

impl Counters {
    fn visited(&self, visit: Visit, visited: &Visited, took: Duration) {
        {
            let mut pages = self.pages.lock();
            let page = pages.entry(visit).or_default();
            page.took.record(took);
            page.refused += u64::from(matches!(visited, Visited::Refused));
        }
        let counter = match visited {
            Visited::Done => &self.done,
            Visited::Refused => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        // The workers' times are the payment provider's.
        if visit != Visit::Payment {
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

    /// The shop's code is exchanged for one without its faults.
    pub(super) fn deploy_fixes(&self) {
        self.counters.fixed.store(true, Ordering::Relaxed);
    }

    /// What each page took since the last call.
    pub(super) fn take_pages(&self) -> Pages {
        std::mem::take(&mut *self.counters.pages.lock())
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
            shopper.deploy(self.counters.fixed.load(Ordering::Relaxed));
            let visit = if self.worker { Visit::Payment } else { Visit::next(shopper.random()) };
            match tokio::time::timeout(VISIT_DEADLINE, shopper.visit(visit)).await {
                Ok(visited) => self.counters.visited(visit, &visited?, began.elapsed()),
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
