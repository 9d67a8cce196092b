//! The way from the data path to the aggregator: bounded, never blocks, wakes nobody.

use model::{ClientId, Event};
use parking_lot::Mutex;

/// Events held per shard at most.
const SHARD_LIMIT: usize = 64 * 1024;

/// Events not yet taken by the aggregator.
///
/// Sharded by client, so that a client's events stay in order and clients do not wait for each
/// other. The aggregator comes by on its own clock: an event costs no wake-up and no system call.
#[derive(Debug)]
pub struct EventBuffer {
    /// None where nobody takes events.
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Debug, Default)]
struct Shard {
    events: Vec<Event>,
    dropped: u64,
}

impl EventBuffer {
    /// A buffer with this many shards, at least one.
    #[must_use]
    pub fn new(shards: usize) -> Self {
        Self { shards: (0..shards.max(1)).map(|_| Mutex::default()).collect() }
    }

    /// One that nobody takes events from: it keeps none.
    #[must_use]
    pub fn closed() -> Self {
        Self { shards: Box::default() }
    }

    /// Adds a client's events and empties `events`. What does not fit is dropped and counted.
    pub(crate) fn push(&self, client: ClientId, events: &mut Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let number = usize::try_from(client.0).unwrap_or(0);
        let Some(index) = number.checked_rem(self.shards.len()) else { return events.clear() };
        let mut shard = self.shards[index].lock();
        let room = SHARD_LIMIT - shard.events.len();
        if events.len() > room {
            shard.dropped += (events.len() - room) as u64;
            events.truncate(room);
        }
        shard.events.append(events);
    }

    /// Takes the events of one shard after the other, as `take` is given them; returns how many were
    /// dropped since the last time. Whoever has events meanwhile does not wait for `take`.
    pub fn drain(&self, mut take: impl FnMut(&mut [Event])) -> u64 {
        let mut dropped = 0;
        for shard in &self.shards {
            let mut shard = shard.lock();
            // As many as this time, and some more: growing copies all that there are.
            let capacity = shard.events.len() + shard.events.len() / 4;
            let mut taken = std::mem::replace(&mut shard.events, Vec::with_capacity(capacity));
            dropped += std::mem::take(&mut shard.dropped);
            drop(shard);
            take(&mut taken);
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use model::{ConnectionEvent, SqlState};

    use super::*;

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let buffer = EventBuffer::new(2);
        let refused = || {
            let sqlstate = SqlState::from_bytes(b"53300");
            Event::Connection(ConnectionEvent::Refused { pool: None, sqlstate })
        };
        let mut events: Vec<_> = (0..SHARD_LIMIT + 3).map(|_| refused()).collect();
        buffer.push(ClientId(4), &mut events);
        assert!(events.is_empty());
        buffer.push(ClientId(5), &mut vec![refused()]);
        let mut taken = 0;
        assert_eq!(buffer.drain(|events| taken += events.len()), 3);
        assert_eq!(taken, SHARD_LIMIT + 1);
        assert_eq!(buffer.drain(|events| taken += events.len()), 0);
        assert_eq!(taken, SHARD_LIMIT + 1);
    }
}
