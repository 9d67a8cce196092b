//! Kinds of clients that come and go, more than are told apart at one time.

use model::{
    ClientId, HeldLabels, LabelId, Labels, Outcome, QueryEvent, ShapeId, TransactionEvent,
};

use super::*;

const OTHERS: &str = "(others)";

/// Clients, their events on the way, and what the analyser makes of them.
struct World {
    registry: LabelRegistry,
    aggregator: Aggregator,
    shapes: ShapeRegistry,
    shape: ShapeId,
    started_at: Timestamp,
    started: Instant,
    clock: Duration,
    clients: Vec<HeldLabels>,
    on_the_way: Vec<Event>,
    /// Statements by application, of the clients that were told apart; and of the others.
    sent: BTreeMap<String, u64>,
    opened: u64,
}

impl World {
    fn new(limit: usize, settings: AggregatorSettings) -> Self {
        let shapes = ShapeRegistry::new(100);
        let started = Instant::now();
        let started_at = Timestamp::from_second(1_795_464_900).expect("a valid second");
        Self {
            registry: LabelRegistry::new(limit),
            aggregator: Aggregator::new(settings, started_at, started),
            shape: shapes.observe_one(SELECT.as_bytes()).shape.id,
            shapes,
            started_at,
            started,
            clock: Duration::ZERO,
            clients: Vec::new(),
            on_the_way: Vec::new(),
            sent: BTreeMap::new(),
            opened: 0,
        }
    }

    fn connect(&mut self, application: usize) {
        let database = format!("tenant {}", application % 3);
        let labels = Labels::new(database, "web", format!("worker {application}"));
        let held = self.registry.share(labels);
        let opened = ConnectionEvent::Opened { client: ClientId(1), labels: held.id() };
        self.on_the_way.push(Event::Connection(opened));
        self.opened += 1;
        self.clients.push(held);
    }

    fn run(&mut self, client: usize) {
        let Some(client) = client.checked_rem(self.clients.len()).map(|at| &self.clients[at])
        else {
            return;
        };
        let name = if client.id() == LabelId::OTHERS { OTHERS } else { &*client.application };
        *self.sent.entry(name.to_owned()).or_default() += 1;
        let mut query = statement(client.id(), self.shape, self.started);
        let whole = transaction(client.id(), self.started);
        // Half of them come as two events.
        let absorbed = self.on_the_way.len().is_multiple_of(2) && query.absorb(&whole);
        self.on_the_way.push(Event::Query(query));
        if !absorbed {
            self.on_the_way.push(Event::Transaction(whole));
        }
    }

    fn disconnect(&mut self, client: usize) {
        let Some(at) = client.checked_rem(self.clients.len()) else { return };
        self.run(at);
        let held = self.clients.swap_remove(at);
        self.on_the_way.push(Event::Connection(ConnectionEvent::Closed {
            client: ClientId(1),
            labels: held.id(),
            lifetime: Duration::from_secs(1),
        }));
    }

    /// The analyser comes by; `meanwhile` others go on, once their events were taken.
    fn take(&mut self, meanwhile: impl FnOnce(&mut Self)) {
        let now = self.started_at + self.clock;
        let mut events = std::mem::take(&mut self.on_the_way);
        meanwhile(self);
        for event in &mut events {
            self.aggregator.apply(event, now, &self.shapes, &self.registry);
        }
        let forgotten = self.registry.make_room();
        self.aggregator.forget_kinds(&forgotten);
    }

    fn snapshot(&mut self) -> Snapshot {
        self.aggregator.snapshot(self.started_at + self.clock, &self.registry)
    }

    /// What was measured, by application, however many ids it had.
    fn measured(&mut self) -> BTreeMap<String, u64> {
        let snapshot = self.snapshot();
        let mut measured = BTreeMap::new();
        for (key, row) in snapshot.minutes.iter().flat_map(|minute| &minute.queries) {
            let name = snapshot.labels[&key.labels].application.to_string();
            *measured.entry(name).or_default() += row.calls;
        }
        measured
    }

    /// Transactions since the start by database: as the metrics have them, as SHOW STATS has them, and
    /// as they were.
    fn by_database(&mut self) -> [BTreeMap<String, u64>; 3] {
        let now = self.started_at + self.clock;
        let totals = self.aggregator.totals(now);
        let scraped = totals.pools.iter().filter(|(_, pool)| pool.transactions.count() > 0);
        let scraped =
            scraped.map(|(key, pool)| (key.database.to_string(), pool.transactions.count()));
        let shown = self.snapshot().database_totals.into_iter();
        let shown = shown.map(|(name, totals)| (name.to_string(), totals.transactions));
        let mut sent = BTreeMap::new();
        for (application, count) in &self.sent {
            let number = application.strip_prefix("worker ").map(|n| n.parse::<usize>().unwrap());
            let database = number.map_or(OTHERS.to_owned(), |n| format!("tenant {}", n % 3));
            *sent.entry(database).or_default() += count;
        }
        [scraped.collect(), shown.collect(), sent]
    }
}

fn statement(labels: LabelId, shape: ShapeId, now: Instant) -> QueryEvent {
    QueryEvent {
        client: ClientId(1),
        transaction: 1,
        in_block: false,
        shape,
        labels,
        values: 0,
        prepared_literals: None,
        finished: now,
        wait: Duration::ZERO,
        first_byte: Duration::ZERO,
        total: Duration::from_millis(1),
        stalled: Duration::ZERO,
        rows: 1,
        bytes_received: 0,
        bytes_sent: 0,
        outcome: Outcome::Done,
        sample: None,
        tags: None,
        trace: None,
        alone: None,
    }
}

fn transaction(labels: LabelId, now: Instant) -> TransactionEvent {
    TransactionEvent {
        client: ClientId(1),
        transaction: 1,
        labels,
        block: false,
        pinned: None,
        finished: now,
        duration: Duration::from_millis(1),
        wait: Duration::ZERO,
        idle: Duration::ZERO,
        longest_idle: Duration::ZERO,
        idle_after: ShapeId::OTHERS,
        statements: 1,
        client_parses: 0,
        server_parses: 0,
        binds: 0,
        bytes_received: 0,
        bytes_sent: 0,
    }
}

#[test]
fn the_newest_of_three_times_the_limit_are_told_apart_and_the_oldest_keep_their_hour() {
    let mut world = World::new(100, AggregatorSettings::default());
    for application in 0..300 {
        world.connect(application);
        world.run(0);
        world.disconnect(0);
        world.take(|_| ());
    }
    assert!(world.registry.len() <= 100, "{}", world.registry.len());
    let measured = world.measured();
    assert_eq!(measured.len(), 300, "each of them, though two thirds are forgotten");
    assert_eq!(measured, world.sent);
    let [scraped, shown, sent] = world.by_database();
    assert_eq!((&scraped, &shown), (&sent, &sent));
    // An hour later nothing names them any more.
    world.clock += Duration::from_secs(3_600);
    let named = world.snapshot().labels.len();
    assert!(named <= 101, "{named}");
    assert_eq!(world.by_database(), [scraped, shown, sent], "counts stay");
}

#[test]
fn a_reset_forgets_who_was_there_and_no_count_since_the_start() {
    let mut world = World::new(100, AggregatorSettings::default());
    for application in 0..3 {
        world.connect(application);
        world.run(application);
    }
    world.take(|_| ());
    assert_eq!(world.snapshot().labels.len(), 4, "and the others");
    let [scraped, _, sent] = world.by_database();
    assert_eq!(scraped, sent);
    world.aggregator.reset(world.started_at, world.started);
    // Databases are read as long as somebody is named in them.
    assert_eq!(world.snapshot().labels.keys().collect::<Vec<_>>(), [&LabelId::OTHERS]);
    world.run(0);
    world.take(|_| ());
    assert_eq!(world.snapshot().labels.len(), 2);
    let [scraped, shown, sent] = world.by_database();
    assert_eq!(scraped, sent);
    assert_eq!(shown.into_values().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_minute_has_no_more_kinds_than_its_bound_and_every_transaction() {
    let settings = AggregatorSettings {
        kind_limit: 20,
        rows_kept: 10,
        old_rows_kept: 5,
        recent_minutes: 1,
        ..AggregatorSettings::default()
    };
    let mut world = World::new(1_000, settings);
    let transactions = |snapshot: &Snapshot| {
        let minute = &snapshot.minutes[0];
        let count = minute.transactions.values().map(|of| of.transactions).sum::<u64>();
        let arrivals = minute.arrivals.values().map(|of| of.opened).sum::<u64>();
        (minute.transactions.len(), minute.arrivals.len(), count, arrivals)
    };
    for application in 0..50 {
        world.connect(application);
        world.run(application);
    }
    world.take(|_| ());
    assert_eq!(transactions(&world.snapshot()), (21, 21, 50, 50));
    for (kinds, minutes) in [(11, 1), (6, 2)] {
        world.clock = Duration::from_secs(60 * minutes);
        assert_eq!(transactions(&world.snapshot()), (kinds, kinds, 50, 50));
    }
}

#[test]
fn transactions_of_folded_kinds_are_named_others_and_stay_their_databases() {
    let settings = AggregatorSettings { rows_kept: 10, ..AggregatorSettings::default() };
    let mut world = World::new(1_000, settings);
    for application in 0..30 {
        world.connect(application);
        world.run(application);
    }
    world.take(|_| ());
    assert_eq!(world.snapshot().last_minute.len(), 0, "none is over");
    world.clock = Duration::from_secs(60);
    let snapshot = world.snapshot();
    let folded = &snapshot.minutes[0].transactions;
    assert_eq!(folded[&LabelId::OTHERS].transactions, 20);
    let unnamed = folded.keys().filter(|id| !snapshot.labels.contains_key(id)).count();
    assert_eq!((folded.len(), unnamed), (11, 0));
    let of_late = snapshot.last_minute.iter().map(|(name, of)| (&**name, of.transactions));
    let of_late: Vec<_> = of_late.collect();
    assert_eq!(of_late, [("tenant 0", 10), ("tenant 1", 10), ("tenant 2", 10)]);
    world.clock = Duration::from_secs(120);
    assert_eq!(
        world.snapshot().last_minute.len(),
        0,
        "nothing happened in the minute that is over"
    );
}

#[test]
fn databases_without_end_are_counted_apart_or_with_others_for_good() {
    let mut world = World::new(10, AggregatorSettings::default());
    let mut before: BTreeMap<Arc<str>, u64> = BTreeMap::new();
    for number in 1..=1_020 {
        let database = format!("database {number}");
        let held = world.registry.share(Labels::new(database, "web", "puma"));
        assert_ne!(held.id(), LabelId::OTHERS);
        world.on_the_way.push(Event::Transaction(transaction(held.id(), world.started)));
        drop(held);
        world.take(|_| ());
        if number < 990 {
            continue;
        }
        let shown = world.snapshot().database_totals;
        let shown = shown.iter().map(|(name, of)| (Arc::clone(name), of.transactions)).collect();
        for (name, count) in &before {
            assert!(BTreeMap::get(&shown, name) >= Some(count), "{name} went back");
        }
        assert_eq!(shown.values().sum::<u64>(), number);
        before = shown;
    }
    assert_eq!((before.len(), before[OTHERS]), (1_001, 20));
}

#[test]
fn who_only_logs_in_takes_no_database_its_place_and_a_reset_makes_room() {
    let mut world = World::new(2_000, AggregatorSettings::default());
    let run = |world: &mut World, number: usize, only_logs_in: bool| {
        let database = format!("database {number}");
        let held = world.registry.share(Labels::new(database, "web", "puma"));
        let opened = ConnectionEvent::Opened { client: ClientId(1), labels: held.id() };
        world.on_the_way.push(Event::Connection(opened));
        if !only_logs_in {
            world.on_the_way.push(Event::Transaction(transaction(held.id(), world.started)));
        }
        world.take(|_| ());
    };
    (0..1_100).for_each(|number| run(&mut world, number, true));
    (1_100..1_500).for_each(|number| run(&mut world, number, false));
    let shown = world.snapshot().database_totals;
    assert!(shown.len() == 400 && !shown.contains_key(OTHERS));
    (1_500..2_200).for_each(|number| run(&mut world, number, false));
    assert!(world.snapshot().database_totals.contains_key(OTHERS));
    world.aggregator.reset(world.started_at, world.started);
    run(&mut world, 3_000, false);
    let shown = world.snapshot().database_totals;
    assert_eq!(shown.keys().map(|name| &**name).collect::<Vec<_>>(), ["database 3000"]);
}

proptest! {
    /// Whoever comes, goes, and is forgotten when: each statement is counted once, and as its own
    /// client's.
    #[test]
    fn no_id_stands_for_another_kind(
        steps in prop::collection::vec((0u8..8, 0usize..60), 1..400),
        limit in 1usize..12,
    ) {
        let mut world = World::new(limit, AggregatorSettings::default());
        for (what, number) in steps {
            match what {
                0..=1 => world.connect(number),
                2 => world.run(number),
                3..=4 => world.disconnect(number),
                5 => world.take(|_| ()),
                6 => world.take(|world| world.disconnect(number)),
                _ => {
                    world.clock += Duration::from_secs(number as u64 / 10);
                    let _tick = world.snapshot();
                }
            }
            prop_assert!(world.registry.len() <= limit);
        }
        world.take(|_| ());
        prop_assert_eq!(world.measured(), world.sent.clone());
        let [scraped, shown, sent] = world.by_database();
        prop_assert_eq!(&scraped, &sent);
        prop_assert_eq!(&shown, &sent);
        let opened: u64 = world.snapshot().minutes.iter()
            .flat_map(|minute| minute.arrivals.values()).map(|of| of.opened).sum();
        prop_assert_eq!(opened, world.opened);
    }
}
