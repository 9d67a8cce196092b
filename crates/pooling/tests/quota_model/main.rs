//! Pools under shared maxima, with a virtual clock: no maximum is exceeded, nobody waits for a place
//! that is free, and nobody waits for ever.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails fails the test")]

mod world;

use std::time::Duration;

use model::Priority;
use pgweir_pooling::quota::Scope;
use pgweir_pooling::scheduler::Limits;
use proptest::prelude::*;
use world::{World, limits};

fn database(number: usize) -> Scope {
    Scope::Database(format!("db{number}").into())
}

fn user(number: usize) -> Scope {
    Scope::User(format!("user{number}").into())
}

/// Something that happens, in one of the pools.
#[derive(Clone, Debug)]
enum Action {
    Request,
    Leave,
    Connected,
    ConnectFailed,
    Free(usize),
    Close,
    Break,
    Wait(u16),
    Maximum(Option<u32>),
}

fn action() -> impl Strategy<Value = (usize, Action)> {
    let action = prop_oneof![
        8 => Just(Action::Request),
        2 => Just(Action::Leave),
        8 => Just(Action::Connected),
        1 => Just(Action::ConnectFailed),
        6 => (0..4_usize).prop_map(Action::Free),
        4 => Just(Action::Close),
        1 => Just(Action::Break),
        6 => (0..400_u16).prop_map(Action::Wait),
        1 => prop::option::of(1..5_u32).prop_map(Action::Maximum),
    ];
    (0..4_usize, action)
}

fn apply(world: &mut World, pool: usize, action: Action) {
    let pool = pool % world.pools.len();
    match action {
        Action::Request => world.request(pool),
        Action::Leave => world.leave(pool),
        Action::Connected => world.connected(pool),
        Action::ConnectFailed => world.connect_failed(pool),
        Action::Free(which) => world.free(pool, which),
        Action::Close => world.close(pool),
        Action::Break => world.break_one(pool),
        Action::Wait(ms) => world.wait(Duration::from_millis(ms.into())),
        Action::Maximum(maximum) => world.set_maximum(database(pool % 2), maximum),
    }
    world.check();
}

fn pools() -> impl Strategy<Value = Vec<(usize, usize, Limits)>> {
    let pool = (0..2_usize, 0..2_usize, 1..5_u32, 0..3_u32).prop_map(
        |(database, user, size, min_size)| (database, user, Limits { min_size, ..limits(size) }),
    );
    prop::collection::vec(pool, 1..5)
}

/// Turns within which somebody is served, whatever came before: each pool may have its time with
/// the only connection, and a connection that cannot be opened is tried again after a second.
const MANY_TURNS: usize = 300;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn whatever_happens_nobody_waits_for_ever(
        pools in pools(),
        maxima in (1..6_u32, 1..6_u32, 1..6_u32),
        actions in prop::collection::vec(action(), 1..100),
    ) {
        let maxima = [(database(0), maxima.0), (database(1), maxima.1), (user(0), maxima.2)];
        let mut world = World::new(&pools, &maxima);
        for (pool, action) in actions {
            apply(&mut world, pool, action);
        }
        // From now on everybody is greedy, and the world is well.
        let all: Vec<_> = (0..world.pools.len()).collect();
        for pool in &all {
            for _ in 0..3 {
                world.request(*pool);
            }
        }
        let before: Vec<_> = world.pools.iter().map(|pool| pool.served).collect();
        let unserved = |world: &World| {
            world.pools.iter().zip(&before).any(|(pool, before)| pool.served <= *before)
        };
        let mut turns = 0;
        while unserved(&world) {
            world.turn(&all);
            turns += 1;
            prop_assert!(turns < MANY_TURNS, "a pool is not served");
        }
    }
}

/// A database of so many connections, a pool with 100 clients that never stop, and one with one.
/// Returns after how many turns the one is served, at first and later.
fn turns_of_the_one(maximum: u32) -> Vec<usize> {
    let pools = [(0, 0, limits(20)), (0, 1, limits(20))];
    let mut world = World::new(&pools, &[(database(0), maximum)]);
    for _ in 0..100 {
        world.request(0);
    }
    for _ in 0..50 {
        world.turn(&[0]);
    }
    assert_eq!(world.total(), maximum, "the greedy have it all");
    let mut turns = Vec::new();
    for _ in 0..20 {
        world.request(1);
        let (served, mut taken) = (world.pools[1].served, 0);
        while world.waiting(1) > 0 && world.pools[1].served == served {
            world.turn(&[0]);
            taken += 1;
            assert!(taken < 100, "it starves");
        }
        turns.push(taken);
        // It thinks about the answer.
        for _ in 0..7 {
            world.turn(&[0]);
        }
    }
    assert!(world.pools[0].served > 100, "the greedy are served too");
    turns
}

#[test]
fn one_client_beside_a_hundred_greedy_ones_is_served_within_a_few_turns() {
    let turns = turns_of_the_one(5);
    // One to give up a connection, one to close it and open another.
    assert!(turns.iter().all(|turns| *turns <= 3), "{turns:?}");
}

#[test]
fn two_pools_take_turns_with_the_only_connection() {
    let turns = turns_of_the_one(1);
    // It may be kept for 100 ms, ten turns, since logging in is dear.
    assert!(turns.iter().all(|turns| *turns <= 14), "{turns:?}");
}

#[test]
fn greedy_pools_get_equal_shares() {
    for (number, maximum) in [(2, 6), (3, 6), (4, 2), (5, 3), (7, 1)] {
        let pools: Vec<_> = (0..number).map(|user| (0, user, limits(20))).collect();
        let mut world = World::new(&pools, &[(database(0), maximum)]);
        for pool in 0..number {
            for _ in 0..30 {
                world.request(pool);
            }
        }
        let all: Vec<_> = (0..number).collect();
        for _ in 0..3_000 {
            world.turn(&all);
        }
        let served: Vec<_> = world.pools.iter().map(|pool| pool.served).collect();
        let (least, most) = (*served.iter().min().unwrap(), *served.iter().max().unwrap());
        assert!(most * 2 <= least * 3, "{number} pools, {maximum} connections: {served:?}");
    }
}

#[test]
fn greedy_pools_get_shares_by_their_priority_and_none_starves() {
    let pools: Vec<_> = (0..3).map(|user| (0, user, limits(50))).collect();
    let mut world = World::new(&pools, &[(database(0), 42)]);
    let priorities = [Priority::Low, Priority::Normal, Priority::High];
    for (pool, priority) in priorities.into_iter().enumerate() {
        world.set_priority(pool, priority);
    }
    // Those of low priority are there first, and have it all.
    for pool in 0..3 {
        for _ in 0..100 {
            world.request(pool);
        }
        for _ in 0..200 {
            world.turn(&[0, 1, 2]);
        }
        if pool == 0 {
            assert_eq!(world.total(), 42);
        }
    }
    let held: Vec<_> = world.pools.iter().map(|pool| pool.scheduler.total()).collect();
    assert_eq!(held, [2, 8, 32], "as 1 to 4 to 16");
    let mut world = World::new(&pools, &[(database(0), 2)]);
    for (pool, priority) in priorities.into_iter().enumerate() {
        world.set_priority(pool, priority);
        for _ in 0..100 {
            world.request(pool);
        }
    }
    for _ in 0..MANY_TURNS {
        world.turn(&[0, 1, 2]);
    }
    let served: Vec<_> = world.pools.iter().map(|pool| pool.served).collect();
    assert!(served.iter().all(|served| *served > 5), "more pools than connections: {served:?}");
}

#[test]
fn what_is_idle_goes_to_whoever_needs_it() {
    let pools = [(0, 0, limits(3)), (0, 1, limits(3))];
    let mut world = World::new(&pools, &[(database(0), 3)]);
    for _ in 0..3 {
        world.request(0);
    }
    world.turn(&[]);
    world.turn(&[]);
    assert_eq!(world.pools[0].scheduler.idle().count(), 3);
    world.wait(Duration::from_millis(50));
    for _ in 0..2 {
        world.request(1);
    }
    for _ in 0..3 {
        world.turn(&[]);
    }
    assert_eq!(world.pools[1].served, 2);
    assert_eq!(world.total(), 3, "no more was closed than was needed");
}

#[test]
fn what_is_kept_warm_takes_nothing_from_those_who_wait() {
    let warm = Limits { min_size: 3, ..limits(3) };
    let mut world = World::new(&[(0, 0, warm), (0, 1, limits(3))], &[(database(0), 3)]);
    world.wait(Duration::ZERO);
    world.turn(&[]);
    assert_eq!(world.pools[0].scheduler.idle().count(), 3);
    for _ in 0..2 {
        world.request(1);
    }
    for _ in 0..20 {
        world.turn(&[1]);
    }
    assert_eq!(world.pools[0].scheduler.total(), 1);
    assert_eq!(world.pools[1].scheduler.total(), 2);
}

#[test]
fn a_maximum_that_is_lowered_is_kept_soon() {
    let pools = [(0, 0, limits(5)), (0, 1, limits(5))];
    let mut world = World::new(&pools, &[(database(0), 10)]);
    for pool in [0, 1].repeat(10) {
        world.request(pool);
    }
    for _ in 0..5 {
        world.turn(&[0, 1]);
    }
    assert_eq!(world.total(), 10);
    world.set_maximum(database(0), Some(4));
    for _ in 0..4 {
        world.turn(&[0, 1]);
    }
    let totals: Vec<_> = world.pools.iter().map(|pool| pool.scheduler.total()).collect();
    assert_eq!(totals, [2, 2]);
}

#[test]
fn a_pool_under_two_maxima_is_not_forgotten() {
    // It needs a place under both, and others take each as soon as it is free.
    let pools = [(0, 0, limits(5)), (0, 1, limits(5)), (1, 0, limits(5))];
    let mut world = World::new(&pools, &[(database(0), 1), (user(0), 1)]);
    for pool in [1, 2, 1, 2, 0] {
        world.request(pool);
    }
    for _ in 0..MANY_TURNS {
        world.turn(&[0, 1, 2]);
    }
    let served: Vec<_> = world.pools.iter().map(|pool| pool.served).collect();
    assert!(served.iter().all(|served| *served > 5), "{served:?}");
}
