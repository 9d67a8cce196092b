//! Overload, with a virtual clock: far more is offered than the pool can do, and what it does stays
//! the same. The real thing, in front of a server, is `cargo xtask overload`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails fails the test")]

mod simulation;

use std::time::Duration;

use model::Priority;
use pgweir_pooling::scheduler::Limits;
use simulation::{Outcome, Simulation, Source};

const MS: Duration = Duration::from_millis(1);
const LOADS: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

/// Ten connections; `max_age` 100 ms, and a quarter kept from those of low priority.
fn limits() -> Limits {
    Limits {
        size: 10,
        min_size: 0,
        reserve_size: 0,
        reserve_timeout: None,
        max_waiting: None,
        max_age: Some(100 * MS),
        low_share: 75,
        low_share_of: 10,
        wait_timeout: Duration::from_secs(120),
        idle_timeout: Duration::from_secs(600),
        lifetime: Duration::from_secs(36_000),
        login_retry: Duration::from_secs(15),
        round_robin: false,
    }
}

/// Statements of 20 ms: ten connections serve 500 a second.
fn shop(share: f64) -> Source {
    Source { priority: Priority::High, per_second: 500.0 * share, statement: 20 * MS }
}

fn cron(share: f64) -> Source {
    Source { priority: Priority::Low, per_second: 500.0 * share, statement: 20 * MS }
}

fn run(limits: Limits, sources: &[Source], seconds: u64) -> Outcome {
    Simulation::new(limits, sources).run(Duration::from_secs(seconds))
}

#[test]
fn at_ten_times_the_capacity_as_much_is_done_and_the_urgent_notice_nothing() {
    let limits = Limits { low_share: 100, ..limits() };
    let outcomes = LOADS.map(|load| run(limits, &[shop(0.3), cron(load - 0.3)], 20));
    let peak = outcomes.iter().map(Outcome::per_second).fold(0.0, f64::max);
    for (load, outcome) in LOADS.iter().zip(&outcomes) {
        assert!(outcome.per_second() >= 0.95 * peak, "{load}: {outcome}");
        assert_eq!(outcome.of(Priority::High).rejected, 0, "{load}: {outcome}");
        let low = outcome.of(Priority::Low);
        // What is taken in is served about in time; the pace is an estimate.
        assert!(low.wait(0.99) <= 200 * MS, "{load}: {outcome}");
    }
    let [at_one, .., at_ten] = outcomes;
    let p99 = |outcome: &Outcome| outcome.of(Priority::High).took(0.99);
    assert!(p99(&at_ten) <= 2 * p99(&at_one), "{at_one}\n{at_ten}");
    let low = at_ten.of(Priority::Low);
    assert!(low.served > 0 && low.rejected > 9 * low.served, "{at_ten}");
}

#[test]
fn the_same_holds_where_all_are_alike() {
    let alike =
        |load| Source { priority: Priority::Normal, per_second: 500.0 * load, statement: 20 * MS };
    let outcomes = LOADS.map(|load| run(limits(), &[alike(load)], 20));
    let peak = outcomes.iter().map(Outcome::per_second).fold(0.0, f64::max);
    for outcome in &outcomes {
        assert!(outcome.per_second() >= 0.95 * peak, "{outcome}");
        assert!(outcome.of(Priority::Normal).wait(0.99) <= 150 * MS, "{outcome}");
    }
}

#[test]
fn statements_that_take_long_do_not_keep_the_urgent_waiting() {
    let long = Source { priority: Priority::Low, per_second: 100.0, statement: 2_000 * MS };
    let alone = run(limits(), &[shop(0.1)], 20);
    let beside = run(limits(), &[shop(0.1), long], 20);
    let p99 = |outcome: &Outcome| outcome.of(Priority::High).took(0.99);
    assert!(p99(&beside) <= 2 * p99(&alone), "{alone}\n{beside}");
    let shared = run(Limits { low_share: 100, ..limits() }, &[shop(0.1), long], 20);
    assert!(p99(&shared) > 200 * MS, "the share that is kept is what it takes: {shared}");
}

#[test]
fn the_urgent_leave_something_to_the_others_however_many_they_are() {
    let flood = [shop(10.0), cron(0.5)];
    let outcome = run(limits(), &flood, 20);
    let low = outcome.of(Priority::Low);
    assert!(low.served >= 20 * 500 / 10, "a ninth of what there is: {outcome}");
    assert!(outcome.of(Priority::High).wait(0.99) <= 150 * MS, "{outcome}");
}

#[test]
fn nobody_is_refused_while_there_is_no_overload() {
    let outcome = run(limits(), &[shop(0.4), cron(0.4)], 60);
    let refused: u64 = Priority::ALL.map(|priority| outcome.of(priority).rejected).iter().sum();
    assert!(refused * 1_000 <= outcome.served(), "{outcome}");
    // A burst that is served in time, on a pool that has done nothing yet.
    let burst = Simulation::new(limits(), &[]).burst(60, 5 * MS).run(Duration::from_secs(1));
    assert_eq!(burst.of(Priority::Normal).rejected, 0, "{burst}");
    assert_eq!(burst.served(), 60);
}

#[test]
fn without_a_limit_all_wait() {
    let limits = Limits { max_age: None, ..limits() };
    let outcome = run(limits, &[shop(0.3), cron(1.7)], 20);
    assert!(outcome.of(Priority::Low).wait(0.5) > Duration::from_secs(4), "{outcome}");
    assert_eq!(outcome.of(Priority::High).rejected, 0);
}

#[test]
fn a_server_that_stands_still_is_noticed_and_so_is_its_end() {
    let mut limits = limits();
    limits.low_share = 100;
    let mut simulation = Simulation::new(limits, &[shop(0.8)]);
    simulation.stands_still(Duration::from_secs(5)..Duration::from_secs(8));
    let outcome = simulation.run(Duration::from_secs(20));
    // Of 400 a second for three seconds, most are told and do not wait for its end.
    let high = outcome.of(Priority::High);
    assert!((700..1_500).contains(&high.rejected), "{outcome}");
    let after = outcome.served_between(Duration::from_secs(9)..Duration::from_secs(19));
    assert!(after as f64 >= 0.97 * 4_000.0, "all are served again: {after}");
}
