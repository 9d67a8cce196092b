//! The scheduler against a plain model of it, with a virtual clock: random sequences of what can
//! happen to a pool, every answer checked.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a step that fails fails the test")]

mod model_pool;

use std::time::Duration;

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
    Limits {
        size: u32,
        max_waiting: Option<usize>,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let request = (prop::option::of(0..8_usize), prop_oneof![9 => Just(0_u8), 1 => 1..4_u8]);
    prop_oneof![
        8 => request.prop_map(|(prefers, dead)| Action::Request { prefers, dead }),
        2 => (0..8_usize).prop_map(Action::Cancel),
        8 => Just(Action::Connected),
        2 => any::<bool>().prop_map(|permanent| Action::ConnectFailed { permanent }),
        8 => (0..8_usize).prop_map(Action::Free),
        3 => (0..8_usize).prop_map(Action::Close),
        1 => (0..8_usize).prop_map(Action::IdleDied),
        6 => (0..2_500_u16).prop_map(Action::Wait),
        1 => Just(Action::Pause),
        2 => Just(Action::Resume),
        1 => (1..6_u32, prop::option::of(0..6_usize))
            .prop_map(|(size, max_waiting)| Action::Limits { size, max_waiting }),
    ]
}

fn limits(size: u32, max_waiting: Option<usize>) -> Limits {
    Limits {
        size,
        max_waiting,
        wait_timeout: Duration::from_secs(3),
        idle_timeout: Duration::from_secs(4),
        lifetime: Duration::from_secs(9),
        login_retry: Duration::from_secs(2),
    }
}

fn apply(pool: &mut ModelPool, action: Action) {
    match action {
        Action::Request { prefers, dead } => pool.request(prefers, dead),
        Action::Cancel(which) => pool.cancel(which),
        Action::Connected => pool.connected(),
        Action::ConnectFailed { permanent } => pool.connect_failed(permanent),
        Action::Free(which) => pool.free(which),
        Action::Close(which) => pool.close(which),
        Action::IdleDied(which) => pool.idle_died(which),
        Action::Wait(ms) => pool.wait(Duration::from_millis(ms.into())),
        Action::Pause => pool.pause(),
        Action::Resume => pool.resume(),
        Action::Limits { size, max_waiting } => pool.set_limits(limits(size, max_waiting)),
    }
    pool.open_due();
    pool.check();
}

proptest! {
    #[test]
    fn the_scheduler_does_what_the_model_does(
        size in 1..6_u32,
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let mut pool = ModelPool::new(limits(size, None));
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
    apply(&mut pool, Action::Request { prefers: None, dead: 0 });
    apply(&mut pool, Action::Connected);
    apply(&mut pool, Action::Close(0));
    for _ in 0..8 {
        apply(&mut pool, Action::Request { prefers: None, dead: 0 });
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
    apply(&mut pool, Action::Request { prefers: None, dead: 0 });
    apply(&mut pool, Action::Connected);
    apply(&mut pool, Action::Request { prefers: None, dead: 0 });
    apply(&mut pool, Action::Wait(2_999));
    assert_eq!(pool.waiting(), 1);
    apply(&mut pool, Action::Wait(1));
    assert_eq!(pool.waiting(), 0);
}

#[test]
fn a_connection_is_idle_exactly_as_long_as_it_may_be() {
    let mut pool = ModelPool::new(limits(1, None));
    apply(&mut pool, Action::Request { prefers: None, dead: 0 });
    apply(&mut pool, Action::Connected);
    apply(&mut pool, Action::Free(0));
    apply(&mut pool, Action::Wait(3_999));
    assert_eq!(pool.idle(), 1);
    apply(&mut pool, Action::Wait(1));
    assert_eq!(pool.idle(), 0);
}
