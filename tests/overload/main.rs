//! Far more load than the pool can do, of two applications: what is done stays the same, the urgent
//! notice nothing, and the others are told at once. The test runs a short version; `cargo xtask
//! overload` a long one, in which times count.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]
#![allow(clippy::print_stderr, reason = "the report of a long run")]

mod connection;
mod load;
mod plan;

use std::time::Duration;

use testkit::{Postgres, Proxy, ProxyOptions, show};

use load::{Application, Measured, quantile_ms};
use plan::Plan;

/// The program under test.
const PGWEIR: &str = env!("CARGO_BIN_EXE_pgweir");

/// One load, and what became of it.
struct Row {
    load: f64,
    urgent: Measured,
    others: Measured,
}

impl Row {
    fn per_second(&self) -> f64 {
        self.urgent.per_second() + self.others.per_second()
    }

    fn refused(&self) -> Vec<Duration> {
        [&self.urgent.refused[..], &self.others.refused].concat()
    }

    fn print(&self) {
        let (urgent, others, refused) = (&self.urgent, &self.others, self.refused());
        eprintln!(
            "| {}× | {:.0} | {:.0} | {:.1} / {:.1} | {} | {:.1} | {} | {:.1} / {:.1} | {} |",
            self.load,
            (urgent.offered() + others.offered()) as f64 / self.time(),
            self.per_second(),
            quantile_ms(&urgent.served, 0.5),
            quantile_ms(&urgent.served, 0.99),
            urgent.refused.len(),
            quantile_ms(&others.served, 0.99),
            others.refused.len(),
            quantile_ms(&refused, 0.99),
            quantile_ms(&refused, 1.0),
            urgent.unsent + others.unsent,
        );
    }

    fn time(&self) -> f64 {
        self.urgent.served.len() as f64 / self.urgent.per_second().max(f64::MIN_POSITIVE)
    }
}

fn settings(plan: &Plan) -> String {
    format!(
        "default_pool_size = {}\nmax_queue_age = \"{}ms\"\nlow_priority_share = {}\nanalyse = false\n\
         max_client_conn = {}\n[applications.shop]\npriority = \"high\"\n\
         [applications.cron]\npriority = \"low\"\n",
        plan.pool,
        plan.age.as_millis(),
        plan.share,
        2 * plan.clients + 100,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overload_changes_nothing_for_the_urgent_and_the_rest_is_told_at_once() {
    let plan = Plan::read();
    raise_file_limit();
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let upstream = postgres.url("postgres", "postgres");
    let options = ProxyOptions::upstream(upstream).settings(settings(&plan));
    let proxy = Proxy::start(PGWEIR, options).await;
    let open = async |name| {
        let where_to = (database.name.as_str(), name);
        Application::open(proxy.address(), where_to, plan.clients, plan.statement).await
    };
    let (shop, cron) = (open("shop").await, open("cron").await);
    // Twice as many as there are connections: none of these is ever idle, and no more wait than may.
    let capacity = shop.saturate(2 * plan.pool, plan.time.max(Duration::from_secs(1))).await;
    eprintln!("capacity {capacity:.0}/s; {plan:?}");
    eprintln!(
        "| load | offered /s | served /s | shop p50 / p99 ms | refused | cron p99 ms | refused \
         | refused after p99 / max ms | unsent |\n|---|---|---|---|---|---|---|---|---|"
    );
    let urgent = plan.urgent as f64 / 100.0;
    let warm_up = plan.time / 4;
    let mut rows = Vec::new();
    for load in plan.loads() {
        let (urgent, others) = tokio::join!(
            shop.offer(capacity * urgent, warm_up, plan.time),
            cron.offer(capacity * (load - urgent), warm_up, plan.time),
        );
        let row = Row { load: *load, urgent, others };
        row.print();
        rows.push(row);
    }
    for row in &rows {
        let wrong = [&row.urgent.wrong[..], &row.others.wrong].concat();
        assert!(wrong.is_empty(), "at {}: {:#?}", row.load, &wrong[..wrong.len().min(5)]);
    }
    let [first, .., last] = &rows[..] else { panic!("two loads at least") };
    assert!(!last.others.refused.is_empty() && !last.others.served.is_empty());
    counts_agree(&proxy).await;
    let peak = rows.iter().map(Row::per_second).fold(0.0, f64::max);
    let p99 = |row: &Row| quantile_ms(&row.urgent.served, 0.99);
    if plan.timed {
        assert!(last.per_second() >= 0.95 * peak, "{} of {peak}", last.per_second());
        assert!(p99(last) <= 2.0 * p99(first), "{} ms, {} ms", p99(last), p99(first));
        assert!(quantile_ms(&last.refused(), 0.99) <= 100.0, "refused too late");
        assert!(rows.iter().all(|row| row.urgent.refused.is_empty()), "the urgent were refused");
    } else {
        // Others use the machine too.
        assert!(last.per_second() >= 0.5 * peak, "{} of {peak}", last.per_second());
    }
}

/// All that were refused are counted, and nobody is left in the queue.
async fn counts_agree(proxy: &Proxy) {
    let console = proxy.connect("postgres", "pgweir").await;
    let pools = show(&console, "SHOW POOLS").await;
    assert!(pools.iter().all(|pool| pool["cl_waiting"] == "0"), "{pools:?}");
}

fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
