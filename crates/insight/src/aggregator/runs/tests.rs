use model::{FingerprintId, LabelId, Outcome, ShapeId};

use super::*;

/// One client's statements, one ms each.
struct Client {
    tracker: RunTracker,
    now: Instant,
    ended: Vec<EndedRun>,
    values: u64,
    block: Option<u32>,
}

impl Client {
    fn new() -> Self {
        let tracker = RunTracker::new(10);
        Self { tracker, now: Instant::now(), ended: Vec::new(), values: 0, block: None }
    }

    fn run(&mut self, statement: u64, rows: u64) {
        self.values += 1;
        self.run_with(statement, rows, self.values);
    }

    fn run_with(&mut self, statement: u64, rows: u64, values: u64) {
        self.now += Duration::from_millis(1);
        let event = QueryEvent {
            client: ClientId(1),
            transaction: self.block.unwrap_or(0),
            in_block: self.block.is_some(),
            shape: ShapeId(statement),
            labels: LabelId::OTHERS,
            values,
            prepared_literals: None,
            finished: self.now,
            wait: Duration::ZERO,
            first_byte: Duration::from_micros(500),
            total: Duration::from_millis(1),
            stalled: Duration::ZERO,
            rows,
            bytes_received: 0,
            bytes_sent: 0,
            outcome: Outcome::Done,
            sample: None,
            tags: None,
            trace: None,
            alone: None,
        };
        let key = RowKey { fingerprint: FingerprintId(statement), labels: LabelId::OTHERS };
        self.tracker.observe(&event, key, Class::Select, &mut self.ended);
    }

    fn pause(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    /// Ends everything; the runs that counted, as (statement, calls).
    fn counted(mut self) -> Vec<(u64, u64)> {
        self.tracker.forget(ClientId(1), &mut self.ended);
        self.ended.iter().map(|run| (run.key.fingerprint.0, run.calls)).collect()
    }
}

const LIST: u64 = 1;
const ENTRY: u64 = 2;
const OTHER: u64 = 3;

#[test]
fn a_list_and_one_look_up_for_each_row_is_a_run() {
    let mut client = Client::new();
    client.run(LIST, 24);
    (0..24).for_each(|_| client.run(ENTRY, 1));
    assert_eq!(client.counted(), [(ENTRY, 24)]);
}

#[test]
fn pages_back_to_back_are_runs_of_their_own() {
    let mut client = Client::new();
    for _ in 0..3 {
        client.run(LIST, 10);
        (0..10).for_each(|_| client.run(ENTRY, 1));
    }
    assert_eq!(client.counted(), [(ENTRY, 10), (ENTRY, 10), (ENTRY, 10)]);
}

#[test]
fn two_look_ups_that_take_turns_are_two_runs() {
    let mut client = Client::new();
    for _ in 0..2 {
        client.run(LIST, 8);
        for _ in 0..8 {
            client.run(ENTRY, 1);
            client.run(OTHER, 3);
        }
    }
    let mut counted = client.counted();
    counted.sort_unstable();
    assert_eq!(counted, [(ENTRY, 8), (ENTRY, 8), (OTHER, 8), (OTHER, 8)]);
}

#[test]
fn a_steady_loop_is_not_a_run() {
    let mut client = Client::new();
    (0..100_000).for_each(|_| client.run(ENTRY, 1));
    assert_eq!(client.counted(), []);
}

#[test]
fn a_steady_loop_after_a_small_query_is_not_a_run() {
    let mut client = Client::new();
    client.run(LIST, 3);
    (0..1_000).for_each(|_| client.run(ENTRY, 1));
    assert_eq!(client.counted(), []);
}

#[test]
fn a_loop_over_a_list_and_a_write_is_not_a_run() {
    let mut client = Client::new();
    for _ in 0..500 {
        client.run(LIST, 20);
        client.run(OTHER, 1);
    }
    assert_eq!(client.counted(), []);
}

#[test]
fn a_few_of_a_long_list_is_a_reader_choosing() {
    let mut client = Client::new();
    client.run(LIST, 100);
    (0..10).for_each(|_| client.run(ENTRY, 1));
    assert_eq!(client.counted(), []);
}

#[test]
fn a_pause_ends_a_burst_and_what_fed_it() {
    let mut client = Client::new();
    client.run(LIST, 10);
    (0..4).for_each(|_| client.run(ENTRY, 1));
    client.pause(100);
    (0..6).for_each(|_| client.run(ENTRY, 1));
    assert_eq!(client.counted(), []);
    let mut client = Client::new();
    client.run(LIST, 10);
    (0..10).for_each(|_| {
        client.pause(98);
        client.run(ENTRY, 1);
    });
    assert_eq!(client.counted(), [(ENTRY, 10)]);
}

#[test]
fn the_same_value_again_is_not_a_run() {
    let mut client = Client::new();
    client.run(LIST, 20);
    (0..20).for_each(|n| client.run_with(ENTRY, 1, n % 4));
    assert_eq!(client.counted(), []);
}

#[test]
fn a_loop_in_a_transaction_is_a_run_whatever_stands_between() {
    let mut client = Client::new();
    client.block = Some(7);
    for _ in 0..6 {
        client.run(ENTRY, 1);
        client.pause(500);
        client.run_with(OTHER, 1, 0);
    }
    client.tracker.end_block(ClientId(1), 7, &mut client.ended);
    assert_eq!(client.counted(), [(ENTRY, 6)]);
}

#[test]
fn transactions_that_run_a_statement_once_are_not_a_run() {
    let mut client = Client::new();
    for transaction in 0..1_000 {
        client.block = Some(transaction);
        for statement in 1..=5 {
            client.run(statement, 1);
        }
    }
    assert_eq!(client.counted(), []);
}

#[test]
fn clients_beyond_the_limit_are_not_followed_and_the_silent_are_forgotten() {
    let mut client = Client::new();
    client.tracker.limit = 0;
    client.run(LIST, 10);
    assert!(client.tracker.clients.is_empty());
    client.tracker.limit = 1;
    client.run(LIST, 10);
    (0..10).for_each(|_| client.run(ENTRY, 1));
    let later = client.now + PAUSE;
    client.tracker.sweep(later, &mut client.ended);
    assert!(client.tracker.clients.is_empty());
    assert_eq!(client.ended.len(), 1);
}

#[test]
fn statements_of_one_client_are_bounded() {
    let mut client = Client::new();
    (0..1_000).for_each(|statement| client.run(statement, 1));
    let stretch = client.tracker.clients.values().next().expect("followed");
    assert!(stretch.statements.len() <= STATEMENTS_LIMIT);
}
