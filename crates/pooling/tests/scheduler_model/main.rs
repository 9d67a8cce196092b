//! The scheduler against a plain model of it, with a virtual clock: random sequences of what can
//! happen to a pool, every answer checked.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails fails the test")]

mod model_pool;

use std::time::Duration;

use model::Priority;
use model_pool::ModelPool;
use pgweir_pooling::scheduler::Limits;
use proptest::prelude::*;

/// Something that happens to a pool. Numbers choose among what there is, and do nothing where there
/// is nothing.
#[derive(Clone, Debug)]
enum Action {
    /// A client wants a server connection; `prefers` one, if it says so. `dead`: how many of the
    /// connections offered to it turn out to be dead.
    Request {
        priority: Priority,
        prefers: Option<usize>,
        dead: u8,
    },
    /// A client in the queue leaves.
    Cancel(usize),
    /// An attempt to connect succeeds.
    Connected,
    /// An attempt to connect fails.
    ConnectFailed {
        permanent: bool,
    },
    /// A client gives its connection back, or it has been cleaned.
    Free(usize),
    /// A connection that is out breaks, or has been closed.
    Close(usize),
    /// An idle connection breaks.
    IdleDied(usize),
    /// Time goes by, and the pool is looked after.
    Wait(u16),
    Pause,
    Resume,
    Limits(Limits),
    /// Other pools want so many connections.
    GiveUp(u32),
    /// It is kept at its minimum from now on, or not any more.
    Warm(bool),
    /// A client's connection is replaced by another.
    Renew(usize),
}

/// A client of no special priority, without preference.
const A_REQUEST: Action = Action::Request { priority: Priority::Normal, prefers: None, dead: 0 };

/// One of this priority.
fn request(priority: Priority) -> Action {
    Action::Request { priority, prefers: None, dead: 0 }
}

fn action() -> impl Strategy<Value = Action> {
    let priority = prop::sample::select(Priority::ALL.to_vec());
    let dead = prop_oneof![9 => Just(0_u8), 1 => 1..4_u8];
    let request = (priority, prop::option::of(0..8_usize), dead)
        .prop_map(|(priority, prefers, dead)| Action::Request { priority, prefers, dead });
    prop_oneof![
        8 => request,
        1 => (0..8_usize).prop_map(Action::Renew),
        2 => (0..8_usize).prop_map(Action::Cancel),
        8 => Just(Action::Connected),
        2 => any::<bool>().prop_map(|permanent| Action::ConnectFailed { permanent }),
        8 => (0..8_usize).prop_map(Action::Free),
        3 => (0..8_usize).prop_map(Action::Close),
        1 => (0..8_usize).prop_map(Action::IdleDied),
        6 => (0..2_500_u16).prop_map(Action::Wait),
        1 => Just(Action::Pause),
        2 => Just(Action::Resume),
        1 => any_limits().prop_map(Action::Limits),
        1 => (0..3_u32).prop_map(Action::GiveUp),
        1 => any::<bool>().prop_map(Action::Warm),
    ]
}

fn any_limits() -> impl Strategy<Value = Limits> {
    let max_waiting = prop::option::of(0..6_usize);
    let timeout = prop::option::of(Just(Duration::from_secs(1)));
    let overload = (max_waiting, prop::option::of(Just(Duration::from_millis(700))), 0..130_u32);
    (1..6_u32, 0..4_u32, 0..3_u32, timeout, overload, any::<bool>()).prop_map(
        |(size, min_size, reserve_size, reserve_timeout, overload, round_robin)| Limits {
            min_size,
            reserve_size,
            reserve_timeout,
            round_robin,
            max_age: overload.1,
            low_share: overload.2,
            ..limits(size, overload.0)
        },
    )
}

fn limits(size: u32, max_waiting: Option<usize>) -> Limits {
    Limits {
        size,
        min_size: 0,
        reserve_size: 0,
        reserve_timeout: None,
        round_robin: false,
        max_waiting,
        max_age: None,
        low_share: 100,
        low_share_of: size,
        wait_timeout: Duration::from_secs(3),
        idle_timeout: Duration::from_secs(4),
        // No time of a test falls on the end of a lifetime, whatever its jitter.
        lifetime: Duration::from_micros(9_000_500),
        login_retry: Duration::from_secs(2),
    }
}

fn apply(pool: &mut ModelPool, action: Action) {
    match action {
        Action::Request { priority, prefers, dead } => pool.request(priority, prefers, dead),
        Action::Renew(which) => pool.renew(which),
        Action::Cancel(which) => pool.cancel(which),
        Action::Connected => pool.connected(),
        Action::ConnectFailed { permanent } => pool.connect_failed(permanent),
        Action::Free(which) => pool.free(which),
        Action::Close(which) => pool.close(which),
        Action::IdleDied(which) => pool.idle_died(which),
        Action::Wait(ms) => pool.wait(Duration::from_millis(ms.into())),
        Action::Pause => pool.pause(),
        Action::Resume => pool.resume(),
        Action::Limits(limits) => pool.set_limits(limits),
        Action::GiveUp(number) => pool.give_up(number),
        Action::Warm(warm) => pool.set_warm(warm),
    }
    pool.open_due();
    pool.check();
}

proptest! {
    #[test]
    fn the_scheduler_does_what_the_model_does(
        limits in any_limits(),
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let mut pool = ModelPool::new(limits);
        for action in actions {
            apply(&mut pool, action);
        }
        // The upstream is well and clients leave their connections: everybody gets an answer.
        pool.finish();
    }
}

#[test]
fn a_burst_of_failures_counts_as_one() {
    let mut pool = ModelPool::new(limits(8, None));
    apply(&mut pool, A_REQUEST);
    apply(&mut pool, Action::Connected);
    apply(&mut pool, Action::Close(0));
    for _ in 0..8 {
        apply(&mut pool, A_REQUEST);
    }
    for _ in 0..8 {
        apply(&mut pool, Action::ConnectFailed { permanent: false });
    }
    // The first pause is 50 ms, however many attempts were under way when the server went down.
    apply(&mut pool, Action::Wait(50));
    assert_eq!(pool.connecting(), 1);
}

#[test]
fn a_client_waits_exactly_as_long_as_it_may() {
    let mut pool = ModelPool::new(limits(1, None));
    apply(&mut pool, A_REQUEST);
    apply(&mut pool, Action::Connected);
    apply(&mut pool, A_REQUEST);
    apply(&mut pool, Action::Wait(2_999));
    assert_eq!(pool.waiting(), 1);
    apply(&mut pool, Action::Wait(1));
    assert_eq!(pool.waiting(), 0);
}

#[test]
fn a_connection_is_idle_exactly_as_long_as_it_may_be() {
    let mut pool = ModelPool::new(limits(1, None));
    apply(&mut pool, A_REQUEST);
    apply(&mut pool, Action::Connected);
    apply(&mut pool, Action::Free(0));
    apply(&mut pool, Action::Wait(3_999));
    assert_eq!(pool.idle(), 1);
    apply(&mut pool, Action::Wait(1));
    assert_eq!(pool.idle(), 0);
}

#[test]
fn the_reserve_is_used_by_those_that_have_waited_and_then_closed() {
    let reserve = Limits {
        reserve_size: 2,
        reserve_timeout: Some(Duration::from_secs(1)),
        ..limits(1, None)
    };
    let mut pool = ModelPool::new(reserve);
    for _ in 0..4 {
        apply(&mut pool, A_REQUEST);
        apply(&mut pool, Action::Connected);
    }
    apply(&mut pool, Action::Wait(999));
    assert_eq!((pool.connecting(), pool.waiting()), (0, 3));
    apply(&mut pool, Action::Wait(1));
    assert_eq!(pool.connecting(), 2, "two of the reserve, for three that wait");
    apply(&mut pool, Action::Connected);
    apply(&mut pool, Action::Connected);
    assert_eq!(pool.waiting(), 1);
    for _ in 0..4 {
        apply(&mut pool, Action::Free(0));
    }
    assert_eq!((pool.idle(), pool.waiting()), (3, 0));
    apply(&mut pool, Action::Wait(1_000));
    assert_eq!(pool.idle(), 1, "what is in reserve goes");
}

#[test]
fn a_warm_pool_stays_at_its_minimum() {
    let mut pool = ModelPool::new(Limits { min_size: 2, ..limits(3, None) });
    apply(&mut pool, Action::Wait(0));
    assert_eq!(pool.connecting(), 0, "nobody is there");
    apply(&mut pool, Action::Warm(true));
    assert_eq!(pool.connecting(), 2);
    apply(&mut pool, Action::Connected);
    apply(&mut pool, Action::Connected);
    apply(&mut pool, Action::Wait(4_000));
    assert_eq!(pool.idle(), 2, "idle for long, but kept");
    apply(&mut pool, Action::IdleDied(0));
    apply(&mut pool, Action::Close(0));
    assert_eq!(pool.connecting(), 1, "replaced");
}

#[test]
fn connections_opened_together_are_closed_apart() {
    use pgweir_pooling::scheduler::Age;
    let (now, lifetime) = (std::time::Instant::now(), Duration::from_secs(100));
    let over = |random: f64, seconds: u64| {
        Age::new(now, random).is_over(lifetime, now + Duration::from_secs(seconds))
    };
    assert!(!over(0.0, 99) && over(0.0, 100), "never more than the lifetime");
    assert!(!over(0.5, 89) && over(0.5, 91));
    assert!(!over(1.0, 79) && over(1.0, 81), "never less than four fifths");
    assert!(Age::new(now, 0.3).is_over(Duration::ZERO, now), "0 uses each once");
}

#[test]
fn a_pool_that_lost_everything_grows_again_eight_at_a_time() {
    let mut pool = ModelPool::new(limits(20, None));
    for _ in 0..20 {
        apply(&mut pool, A_REQUEST);
    }
    assert_eq!(pool.connecting(), 8, "a cold pool: not one by one, nor all at once");
    for _ in 0..20 {
        apply(&mut pool, Action::Connected);
    }
    assert_eq!(pool.waiting(), 0);
    for _ in 0..20 {
        apply(&mut pool, Action::Close(0));
        apply(&mut pool, A_REQUEST);
    }
    for _ in 0..8 {
        apply(&mut pool, Action::ConnectFailed { permanent: false });
    }
    assert_eq!((pool.connecting(), pool.waiting()), (0, 20), "an outage, and all wait");
    apply(&mut pool, Action::Wait(50));
    assert_eq!(pool.connecting(), 1, "one finds out");
    apply(&mut pool, Action::Connected);
    assert_eq!(pool.connecting(), 8, "it is back, and so are the others");
    for _ in 0..19 {
        apply(&mut pool, Action::Connected);
    }
    assert_eq!(pool.waiting(), 0);
}

#[test]
fn the_urgent_go_first_and_nobody_starves() {
    let mut pool = ModelPool::new(limits(1, None));
    for priority in [Priority::Low, Priority::Normal, Priority::High].repeat(12) {
        apply(&mut pool, request(priority));
    }
    apply(&mut pool, Action::Connected);
    let mut served = String::new();
    for _ in 0..36 {
        let last = pool.served_last().unwrap_or_default();
        served.push(last.as_str().chars().next().unwrap());
        apply(&mut pool, Action::Free(0));
    }
    // One in nine is of a lower priority; here all have waited for as long.
    assert_eq!(served, "hhhhhhhhnhhhhnnnnlnnnnnnnlllllllllll");
}

#[test]
fn those_of_low_priority_leave_a_part_of_the_pool_to_others() {
    let mut pool = ModelPool::new(Limits { low_share: 70, ..limits(4, Some(10)) });
    for _ in 0..12 {
        apply(&mut pool, request(Priority::Low));
        apply(&mut pool, Action::Connected);
    }
    assert_eq!((pool.out(), pool.waiting()), (2, 7), "2 of 4, 7 of 10");
    assert_eq!(pool.connecting(), 0, "nothing is opened for those that may not have it");
    apply(&mut pool, request(Priority::Normal));
    apply(&mut pool, Action::Connected);
    apply(&mut pool, request(Priority::High));
    apply(&mut pool, Action::Connected);
    assert_eq!((pool.out(), pool.waiting()), (4, 7), "the rest is for others");
    apply(&mut pool, Action::Free(3));
    assert_eq!((pool.idle(), pool.waiting()), (1, 7), "and stays so");
    apply(&mut pool, Action::Free(0));
    assert_eq!((pool.idle(), pool.waiting()), (1, 6), "they have their own");
}

#[test]
fn in_a_full_queue_the_lowest_makes_room() {
    let mut pool = ModelPool::new(limits(1, Some(3)));
    apply(&mut pool, A_REQUEST);
    apply(&mut pool, Action::Connected);
    for priority in [Priority::Low, Priority::Low, Priority::Normal] {
        apply(&mut pool, request(priority));
    }
    apply(&mut pool, request(Priority::Low));
    apply(&mut pool, request(Priority::High));
    assert_eq!(pool.waiting_by_priority(), [1, 1, 1]);
    apply(&mut pool, request(Priority::High));
    apply(&mut pool, request(Priority::High));
    assert_eq!(pool.waiting_by_priority(), [3, 0, 0], "those of normal priority after the low");
    apply(&mut pool, request(Priority::High));
    assert_eq!(pool.waiting_by_priority(), [3, 0, 0]);
}
