//! Clients that wait: a queue for each priority, and whose turn it is.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use model::Priority;

use super::WaiterId;
use super::pace::Pace;

/// Of so many grants that pass over somebody of a lower priority, the next is theirs: those of high
/// priority lose a ninth of what comes free, and nobody starves.
const PASSED_OVER: u32 = 8;

#[derive(Clone, Copy, Debug)]
pub(super) struct Waiter {
    pub(super) id: WaiterId,
    pub(super) since: Instant,
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: [Lane; Priority::ALL.len()],
    len: usize,
    /// Grants in a row that passed over somebody.
    passed_over: u32,
}

/// Those of one priority: first come, first served.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Waiter>,
    pace: Pace,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Those of this priority.
    pub(super) fn of(&self, priority: Priority) -> usize {
        self.lanes[priority.index()].waiting.len()
    }

    /// Whether nobody waits who is as urgent, or more.
    pub(super) fn lets_pass(&self, priority: Priority) -> bool {
        let lanes = &self.lanes[..=priority.index()];
        self.len == 0 || lanes.iter().all(|lane| lane.waiting.is_empty())
    }

    /// Those that may be served, if so many of low priority may.
    pub(super) fn servable(&self, low_room: u32) -> usize {
        let low = self.of(Priority::Low);
        self.len - low + low.min(low_room as usize)
    }

    /// Those that may be served, in the order of their priorities.
    pub(super) fn servable_ones(&self, low_room: u32) -> impl Iterator<Item = &Waiter> {
        let [high, normal, low] = &self.lanes;
        let low = low.waiting.iter().take(low_room as usize);
        high.waiting.iter().chain(&normal.waiting).chain(low)
    }

    /// Joins behind the others. `out`: server connections that will come back for this priority.
    pub(super) fn push(
        &mut self,
        priority: Priority,
        waiter: Waiter,
        out: u32,
        memory: Option<Duration>,
    ) {
        self.begin(priority, waiter.since, out, memory).push_back(waiter);
    }

    /// Joins in front of those of its priority.
    pub(super) fn push_front(
        &mut self,
        priority: Priority,
        waiter: Waiter,
        out: u32,
        memory: Option<Duration>,
    ) {
        self.begin(priority, waiter.since, out, memory).push_front(waiter);
    }

    /// The queue that somebody joins now.
    fn begin(
        &mut self,
        priority: Priority,
        now: Instant,
        out: u32,
        memory: Option<Duration>,
    ) -> &mut VecDeque<Waiter> {
        let lane = &mut self.lanes[priority.index()];
        if let Some(memory) = memory
            && lane.waiting.is_empty()
        {
            lane.pace.begin(out, memory, now);
        }
        self.len += 1;
        &mut lane.waiting
    }

    /// Whose turn it is; `low_too`: whether those of low priority have one.
    pub(super) fn pop(
        &mut self,
        low_too: bool,
        memory: Option<Duration>,
        now: Instant,
    ) -> Option<(Waiter, Priority)> {
        if self.is_empty() {
            return None;
        }
        let last = if low_too { Priority::Low } else { Priority::Normal };
        let lanes = &self.lanes[..=last.index()];
        let first = lanes.iter().position(|lane| !lane.waiting.is_empty())?;
        let since = |index: &usize| lanes[*index].waiting.front().map(|waiter| waiter.since);
        let passed = (first + 1..lanes.len()).filter(|index| since(index).is_some());
        let index = match passed.min_by_key(since) {
            None => {
                self.passed_over = 0;
                first
            }
            Some(oldest) if self.passed_over >= PASSED_OVER => {
                self.passed_over = 0;
                oldest
            }
            Some(_) => {
                self.passed_over += 1;
                first
            }
        };
        let lane = &mut self.lanes[index];
        let waiter = lane.waiting.pop_front()?;
        self.len -= 1;
        if let Some(memory) = memory {
            lane.pace.served(memory, now);
            lane.end_if_empty(memory, now);
        }
        Some((waiter, Priority::ALL[index]))
    }

    /// The one that came last of those of the lowest priority, if that is lower than this.
    pub(super) fn pop_below(
        &mut self,
        priority: Priority,
        memory: Option<Duration>,
        now: Instant,
    ) -> Option<WaiterId> {
        let below = &mut self.lanes[priority.index() + 1..];
        let lane = below.iter_mut().rev().find(|lane| !lane.waiting.is_empty())?;
        let waiter = lane.waiting.pop_back()?;
        self.len -= 1;
        if let Some(memory) = memory {
            lane.end_if_empty(memory, now);
        }
        Some(waiter.id)
    }

    /// Whether somebody of a lower priority waits.
    pub(super) fn has_below(&self, priority: Priority) -> bool {
        self.lanes[priority.index() + 1..].iter().any(|lane| !lane.waiting.is_empty())
    }

    /// Leaves. False if it was not there.
    pub(super) fn remove(&mut self, waiter: WaiterId) -> bool {
        for lane in &mut self.lanes {
            if let Some(index) = lane.waiting.iter().position(|waiting| waiting.id == waiter) {
                lane.waiting.remove(index);
                self.len -= 1;
                return true;
            }
        }
        false
    }

    /// Those that have waited for so long leave.
    pub(super) fn take_overdue(&mut self, timeout: Duration, now: Instant) -> Vec<WaiterId> {
        let mut overdue = Vec::new();
        for lane in &mut self.lanes {
            while let Some(first) = lane.waiting.front()
                && now.duration_since(first.since) >= timeout
            {
                overdue.push(first.id);
                lane.waiting.pop_front();
            }
        }
        self.len -= overdue.len();
        overdue
    }

    /// All leave.
    pub(super) fn take_all(&mut self) -> Vec<WaiterId> {
        self.len = 0;
        let lanes = self.lanes.iter_mut();
        lanes.flat_map(|lane| lane.waiting.drain(..)).map(|waiter| waiter.id).collect()
    }

    /// How long the one that came first has waited.
    pub(super) fn longest_wait(&self, now: Instant) -> Duration {
        let firsts = self.lanes.iter().filter_map(|lane| lane.waiting.front());
        firsts.map(|first| now.duration_since(first.since)).max().unwrap_or_default()
    }

    /// How long one more of this priority has to expect to wait: as those in front of it are being
    /// served, and no less than the first of them has waited already.
    pub(super) fn expected_wait(
        &mut self,
        priority: Priority,
        memory: Duration,
        now: Instant,
    ) -> Duration {
        let lane = &mut self.lanes[priority.index()];
        let first = lane.waiting.front().map(|first| now.duration_since(first.since));
        let expected = lane.pace.expected(lane.waiting.len(), memory, now);
        expected.max(first.unwrap_or_default())
    }

    /// What is known of how fast it moves holds no more. `out` as for [`Self::push`].
    pub(super) fn forget_pace(
        &mut self,
        out: impl Fn(Priority) -> u32,
        memory: Duration,
        now: Instant,
    ) {
        for (priority, lane) in Priority::ALL.into_iter().zip(&mut self.lanes) {
            lane.pace = Pace::default();
            if !lane.waiting.is_empty() {
                lane.pace.begin(out(priority), memory, now);
            }
        }
    }
}

impl Lane {
    fn end_if_empty(&mut self, memory: Duration, now: Instant) {
        if self.waiting.is_empty() {
            self.pace.end(memory, now);
        }
    }
}
