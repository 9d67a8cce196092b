//! What must be opened, what must not, and what comes of it.

use std::time::Duration;

use model::ServerId;

use super::{ModelPool, Outage, Server};

impl ModelPool {
    /// Clients that have waited long enough for the reserve.
    fn patient(&self) -> u32 {
        let timeout = self.limits.reserve_timeout.unwrap_or(Duration::MAX);
        u32::try_from(self.queue.patient(usize::MAX, usize::MAX, timeout, self.now)).unwrap()
    }

    pub(crate) fn open_due(&mut self) {
        let before = self.connecting;
        let servable = self.queue.servable(self.low_room());
        let due = self.scheduler.connects_due(self.warm, self.now);
        let number = due.for_queue + due.to_keep_warm;
        self.scheduler.begin_connects(number);
        self.connecting += number;
        if due.for_queue > 0 {
            let most = self.limits.size_with_reserve();
            assert!(self.total() <= most, "more connections than the pool's size");
            let beyond = self.total().saturating_sub(self.limits.size).min(due.for_queue);
            assert!(beyond <= self.patient(), "the reserve is used too early");
            assert!(before + due.for_queue <= u32::try_from(servable).unwrap());
        }
        if due.to_keep_warm > 0 {
            assert!(self.warm && self.total() <= self.limits.min_size.min(self.limits.size));
        }
        assert!(number == 0 || !self.paused);
        if let Some(outage) = self.outage {
            assert!(number <= 1 && (number == 0 || before == 0), "one attempt at a time");
            assert!(number == 0 || self.now >= outage.next_attempt, "without a pause");
            let room = self.total() < self.limits.size && !self.paused && servable > 0;
            let idle = room && self.connecting == 0;
            assert!(!idle || self.now < outage.next_attempt, "it does not try again");
        } else if !self.paused {
            if self.total() < self.limits.size {
                assert!(self.connecting as usize >= servable.min(8), "nobody connects");
            } else if self.total() < self.limits.size_with_reserve() {
                // Who could not be served by a dead connection has been put first, anew.
                let timeout = self.limits.reserve_timeout.unwrap_or(Duration::MAX);
                let first = self.limits.reserve_size as usize;
                let due = self.queue.patient(first, self.low_room(), timeout, self.now);
                assert!(self.connecting as usize >= due.min(8), "the reserve is not used");
            }
            let least = self.limits.min_size.min(self.limits.size);
            let warm = !self.warm || self.total() >= least || self.connecting >= 8;
            assert!(warm, "the pool is not kept warm");
        }
    }

    pub(crate) fn connected(&mut self) {
        if self.connecting == 0 {
            return;
        }
        self.connecting -= 1;
        self.scheduler.connected();
        self.ever_connected = true;
        self.outage = None;
        let id = ServerId(self.next_server);
        self.next_server += 1;
        let jitter = u32::try_from(id.0 * 37 % 101).unwrap();
        self.out.push(Server { id, opened: self.now, jitter, idle_since: self.now });
        self.free(self.out.len() - 1);
    }

    pub(crate) fn connect_failed(&mut self, permanent: bool) {
        if self.connecting == 0 {
            return;
        }
        self.connecting -= 1;
        let pause = match self.outage {
            None => Duration::from_millis(50),
            Some(outage) if self.now < outage.next_attempt => outage.next_attempt - self.now,
            Some(outage) => (outage.pause * 2).min(Duration::from_secs(1)),
        };
        let (since, length) = self.outage.map_or((self.now, pause), |outage| {
            let repeated = self.now < outage.next_attempt;
            (outage.since, if repeated { outage.pause } else { pause })
        });
        self.outage = Some(Outage { since, next_attempt: self.now + pause, pause: length });
        let told = self.scheduler.connect_failed(permanent, self.now, 1.0);
        let alive = !self.idle.is_empty() || !self.out.is_empty();
        if (permanent && !alive) || self.is_unreachable() {
            let all = self.queue.take_all();
            assert_eq!(told, all);
        } else {
            assert_eq!(told, [], "a restart of the server is not an error");
        }
    }
}
