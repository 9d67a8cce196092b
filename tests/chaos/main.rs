//! Faults under load: clients that carry a token in every query, while connections are cut, stalled
//! and killed. The tests run short versions; `cargo xtask chaos` and `cargo xtask storm` long ones.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]
#![allow(clippy::print_stderr, reason = "the report of a long run")]

mod activities;
mod blocks;
mod client;
mod connection;
mod injector;
mod ledger;
mod partings;
mod plan;
mod queries;
mod relay;
mod sessions;
mod soak;
mod stage;
mod storm;
mod verdict;
mod vitals;

use std::sync::Arc;
use std::time::Duration;

use testkit::{Postgres, PostgresOptions, Proxy, ProxyOptions};

use client::Client;
use injector::Injector;
use ledger::Ledger;
use plan::{Plan, SoakPlan, StormPlan};
use relay::Relay;
use stage::Stage;
use storm::Keys;
use verdict::Verdict;
use vitals::Vitals;

/// The program under test.
const PGWEIR: &str = env!("CARGO_BIN_EXE_pgweir");

/// A commit that was answered survives a crash of the server (not of the machine).
fn lasting() -> PostgresOptions {
    let settings = [("synchronous_commit", "on"), ("restart_after_crash", "on")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    PostgresOptions { settings }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_harms_nobody_who_was_not_hit() {
    let plan = Plan::read();
    let postgres = Postgres::start(lasting()).await;
    let ledger = Arc::new(Ledger::default());
    let servers =
        Relay::start(postgres.address(), Arc::clone(&ledger), "a server connection ends").await;
    let upstream = format!("postgres://postgres@{}/postgres", servers.address);
    let pool = plan.pool.to_string();
    let options = ProxyOptions::upstream(upstream)
        .arguments(["--default-pool-size", &pool, "--query-wait-timeout", "30s"])
        .arguments(["--set", "server_login_retry=1s", "--set", "worker_threads=2"]);
    let proxy = Proxy::start(PGWEIR, options).await;
    let clients =
        Relay::start(proxy.address(), Arc::clone(&ledger), "a client connection ends").await;
    let admin = postgres.admin().await;
    let setup = "CREATE DATABASE chaos; GRANT ALL ON DATABASE chaos TO web_trust;";
    for statement in setup.split_inclusive(';') {
        admin.batch_execute(statement).await.unwrap();
    }
    let direct = postgres.connect("chaos", "postgres").await;
    direct.batch_execute(&format!("CREATE TABLE {} (token text)", blocks::TABLE)).await.unwrap();
    let stage =
        Arc::new(Stage::new(plan, proxy.address(), clients.address, "chaos".to_owned(), ledger));
    let before = Vitals::of(proxy.pid());
    let running: Vec<_> = (0..plan.clients)
        .map(|number| tokio::spawn(Client::new(number, Arc::clone(&stage)).run()))
        .collect();
    let mut injector = Injector::new(Arc::clone(&stage), postgres, servers, clients);
    injector.run().await;
    stage.close();
    for (number, client) in running.into_iter().enumerate() {
        let left = tokio::time::timeout(2 * plan.patience, client).await;
        match left {
            Ok(done) => done.unwrap(),
            Err(_) => stage.ledger.stuck.lock().push(format!("client {number} never left")),
        }
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let vitals = [before, Vitals::of(proxy.pid())];
    let verdict = Verdict::reach(&stage, &injector.postgres, &proxy, vitals).await;
    eprintln!("{}", verdict.report);
    assert!(verdict.failures.is_empty(), "{}\n{}", verdict.failures.join("\n"), proxy.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_clients_cost_nothing_and_a_storm_of_logins_harms_nobody() {
    let plan = StormPlan::read();
    storm::raise_file_limit();
    let postgres = Postgres::start(PostgresOptions::default()).await;
    let keys = Keys::make(&postgres).await;
    let settings = format!(
        "max_client_conn = {}\ndefault_pool_size = {}\nauth_type = \"scram-sha-256\"\n\
         [users.storm]\npassword = \"{}\"\n",
        plan.idle + plan.busy + plan.logins + 1_000,
        plan.pool,
        keys.verifier
    );
    let upstream = postgres.url("postgres", "postgres");
    let proxy = Proxy::start(PGWEIR, ProxyOptions::upstream(upstream).settings(settings)).await;
    let running = std::thread::spawn(move || {
        storm::run(plan, keys, &proxy);
        proxy
    });
    while !running.is_finished() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let proxy = running.join().unwrap();
    assert!(!proxy.log().contains(" WARN "), "{}", proxy.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_in_half_an_hour_leaves_nothing_behind() {
    let (failures, report) = soak::run(SoakPlan::read()).await;
    eprintln!("{report}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
