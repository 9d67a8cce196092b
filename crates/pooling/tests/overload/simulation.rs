//! A pool and its clients, event by event.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};

use model::{Priority, ServerId};
use pgweir_pooling::scheduler::{Age, Freed, Limits, Request, Scheduler, WaiterId};

/// What is not measured yet.
const WARM_UP: Duration = Duration::from_secs(2);

/// Clients that come by chance, whatever becomes of those before them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    pub(crate) priority: Priority,
    pub(crate) per_second: f64,
    /// How long a statement takes; each between three quarters of it and five.
    pub(crate) statement: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives(usize),
    Done(ServerId),
    Tick,
}

#[derive(Clone, Copy, Debug)]
struct Client {
    came: Duration,
    priority: Priority,
    statement: Duration,
}

/// What became of the clients of one priority.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate {
    pub(crate) served: u64,
    pub(crate) rejected: u64,
    waits: Vec<Duration>,
    took: Vec<Duration>,
}

impl Fate {
    /// What this part of them did not wait longer than.
    pub(crate) fn wait(&self, part: f64) -> Duration {
        quantile(&self.waits, part)
    }

    /// What this part of them did not take longer than, waiting and statement.
    pub(crate) fn took(&self, part: f64) -> Duration {
        quantile(&self.took, part)
    }
}

fn quantile(of: &[Duration], part: f64) -> Duration {
    let mut sorted = of.to_vec();
    sorted.sort_unstable();
    let index = (sorted.len() as f64 * part) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// What became of all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    fates: [Fate; 3],
    done_at: Vec<Duration>,
    measured: Duration,
}

impl Outcome {
    pub(crate) fn of(&self, priority: Priority) -> &Fate {
        &self.fates[priority.index()]
    }

    pub(crate) fn served(&self) -> u64 {
        self.fates.iter().map(|fate| fate.served).sum()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.served() as f64 / self.measured.as_secs_f64()
    }

    pub(crate) fn served_between(&self, time: Range<Duration>) -> usize {
        self.done_at.iter().filter(|at| time.contains(at)).count()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}/s", self.per_second())?;
        for priority in Priority::ALL {
            let fate = self.of(priority);
            let (served, rejected) = (fate.served, fate.rejected);
            let (wait, took) = (fate.wait(0.99), fate.took(0.99));
            write!(
                f,
                "; {priority}: {served} served, {rejected} rejected, p99 {took:?} ({wait:?})"
            )?;
        }
        Ok(())
    }
}

pub(crate) struct Simulation {
    scheduler: Scheduler,
    start: Instant,
    now: Duration,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    sources: Vec<Source>,
    waiting: HashMap<WaiterId, Client>,
    running: HashMap<ServerId, Client>,
    still: Range<Duration>,
    outcome: Outcome,
    random: u64,
    next: u64,
}

impl Simulation {
    /// A pool that has all its connections.
    pub(crate) fn new(limits: Limits, sources: &[Source]) -> Self {
        let start = Instant::now();
        let mut scheduler = Scheduler::new(limits);
        for number in 0..u64::from(limits.size) {
            scheduler.begin_connects(1);
            scheduler.connected();
            assert_eq!(scheduler.freed(ServerId(number), Age::new(start, 0.0), start), Freed::Idle);
        }
        let mut simulation = Self {
            scheduler,
            start,
            now: Duration::ZERO,
            events: BinaryHeap::new(),
            sources: sources.to_vec(),
            waiting: HashMap::new(),
            running: HashMap::new(),
            still: Duration::MAX..Duration::MAX,
            outcome: Outcome::default(),
            random: 20_261_130,
            next: 0,
        };
        for source in 0..sources.len() {
            simulation.arrives_next(source);
        }
        simulation.after(Duration::from_millis(50), Event::Tick);
        simulation
    }

    /// So many come at once at the beginning.
    pub(crate) fn burst(mut self, number: usize, statement: Duration) -> Self {
        for _ in 0..number {
            self.arrives(Client { came: self.now, priority: Priority::Normal, statement });
        }
        self
    }

    /// No statement ends in this time.
    pub(crate) fn stands_still(&mut self, time: Range<Duration>) {
        self.still = time;
    }

    /// A number between 0 and 1 (Knuth's MMIX generator).
    fn random(&mut self) -> f64 {
        let (factor, add) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
        self.random = self.random.wrapping_mul(factor).wrapping_add(add);
        (self.random >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn after(&mut self, time: Duration, event: Event) {
        self.next += 1;
        self.events.push(Reverse((self.now + time, self.next, event)));
    }

    fn arrives_next(&mut self, source: usize) {
        let pause = -(1.0 - self.random()).ln() / self.sources[source].per_second;
        self.after(Duration::from_secs_f64(pause), Event::Arrives(source));
    }

    pub(crate) fn run(mut self, length: Duration) -> Outcome {
        while let Some(Reverse((at, _, event))) = self.events.pop()
            && at < length
        {
            self.now = at;
            match event {
                Event::Arrives(index) => {
                    self.arrives_next(index);
                    let Source { priority, statement, .. } = self.sources[index];
                    let statement = statement.mul_f64(0.75 + 0.5 * self.random());
                    self.arrives(Client { came: at, priority, statement });
                }
                Event::Done(_) if self.still.contains(&at) => {
                    let rest = self.still.end - at;
                    self.after(rest, event);
                }
                Event::Done(server) => self.done(server),
                Event::Tick => {
                    let due = self.scheduler.tick(true, self.start + at);
                    for (waiter, server) in due.grant {
                        self.begins(waiter, server);
                    }
                    assert_eq!((due.refuse, due.close), (Vec::new(), Vec::new()));
                    self.after(Duration::from_millis(50), Event::Tick);
                }
            }
        }
        self.outcome.measured = if self.sources.is_empty() { length } else { length - WARM_UP };
        self.outcome
    }

    fn arrives(&mut self, client: Client) {
        self.next += 1;
        let waiter = WaiterId(self.next);
        let now = self.start + self.now;
        match self.scheduler.request(waiter, client.priority, None, now) {
            Request::Granted(server) => self.works(server, client),
            Request::Queued { displaced } => {
                assert_eq!(displaced, None);
                self.waiting.insert(waiter, client);
            }
            Request::Rejected(_) if self.is_measured() => {
                self.outcome.fates[client.priority.index()].rejected += 1;
            }
            Request::Rejected(_) => {}
        }
    }

    fn is_measured(&self) -> bool {
        self.now >= WARM_UP || self.sources.is_empty()
    }

    fn begins(&mut self, waiter: WaiterId, server: ServerId) {
        let client = self.waiting.remove(&waiter).unwrap();
        self.works(server, client);
    }

    fn works(&mut self, server: ServerId, client: Client) {
        self.outcome.fates[client.priority.index()].waits.push(self.now - client.came);
        self.running.insert(server, client);
        self.after(client.statement, Event::Done(server));
    }

    fn done(&mut self, server: ServerId) {
        let client = self.running.remove(&server).unwrap();
        let is_measured = self.is_measured();
        let fate = &mut self.outcome.fates[client.priority.index()];
        fate.took.push(self.now - client.came);
        fate.served += u64::from(is_measured);
        self.outcome.done_at.push(self.now);
        let now = self.start + self.now;
        match self.scheduler.freed(server, Age::new(self.start, 0.0), now) {
            Freed::To(waiter) => self.begins(waiter, server),
            Freed::Idle => {}
            Freed::Close => panic!("nothing is to be closed"),
        }
    }
}
