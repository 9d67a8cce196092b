//! Who waits, in one list.

use std::time::{Duration, Instant};

use model::Priority;
use pgweir_pooling::scheduler::WaiterId;

#[derive(Clone, Copy, Debug)]
struct Waiter {
    id: WaiterId,
    priority: Priority,
    since: Instant,
}

/// Who waits: by priority, and of each whoever comes first first.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    all: Vec<Waiter>,
    /// Grants in a row that passed over somebody.
    passed_over: u32,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn of(&self, priority: Priority) -> usize {
        self.all.iter().filter(|waiter| waiter.priority == priority).count()
    }

    pub(super) fn as_urgent_as(&self, priority: Priority) -> usize {
        self.all.iter().filter(|waiter| waiter.priority <= priority).count()
    }

    pub(super) fn push(&mut self, id: WaiterId, priority: Priority, since: Instant) {
        let index = self.as_urgent_as(priority);
        self.all.insert(index, Waiter { id, priority, since });
    }

    pub(super) fn push_front(&mut self, id: WaiterId, priority: Priority, since: Instant) {
        let index = self.as_urgent_as(priority) - self.of(priority);
        self.all.insert(index, Waiter { id, priority, since });
    }

    pub(super) fn remove(&mut self, id: WaiterId) {
        self.all.retain(|waiter| waiter.id != id);
    }

    pub(super) fn nth(&self, which: usize) -> Option<WaiterId> {
        self.all.get(which % self.all.len().max(1)).map(|waiter| waiter.id)
    }

    pub(super) fn lowest_and_last(&self) -> (WaiterId, Priority) {
        let last = self.all.last().unwrap();
        (last.id, last.priority)
    }

    fn servable_ones(&self, low_room: usize) -> impl Iterator<Item = &Waiter> {
        let mut low_room = low_room;
        self.all.iter().filter(move |waiter| {
            let may = waiter.priority != Priority::Low || low_room > 0;
            low_room -= usize::from(may && waiter.priority == Priority::Low);
            may
        })
    }

    pub(super) fn servable(&self, low_room: usize) -> usize {
        self.servable_ones(low_room).count()
    }

    /// Of the first so many that may be served, those that have waited for so long.
    pub(super) fn patient(
        &self,
        first: usize,
        low_room: usize,
        timeout: Duration,
        now: Instant,
    ) -> usize {
        let first = self.servable_ones(low_room).take(first);
        first.filter(|waiter| now - waiter.since >= timeout).count()
    }

    /// Whose turn it is. The ninth that passes over somebody does not.
    pub(super) fn next(&mut self, low_room: usize) -> Option<(WaiterId, Priority)> {
        let may = |waiter: &&Waiter| waiter.priority != Priority::Low || low_room > 0;
        let first = *self.all.iter().find(may)?;
        let mut heads: Vec<Waiter> = Vec::new();
        for waiter in self.all.iter().filter(may) {
            if heads.last().is_none_or(|head| head.priority != waiter.priority) {
                heads.push(*waiter);
            }
        }
        let passed = heads[1..].iter().min_by_key(|waiter| waiter.since);
        let next = match passed {
            None => {
                self.passed_over = 0;
                first
            }
            Some(oldest) if self.passed_over == 8 => {
                self.passed_over = 0;
                *oldest
            }
            Some(_) => {
                self.passed_over += 1;
                first
            }
        };
        Some((next.id, next.priority))
    }

    pub(super) fn take_late(
        &mut self,
        timeout: Duration,
        now: Instant,
    ) -> impl Iterator<Item = WaiterId> {
        // Who was put first, anew, hides those behind.
        let mut late = Vec::new();
        for priority in Priority::ALL {
            let of = self.all.iter().filter(|waiter| waiter.priority == priority);
            late.extend(of.take_while(|waiter| now - waiter.since >= timeout).map(|one| one.id));
        }
        self.all.retain(|waiter| !late.contains(&waiter.id));
        late.into_iter()
    }

    pub(super) fn take_all(&mut self) -> Vec<WaiterId> {
        self.all.drain(..).map(|waiter| waiter.id).collect()
    }

    pub(super) fn longest_wait(&self, now: Instant) -> Duration {
        let heads = Priority::ALL.map(|priority| {
            let head = self.all.iter().find(|waiter| waiter.priority == priority);
            head.map(|waiter| now - waiter.since)
        });
        heads.into_iter().flatten().max().unwrap_or_default()
    }
}
