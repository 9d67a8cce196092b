//! Connections that are not logged in. They cost a socket and some memory, and anybody can open
//! them: there is a bound on them, and whoever has been here for longest makes room.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Shared;

/// Nobody is shown out before that: it is longer than a login takes that is at work.
const GRACE: Duration = Duration::from_secs(2);

/// Those who are not logged in, by the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Lobby(Mutex<Guests>);

#[derive(Debug, Default)]
struct Guests {
    next: u64,
    here: BTreeMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    since: Instant,
    leave: Arc<Notify>,
}

/// Whether there is room for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Yes.
    Free,
    /// If somebody is shown out.
    Made,
    /// No: all have come just now.
    None,
}

impl Lobby {
    /// Whether nobody is there.
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().here.is_empty()
    }

    pub(super) fn room(&self, most: usize, now: Instant) -> Room {
        let guests = self.0.lock();
        if guests.here.len() < most {
            return Room::Free;
        }
        let oldest = guests.here.first_key_value();
        match oldest.is_some_and(|(_, guest)| now.duration_since(guest.since) >= GRACE) {
            true => Room::Made,
            false => Room::None,
        }
    }

    /// Lets one in; those who are too many are shown out.
    fn enter(&self, most: usize, now: Instant) -> (u64, Arc<Notify>) {
        let mut guests = self.0.lock();
        while guests.here.len() >= most.max(1)
            && let Some((_, guest)) = guests.here.pop_first()
        {
            guest.leave.notify_one();
        }
        let (number, leave) = (guests.next, Arc::new(Notify::new()));
        guests.next += 1;
        guests.here.insert(number, Guest { since: now, leave: Arc::clone(&leave) });
        (number, leave)
    }

    fn leave(&self, number: u64) {
        self.0.lock().here.remove(&number);
    }
}

/// The time that a connection is not logged in. Dropped, it is over.
pub(crate) struct Stay {
    shared: Arc<Shared>,
    number: u64,
    leave: Arc<Notify>,
}

impl Stay {
    pub(super) fn begin(shared: &Arc<Shared>, most: usize, now: Instant) -> Self {
        let (number, leave) = shared.lobby.enter(most, now);
        Self { shared: Arc::clone(shared), number, leave }
    }

    /// Returns when the connection must make room for others. Cancel-safe.
    pub(crate) async fn is_over(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.shared.lobby.leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_came_first_make_room_once_they_had_their_time() {
        let lobby = Lobby::default();
        let start = Instant::now();
        let (first, told) = lobby.enter(2, start);
        assert_eq!(lobby.room(2, start), Room::Free);
        let (second, _) = lobby.enter(2, start + GRACE / 2);
        assert_eq!(lobby.room(2, start + GRACE / 2), Room::None);
        assert_eq!(lobby.room(2, start + GRACE), Room::Made);
        let (third, _) = lobby.enter(2, start + GRACE);
        let here: Vec<_> = lobby.0.lock().here.keys().copied().collect();
        assert_eq!(here, [second, third]);
        // It was told, before anybody listened.
        let mut waiting = Box::pin(told.notified());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(std::future::Future::poll(waiting.as_mut(), &mut context).is_ready());
        // Who is shown out leaves for the second time, which is nothing.
        lobby.leave(first);
        lobby.leave(second);
        assert_eq!(lobby.room(2, start + GRACE), Room::Free);
    }

    #[test]
    fn a_bound_that_is_lowered_is_kept_from_the_next_on() {
        let lobby = Lobby::default();
        let now = Instant::now();
        for _ in 0..10 {
            lobby.enter(10, now);
        }
        lobby.enter(3, now);
        assert_eq!(lobby.0.lock().here.len(), 3);
    }
}
