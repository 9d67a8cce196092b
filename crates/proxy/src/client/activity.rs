//! What a client is doing and since when, for whoever looks: the console, and the clock.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::ClientState;
use pooling::timeouts::{Doing, Timeouts};

/// What a client is doing and since when.
///
/// Written by the client's task alone, with relaxed stores: a reader sees each field as of a moment
/// ago. So the clock only rings; the task itself then decides what its client has earned.
#[derive(Debug)]
pub(super) struct Activity {
    started: Instant,
    state: AtomicU8,
    /// Microseconds since `started`, here and below.
    since_us: AtomicU64,
    requested_us: AtomicU64,
    in_transaction_us: AtomicU64,
    /// A timeout seems to be over.
    alarm: AtomicBool,
    /// It was rung for while it stood in the queue this time.
    rung_in_queue: AtomicBool,
}

impl Activity {
    pub(super) fn new(started: Instant) -> Self {
        Self {
            started,
            state: AtomicU8::new(code(ClientState::Login)),
            since_us: AtomicU64::new(0),
            requested_us: AtomicU64::new(0),
            in_transaction_us: AtomicU64::new(0),
            alarm: AtomicBool::new(false),
            rung_in_queue: AtomicBool::new(false),
        }
    }

    fn micros(&self, at: Instant) -> u64 {
        // Not `as_micros`, which divides in 128 bits: this is done several times for each statement.
        let after = at.saturating_duration_since(self.started);
        after.as_secs().saturating_mul(1_000_000) + u64::from(after.subsec_micros())
    }

    fn instant(&self, us: &AtomicU64) -> Instant {
        self.started + Duration::from_micros(us.load(Ordering::Relaxed))
    }

    /// From `at` on it does this, unless it did so before.
    pub(super) fn set(&self, state: ClientState, at: Instant) {
        let before = self.state();
        if state == before {
            return;
        }
        let us = self.micros(at);
        if state == ClientState::Active && before != ClientState::IdleInTransaction {
            self.in_transaction_us.store(us, Ordering::Relaxed);
        }
        if state == ClientState::Waiting {
            self.rung_in_queue.store(false, Ordering::Relaxed);
        }
        self.since_us.store(us, Ordering::Relaxed);
        self.state.store(code(state), Ordering::Relaxed);
    }

    /// It goes on with what it does, as if it had begun at `at`.
    pub(super) fn again(&self, at: Instant) {
        self.since_us.store(self.micros(at), Ordering::Relaxed);
    }

    pub(super) fn requested(&self, at: Instant) {
        self.requested_us.store(self.micros(at), Ordering::Relaxed);
    }

    pub(super) fn state(&self) -> ClientState {
        let code = self.state.load(Ordering::Relaxed);
        STATES.get(usize::from(code)).copied().unwrap_or(ClientState::Login)
    }

    pub(super) fn doing(&self) -> Doing {
        Doing {
            state: self.state(),
            since: self.instant(&self.since_us),
            in_transaction_since: self.instant(&self.in_transaction_us),
        }
    }

    pub(super) fn last_request(&self) -> Instant {
        self.instant(&self.requested_us)
    }

    /// Whether the clock should ring for it; while it stands in the queue, once.
    pub(super) fn is_overdue(&self, timeouts: &Timeouts, now: Instant) -> bool {
        let doing = self.doing();
        timeouts.due(&doing, now).is_some()
            && (doing.state != ClientState::Waiting
                || !self.rung_in_queue.swap(true, Ordering::Relaxed))
    }

    pub(super) fn ring(&self) {
        self.alarm.store(true, Ordering::Release);
    }

    /// Whether the clock has rung since this was asked last.
    pub(super) fn take_alarm(&self) -> bool {
        self.alarm.load(Ordering::Acquire) && self.alarm.swap(false, Ordering::AcqRel)
    }
}

const STATES: [ClientState; 7] = [
    ClientState::Login,
    ClientState::Idle,
    ClientState::Waiting,
    ClientState::Active,
    ClientState::IdleInTransaction,
    ClientState::IdlePinned,
    ClientState::IdleInSession,
];

fn code(state: ClientState) -> u8 {
    STATES.iter().position(|known| *known == state).map_or(0, |index| index as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_begins_with_its_first_statement_and_not_again_with_its_next() {
        let began = Instant::now();
        let after = |ms| began + Duration::from_millis(ms);
        let activity = Activity::new(began);
        activity.set(ClientState::Idle, after(1));
        activity.set(ClientState::Waiting, after(5));
        activity.set(ClientState::Active, after(9));
        activity.set(ClientState::Active, after(10));
        activity.set(ClientState::IdleInTransaction, after(11));
        activity.set(ClientState::Active, after(20));
        let doing = activity.doing();
        assert_eq!((doing.since, doing.in_transaction_since), (after(20), after(9)));
        activity.set(ClientState::IdlePinned, after(30));
        activity.set(ClientState::Active, after(40));
        assert_eq!(activity.doing().in_transaction_since, after(40));
    }

    #[test]
    fn the_clock_rings_once_in_the_queue_and_each_time_elsewhere() {
        let began = Instant::now();
        let later = began + Duration::from_secs(9);
        let second = Some(Duration::from_secs(1));
        let timeouts =
            Timeouts { query_wait_notify: second, client_idle: second, ..Timeouts::default() };
        let activity = Activity::new(began);
        activity.set(ClientState::Idle, began);
        assert!(activity.is_overdue(&timeouts, later) && activity.is_overdue(&timeouts, later));
        for _ in 0..2 {
            activity.set(ClientState::Waiting, began);
            assert!(activity.is_overdue(&timeouts, later));
            assert!(!activity.is_overdue(&timeouts, later));
            activity.set(ClientState::Active, later);
        }
        activity.ring();
        assert!(activity.take_alarm() && !activity.take_alarm());
    }
}
