//! Hosts that come, go and change their roles, and what pools make of it.

#![allow(clippy::unwrap_used, reason = "a step that fails fails the test")]

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{
    Asked, Attempt, BELIEVED, Candidate, HostId, Hosts, LoadBalance, Report, TIMELINE_KEPT,
    TargetSessionAttrs, Wish,
};

const SECOND: Duration = Duration::from_secs(1);

fn wish(attrs: TargetSessionAttrs) -> Wish {
    Wish { attrs, balance: LoadBalance::Disable, max_lag: None }
}

const READ_WRITE: TargetSessionAttrs = TargetSessionAttrs::ReadWrite;

fn primary(timeline: u32) -> Report {
    let asked = Asked { read_only: false, lag: Some(Duration::ZERO), timeline: Some(timeline) };
    Report { in_recovery: false, asked: Some(asked) }
}

fn standby(lag_ms: u64) -> Report {
    let lag = Some(Duration::from_millis(lag_ms));
    Report { in_recovery: true, asked: Some(Asked { read_only: false, lag, timeline: None }) }
}

/// Hosts called `a`, `b` and so on.
struct World {
    hosts: Hosts<&'static str>,
    now: Instant,
}

impl World {
    fn new(places: &[&'static str]) -> Self {
        let mut hosts = Hosts::default();
        for (position, place) in places.iter().enumerate() {
            hosts.set_places(position, vec![*place]);
        }
        Self { hosts, now: Instant::now() }
    }

    fn id(&self, place: &str) -> HostId {
        self.hosts.views().find(|host| host.place == place).unwrap().id
    }

    fn reached(&mut self, place: &str, report: Report) {
        self.hosts.reached(self.id(place), Some(report), self.now);
    }

    fn failed(&mut self, place: &str) {
        self.hosts.failed(self.id(place), "refused".to_owned(), self.now, 1.0);
    }

    /// The hosts that an attempt tries which nobody answers.
    fn tried(&mut self, wish: &Wish) -> Vec<&'static str> {
        let (mut attempt, mut tried) = (Attempt::default(), Vec::new());
        while let Some(candidate) = self.hosts.next(wish, &mut attempt, self.now, 0.0) {
            tried.push(*self.hosts.place(candidate.id).unwrap());
            self.hosts.give_up_on(candidate, &mut attempt);
        }
        tried
    }

    fn first(&mut self, wish: &Wish) -> Option<&'static str> {
        let candidate = self.hosts.next(wish, &mut Attempt::default(), self.now, 0.0)?;
        self.hosts.place(candidate.id).copied()
    }

    fn is_welcome(&self, place: &str, wish: &Wish) -> bool {
        self.hosts.is_welcome(self.id(place), wish, self.now)
    }
}

#[test]
fn all_are_tried_until_it_is_known_what_they_are() {
    let mut world = World::new(&["a", "b", "c"]);
    let wish = wish(READ_WRITE);
    assert_eq!(world.tried(&wish), ["a", "b", "c"]);
    world.reached("a", standby(0));
    world.reached("b", primary(1));
    assert_eq!(world.tried(&wish), ["b", "c"], "what is known to do goes first");
    world.now += BELIEVED;
    assert_eq!(world.tried(&wish), ["b", "a", "c"], "it may have changed since");
}

#[test]
fn a_failover_is_followed() {
    let mut world = World::new(&["a", "b"]);
    let wish = wish(READ_WRITE);
    world.reached("a", primary(1));
    world.reached("b", standby(0));
    assert!(world.is_welcome("a", &wish) && !world.is_welcome("b", &wish));
    let version = world.hosts.version();
    world.failed("a");
    assert!(world.hosts.version() > version);
    assert!(world.is_welcome("a", &wish), "perhaps only new connections fail");
    assert_eq!(world.tried(&wish), [""; 0], "the one is backed off, the other cannot write");
    let check = |world: &World, place| {
        world.hosts.check_after(world.id(place), SECOND, world.now, 1.0).unwrap()
    };
    assert!(check(&world, "b") <= Duration::from_millis(200), "somebody waits for it");
    assert!(check(&world, "a") <= Duration::from_millis(50));
    assert!(world.hosts.was_there(&wish));
    world.now += SECOND;
    world.reached("b", primary(2));
    assert_eq!(world.first(&wish), Some("b"));
    assert!(!world.is_welcome("a", &wish), "it is known where to go now");
    // The old one comes back, and does not know yet that it was replaced.
    world.now += SECOND;
    world.reached("a", primary(1));
    assert_eq!(world.tried(&wish), ["b"]);
    assert!(!world.is_welcome("a", &wish) && world.is_welcome("b", &wish));
    world.failed("b");
    assert_eq!(world.tried(&wish), [""; 0], "not back to what lacks the last writes");
    assert!(world.hosts.explain(&wish, world.now).contains("a is a primary that was replaced"));
    world.now += TIMELINE_KEPT;
    world.reached("a", primary(1));
    assert_eq!(world.first(&wish), Some("a"), "whoever runs it has decided so");
}

#[test]
fn failovers_and_failures_are_counted() {
    let mut world = World::new(&["a", "b"]);
    world.reached("a", primary(1));
    world.reached("b", standby(0));
    assert_eq!(world.hosts.failovers(), 0, "the first one has taken nobody's place");
    world.failed("a");
    world.failed("a");
    world.reached("b", primary(2));
    world.reached("b", primary(2));
    assert_eq!(world.hosts.failovers(), 1);
    // It takes itself for a primary still.
    world.reached("a", primary(1));
    assert_eq!(world.hosts.failovers(), 1);
    world.reached("a", standby(0));
    world.reached("b", standby(0));
    world.reached("a", primary(3));
    assert_eq!(world.hosts.failovers(), 2, "and back");
    let failures: Vec<_> = world.hosts.views().map(|host| host.failures).collect();
    assert_eq!(failures, [2, 0]);
}

#[test]
fn two_primaries_of_different_things_are_no_failover() {
    let unknown = Report { in_recovery: false, asked: None };
    for report in [primary(1), unknown] {
        let mut world = World::new(&["a", "b"]);
        for _ in 0..3 {
            world.reached("a", report);
            world.reached("b", report);
        }
        assert_eq!(world.hosts.failovers(), 0);
    }
}

#[test]
fn a_host_whose_timeline_nobody_knows_is_asked() {
    let mut world = World::new(&["a", "b"]);
    let wish = wish(READ_WRITE);
    let a = world.id("a");
    assert!(!world.hosts.must_ask(a, &wish, world.now), "there is nothing to compare with");
    world.reached("b", primary(2));
    assert!(world.hosts.must_ask(a, &wish, world.now));
    world.reached("a", primary(1));
    assert!(!world.hosts.must_ask(a, &wish, world.now));
}

#[test]
fn a_standby_is_preferred_and_a_primary_taken_for_want_of_one() {
    let mut world = World::new(&["a", "b"]);
    let wish = wish(TargetSessionAttrs::PreferStandby);
    let mut attempt = Attempt::default();
    let candidate = world.hosts.next(&wish, &mut attempt, world.now, 0.0).unwrap();
    assert_eq!(world.hosts.place(candidate.id), Some(&"a"));
    world.reached("a", primary(1));
    assert!(!world.hosts.accept(&wish, candidate, &mut attempt, world.now), "b may be one");
    let candidate = world.hosts.next(&wish, &mut attempt, world.now, 0.0).unwrap();
    assert_eq!(world.hosts.place(candidate.id), Some(&"b"));
    world.failed("b");
    world.hosts.give_up_on(candidate, &mut attempt);
    let candidate = world.hosts.next(&wish, &mut attempt, world.now, 0.0).unwrap();
    assert_eq!(candidate, Candidate { id: world.id("a"), is_second_best: true });
    assert!(world.hosts.accept(&wish, candidate, &mut attempt, world.now));
    assert!(world.is_welcome("a", &wish));
    world.reached("b", standby(0));
    assert!(!world.is_welcome("a", &wish), "back to the standby when there is one");
}

#[test]
fn a_standby_too_far_behind_gets_nothing() {
    let mut world = World::new(&["a", "b", "c"]);
    let near = Wish { max_lag: Some(SECOND), ..wish(TargetSessionAttrs::PreferStandby) };
    let only = Wish { attrs: TargetSessionAttrs::Standby, ..near };
    world.reached("a", primary(1));
    world.reached("b", standby(1001));
    world.reached("c", standby(1000));
    assert_eq!(world.tried(&near), ["c", "a"]);
    assert_eq!(world.tried(&only), ["c"]);
    assert!(!world.is_welcome("b", &only) && world.is_welcome("c", &only));
    world.reached("c", standby(5000));
    assert_eq!(world.tried(&near), ["a"], "the primary, which is not behind");
    assert_eq!(world.tried(&only), [""; 0]);
    assert_eq!(
        world.hosts.explain(&only, world.now),
        "a is not a standby; b is too far behind (max_replica_lag); c is too far behind \
         (max_replica_lag)"
    );
}

#[test]
fn a_fenced_primary_is_left() {
    let mut world = World::new(&["a"]);
    let (write, first) = (wish(READ_WRITE), wish(TargetSessionAttrs::Primary));
    let asked = Asked { read_only: true, ..primary(1).asked.unwrap() };
    world.reached("a", Report { asked: Some(asked), ..primary(1) });
    assert!(!world.is_welcome("a", &write) && world.is_welcome("a", &first));
    assert_eq!(world.first(&wish(TargetSessionAttrs::ReadOnly)), Some("a"));
    // A login says no more than that it is no standby.
    world.reached("a", Report { in_recovery: false, asked: None });
    assert!(!world.is_welcome("a", &write));
}

#[test]
fn attempts_are_spread_and_go_round_those_that_fail() {
    let mut world = World::new(&["a", "b", "c"]);
    let with = |balance| Wish { balance, ..Wish::default() };
    let in_turn: Vec<_> =
        (0..6).map(|_| world.first(&with(LoadBalance::RoundRobin)).unwrap()).collect();
    assert_eq!(in_turn[..3], in_turn[3..]);
    let mut each = in_turn[..3].to_vec();
    each.sort_unstable();
    assert_eq!(each, ["a", "b", "c"]);
    assert_eq!(world.tried(&with(LoadBalance::Disable)), ["a", "b", "c"]);
    let chosen: Vec<_> = [0.0, 0.4, 0.9]
        .into_iter()
        .map(|random| {
            let wish = with(LoadBalance::Random);
            let mut attempt = Attempt::default();
            let next = world.hosts.next(&wish, &mut attempt, world.now, random).unwrap();
            *world.hosts.place(next.id).unwrap()
        })
        .collect();
    assert_eq!(chosen, ["a", "b", "c"]);
    world.failed("a");
    assert_eq!(world.tried(&with(LoadBalance::Disable)), ["b", "c"]);
    world.now += SECOND;
    assert_eq!(
        world.tried(&with(LoadBalance::Disable)),
        ["b", "c", "a"],
        "last, and only one tries"
    );
    assert_eq!(world.tried(&with(LoadBalance::Disable)), ["b", "c"]);
}

#[test]
fn a_name_that_leads_elsewhere_takes_its_connections_along() {
    let mut hosts = Hosts::default();
    hosts.set_places(0, vec!["10.0.0.1", "10.0.0.2"]);
    let ids: Vec<_> = hosts.views().map(|host| host.id).collect();
    let version = hosts.version();
    hosts.set_places(0, vec!["10.0.0.2", "10.0.0.1"]);
    assert_eq!(hosts.version(), version, "another order is no change");
    hosts.set_places(0, vec!["10.0.0.2", "10.0.0.3"]);
    assert!(hosts.version() > version);
    let now = Instant::now();
    assert!(!hosts.is_welcome(ids[0], &Wish::default(), now));
    assert!(hosts.is_welcome(ids[1], &Wish::default(), now), "what stays is known still");
    assert_eq!(hosts.len(), 2);
}

/// What a host really is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    Dead,
    Primary,
    Standby { lag_ms: u64 },
}

#[derive(Clone, Debug)]
enum Action {
    Becomes(usize, Truth),
    Wait(u64),
    Check(usize),
    Attempt(Wish),
}

fn truth() -> impl Strategy<Value = Truth> {
    prop_oneof![
        Just(Truth::Dead),
        Just(Truth::Primary),
        (0..4_000_u64).prop_map(|lag_ms| Truth::Standby { lag_ms }),
    ]
}

fn any_wish() -> impl Strategy<Value = Wish> {
    let attrs = prop::sample::select(TargetSessionAttrs::ALL.to_vec());
    let balance = prop::sample::select(LoadBalance::ALL.to_vec());
    let max_lag = prop::option::of(Just(2 * SECOND));
    (attrs, balance, max_lag).prop_map(|(attrs, balance, max_lag)| Wish { attrs, balance, max_lag })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        2 => (0..3_usize, truth()).prop_map(|(host, truth)| Action::Becomes(host, truth)),
        2 => (0..20_000_u64).prop_map(Action::Wait),
        3 => (0..3_usize).prop_map(Action::Check),
        4 => any_wish().prop_map(Action::Attempt),
    ]
}

/// Whether a host that really is this will do.
fn does(truth: Truth, wish: &Wish) -> bool {
    use TargetSessionAttrs as Attrs;
    let near = |lag_ms| wish.max_lag.is_none_or(|most| Duration::from_millis(lag_ms) <= most);
    match (truth, wish.attrs) {
        (Truth::Dead, _) => false,
        (Truth::Primary, attrs) => !matches!(attrs, Attrs::Standby | Attrs::ReadOnly),
        (Truth::Standby { .. }, Attrs::ReadWrite | Attrs::Primary) => false,
        (Truth::Standby { lag_ms }, _) => near(lag_ms),
    }
}

struct Model {
    world: World,
    truths: [Truth; 3],
}

impl Model {
    fn report(&self, host: usize) -> Option<Report> {
        match self.truths[host] {
            Truth::Dead => None,
            // All of one timeline: two primaries at a time are another test's.
            Truth::Primary => Some(primary(1)),
            Truth::Standby { lag_ms } => Some(standby(lag_ms)),
        }
    }

    fn check(&mut self, host: usize) -> bool {
        let place = ["a", "b", "c"][host];
        match self.report(host) {
            Some(report) => self.world.reached(place, report),
            None => self.world.failed(place),
        }
        self.truths[host] != Truth::Dead
    }

    /// What the shell does; the host that it ends at.
    fn attempt(&mut self, wish: &Wish) -> Option<usize> {
        let mut attempt = Attempt::default();
        for _ in 0..12 {
            let now = self.world.now;
            let candidate = self.world.hosts.next(wish, &mut attempt, now, 0.5)?;
            let place = *self.world.hosts.place(candidate.id).unwrap();
            let host = ["a", "b", "c"].iter().position(|known| *known == place).unwrap();
            if !self.check(host) {
                self.world.hosts.give_up_on(candidate, &mut attempt);
            } else if self.world.hosts.accept(wish, candidate, &mut attempt, now) {
                return Some(host);
            }
        }
        panic!("an attempt that does not end");
    }
}

proptest! {
    #[test]
    fn what_is_chosen_does_and_what_does_is_found(actions in prop::collection::vec(action(), 1..40)) {
        let world = World::new(&["a", "b", "c"]);
        let mut model = Model { world, truths: [Truth::Primary, Truth::Dead, Truth::Dead] };
        for action in actions {
            match action {
                Action::Becomes(host, truth) => model.truths[host] = truth,
                Action::Wait(ms) => model.world.now += Duration::from_millis(ms),
                Action::Check(host) => { model.check(host); }
                Action::Attempt(wish) => {
                    if let Some(host) = model.attempt(&wish) {
                        prop_assert!(does(model.truths[host], &wish), "{wish:?} {:?}", model.truths);
                        let place = ["a", "b", "c"][host];
                        prop_assert!(model.world.is_welcome(place, &wish));
                    }
                    // After a while nothing that was believed stands in the way.
                    model.world.now += BELIEVED + SECOND;
                    let there = model.truths.iter().any(|truth| does(*truth, &wish));
                    prop_assert_eq!(model.attempt(&wish).is_some(), there);
                }
            }
        }
    }
}
