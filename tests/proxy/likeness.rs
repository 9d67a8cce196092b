//! The same bytes to the server and to pgweir must have the same answers, whatever the bytes say.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use testkit::frames::{
    bind, close, copy_data, copy_done, copy_fail, describe, execute, flush, kinds, parse, query,
    sync,
};
use testkit::{ErrorFields, Frame, Postgres, ScriptedClient, TestDatabase};

use crate::scene::{Scene, status};

const SCHEMA: &str = "CREATE TABLE t (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)";
const STATEMENTS: [&str; 20] = [
    "SELECT 1",
    "SELECT $1::int",
    "SELECT $1::text || 'x'",
    "SELECT generate_series(1, 5)",
    "SELECT 1/0",
    "SELECT 1 / (3 - i) FROM generate_series(1, 5) i",
    "SELEKT",
    "SELECT * FROM no_such_table",
    "INSERT INTO t VALUES (1)",
    "INSERT INTO t VALUES ($1::int) RETURNING a + 1",
    "SELECT count(*) FROM t",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SET application_name TO 'other'",
    "COPY (SELECT generate_series(1, 3)) TO STDOUT",
    // These are prepared when they come again. No column as it is: its table's number would be told.
    "SELECT a + 0, 'x' FROM t WHERE a = 1",
    "SELECT a + 0, 'x' FROM t WHERE a = 7",
    "SELECT a + 0 FROM t WHERE a < 7 ORDER BY 1",
    "SELECT a + 0 FROM t WHERE a = 'x'",
];
const STRINGS: [&str; 6] = [
    "SELECT 1; SELECT 2",
    "BEGIN; SELECT 1",
    "COMMIT; BEGIN",
    "SELECT 1; SELECT 1/0; SELECT 2",
    "SAVEPOINT s",
    "ROLLBACK TO s",
];
const RESETS: [&str; 3] = ["RESET ALL", "DEALLOCATE ALL", "DISCARD ALL"];

fn one_of<T: Copy>(random: &mut StdRng, choices: &[T]) -> T {
    choices[random.random_range(0..choices.len())]
}

fn message(random: &mut StdRng) -> Vec<u8> {
    let name = one_of(random, &["", "a", "b", "c"]);
    let portal = one_of(random, &["", "", "p"]);
    match random.random_range(0..24) {
        // By two names for one text pgweir may mix up which of them an error is about.
        0..5 => parse(name, &format!("{} /* {name} */", one_of(random, &STATEMENTS))),
        5..8 => bind(portal, name, one_of(random, &[&[], &[Some("7")]])),
        // Not without its Bind: to execute what a failed block left can crash the server.
        8..16 => {
            let values: &[_] = one_of(random, &[&[], &[Some("7")]]);
            let rows = one_of(random, &[0, 2]);
            [bind(portal, name, values), execute(portal, rows).repeat(random.random_range(1..3))]
                .concat()
        }
        16 => describe(b'S', name),
        17 => describe(b'P', portal),
        18 => close(b'S', name),
        19 => close(b'P', portal),
        20 => flush(),
        21..23 => query(one_of(random, &STATEMENTS)),
        _ => query(one_of(random, &STRINGS)),
    }
}

/// A COPY with its data, which may come too late or not be wanted.
fn copy(random: &mut StdRng) -> Vec<u8> {
    let end = if random.random_ratio(1, 3) { copy_fail("no") } else { copy_done() };
    let data = [copy_data(one_of(random, &["5\n6\n", "x\n", "\\."]).as_bytes()), end].concat();
    let sql = one_of(random, &["COPY t FROM STDIN", "COPY no_such_table FROM STDIN"]);
    if random.random() {
        return [query(sql), data].concat();
    }
    let ignored = sync().repeat(random.random_range(0..3));
    [parse("", sql), bind("", "", &[]), execute("", 0), ignored, data, sync()].concat()
}

/// Messages in any order; the last two get ReadyForQuery and EmptyQueryResponse in any state.
fn request(random: &mut StdRng) -> Vec<u8> {
    let mut messages = Vec::new();
    for _ in 0..random.random_range(1..12) {
        messages.extend(message(random));
    }
    match random.random_range(0..6) {
        0 | 1 => messages.extend(copy(random)),
        2 => messages.extend(query(one_of(random, &RESETS))),
        _ => {}
    }
    [messages, sync(), query("")].concat()
}

/// Messages by type and body; strings in them end with a dot.
fn readable(mut messages: &[u8]) -> String {
    let mut text = String::new();
    while let Some((head, rest)) = messages.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4;
        let (body, rest) = rest.split_at(length);
        let body = String::from_utf8_lossy(body).replace('\0', ".");
        text.push_str(&format!("{}({}) ", char::from(head[0]), body.escape_debug()));
        messages = rest;
    }
    text
}

async fn answers(client: &mut ScriptedClient) -> Vec<Frame> {
    let mut answered = client.expect_until(b'I').await;
    answered.extend(client.expect_until(b'Z').await);
    answered
}

/// Whether all messages are the same. In a failed block one refusal is as good as another: a
/// statement that must be prepared first is refused earlier than it would be.
fn same(answered: &[Frame], expected: &[Frame]) -> bool {
    let refused =
        |frame: &Frame| frame.0 == b'E' && ErrorFields::read(&frame.1).sqlstate() == "25P02";
    let pairs = answered.iter().zip(expected);
    answered.len() == expected.len()
        && pairs
            .into_iter()
            .all(|(ours, theirs)| ours == theirs || (refused(ours) && theirs.0 == b'E'))
}

/// A server without pgweir, and one with it whose connections others use in between.
struct Pair {
    direct: ScriptedClient,
    pooled: ScriptedClient,
    beside: ScriptedClient,
    holder: ScriptedClient,
    holds: bool,
}

impl Pair {
    async fn open(scene: &Scene, plain: &TestDatabase) -> Self {
        let server = Postgres::shared().await.address();
        let [pooled, beside, holder] = scene.clients().await;
        let direct = ScriptedClient::login(server, "postgres", &plain.name).await;
        Self { direct, pooled, beside, holder, holds: false }
    }

    async fn ask_both(&mut self, random: &mut StdRng, request: &[u8]) -> (Vec<Frame>, Vec<Frame>) {
        self.direct.send(request).await;
        let mut rest = request;
        while random.random() && !rest.is_empty() {
            let (piece, after) = rest.split_at(random.random_range(0..=rest.len()));
            self.pooled.send(piece).await;
            rest = after;
        }
        self.pooled.send(rest).await;
        (answers(&mut self.direct).await, answers(&mut self.pooled).await)
    }

    /// Lets others use the server connections, and sees to it that it is not always the same one.
    async fn disturb(&mut self, random: &mut StdRng) {
        self.holds = !self.holds;
        self.holder.rows(if self.holds { "BEGIN" } else { "COMMIT" }).await;
        let theirs = [parse("", "SELECT 'theirs'"), parse("a", "SELECT 'theirs too'"), sync()];
        match random.random_range(0..3) {
            0 => drop(self.beside.query("SET application_name TO 'beside'").await),
            1 => {
                self.beside.send(&theirs.concat()).await;
                self.beside.expect_until(b'Z').await;
            }
            _ => drop(self.beside.query("DISCARD ALL").await),
        }
    }
}

#[tokio::test]
async fn what_pgweir_answers_is_what_the_server_answers() {
    const CONVERSATIONS: u64 = 100;
    let arguments = [
        "--default-pool-size",
        "3",
        "--set",
        "max_prepared_statements=3",
        "--set",
        "prepare_simple_queries=true",
    ];
    let scene = Scene::open(arguments).await.with_schema(SCHEMA).await;
    let plain = Postgres::shared().await.database().await;
    plain.connect().await.batch_execute(SCHEMA).await.unwrap();
    for seed in 0..CONVERSATIONS {
        let random = &mut StdRng::seed_from_u64(seed);
        let mut pair = Pair::open(&scene, &plain).await;
        let mut told = format!("seed {seed}");
        for _ in 0..6 {
            let request = request(random);
            let (expected, answered) = pair.ask_both(random, &request).await;
            let kinds = [&expected, &answered].map(|frames| kinds(frames));
            told.push_str(&format!("\n{} -> {kinds:?}", readable(&request)));
            assert!(same(&answered, &expected), "{told}\n{answered:?}\n{expected:?}");
            if status(&answered) == 'I' {
                pair.disturb(random).await;
            }
        }
    }
}
