//! Clients that share one server connection have the settings, and are told of them, as clients that
//! have a server connection each.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use testkit::frames::{bind, execute, parse, query, sync};
use testkit::{ErrorFields, Frame, Postgres, ScriptedClient};

use crate::scene::Scene;
use crate::way;

const STATE: &str = "SELECT current_setting('application_name'), current_setting('TimeZone'), \
    current_setting('search_path'), current_setting('work_mem'), current_setting('DateStyle'), \
    coalesce(nullif(current_setting('shop.tenant', true), ''), '-'), current_user, session_user, \
    current_setting('statement_timeout'), current_setting('default_transaction_isolation'), \
    current_setting('client_encoding'), current_setting('transaction_isolation')";

const SETTINGS: [(&str, &str); 16] = [
    ("application_name", "one"),
    ("application_name", "two"),
    ("TimeZone", "America/Lima"),
    ("timezone", "utc"),
    ("DateStyle", "ISO, DMY"),
    ("datestyle", "sql"),
    ("search_path", "pg_catalog"),
    ("search_path", "public"),
    ("work_mem", "8MB"),
    ("work_mem", "4096kB"),
    ("shop.tenant", "seven"),
    ("statement_timeout", "5min"),
    ("default_transaction_isolation", "serializable"),
    ("client_encoding", "LATIN1"),
    ("role", "pg_monitor"),
    ("session_authorization", "pg_monitor"),
];

/// What may be given at startup.
const STARTUP: [(&str, &str); 4] = [
    ("application_name", "shop"),
    ("TimeZone", "Asia/Tokyo"),
    ("options", "-c work_mem=7MB -c shop.tenant=one"),
    ("DateStyle", "german"),
];

fn one_of<T: Copy>(random: &mut StdRng, choices: &[T]) -> T {
    choices[random.random_range(0..choices.len())]
}

/// A statement that does not go back to what was given at startup: such a one, in the middle of a
/// request, goes back to the server's own value until the request is answered.
fn statement(random: &mut StdRng) -> String {
    let (name, value) = one_of(random, &SETTINGS);
    match random.random_range(0..12) {
        0..4 => format!("SET {name} = '{value}'"),
        4 => format!("SET SESSION {name} TO '{value}'"),
        5 => format!("SET LOCAL {name} = '{value}'"),
        6 => format!("SELECT set_config('{name}', '{value}', {})", random.random::<bool>()),
        7 => format!("DO $$ BEGIN PERFORM set_config('{name}', '{value}', false); END $$"),
        8 => "SELECT 1/0".to_owned(),
        _ => STATE.to_owned(),
    }
}

fn reset(random: &mut StdRng) -> String {
    match one_of(random, &SETTINGS).0 {
        _ if random.random_ratio(1, 3) => one_of(random, &["RESET ALL", "DISCARD ALL"]).to_owned(),
        "session_authorization" => "RESET SESSION AUTHORIZATION".to_owned(),
        name if random.random() => format!("SET {name} TO DEFAULT"),
        name => format!("RESET {name}"),
    }
}

fn statements(random: &mut StdRng) -> Vec<String> {
    (0..random.random_range(1..4)).map(|_| statement(random)).collect()
}

/// Requests of one transaction, or of none.
fn requests(random: &mut StdRng) -> Vec<Vec<u8>> {
    let mut requests = Vec::new();
    match random.random_range(0..8) {
        0..2 => requests.push(query(&statement(random))),
        2 => requests.push(query(&statements(random).join("; "))),
        3 => requests.push(pipeline(&statements(random))),
        4 => requests.push(query(&reset(random))),
        5 => {
            let reset = reset(random);
            if reset != "DISCARD ALL" {
                requests.extend([query(&format!("BEGIN; {reset}")), query("ROLLBACK")]);
            }
        }
        _ => {
            requests.push(query("BEGIN"));
            for _ in 0..random.random_range(0..5) {
                requests.push(match random.random_range(0..6) {
                    0 => query("SAVEPOINT s"),
                    1 => query("ROLLBACK TO s"),
                    2 => pipeline(&statements(random)),
                    _ => query(&statement(random)),
                });
            }
            requests.push(query(one_of(random, &["COMMIT", "ROLLBACK", "END"])));
        }
    }
    requests.push(query(STATE));
    requests
}

fn pipeline(statements: &[String]) -> Vec<u8> {
    let messages =
        statements.iter().map(|sql| [parse("", sql), bind("", "", &[]), execute("", 0)].concat());
    messages.chain([sync()]).flatten().collect()
}

/// A client, and what it was told of its settings.
struct Told {
    client: ScriptedClient,
    settings: BTreeMap<String, String>,
}

impl Told {
    async fn login(mut client: ScriptedClient, database: &str, extra: &[(&str, &str)]) -> Self {
        client.startup("postgres", database, extra).await;
        let frames = client.login_trust().await;
        let mut told = Self { client, settings: BTreeMap::new() };
        told.keep(frames);
        told
    }

    /// Keeps what is told of settings; gives the rest, as far as it must be the same.
    fn keep(&mut self, frames: Vec<Frame>) -> Vec<Frame> {
        let mut rest = Vec::new();
        for (kind, body) in frames {
            match kind {
                b'S' => {
                    let text = String::from_utf8(body).unwrap();
                    let mut parts = text.split('\0');
                    let (name, value) = (parts.next().unwrap(), parts.next().unwrap());
                    self.settings.insert(name.to_owned(), value.to_owned());
                }
                b'E' => {
                    let error = ErrorFields::read(&body);
                    let text = format!("{} {}", error.sqlstate(), error.message());
                    rest.push((kind, text.into_bytes()));
                }
                b'N' => {}
                _ => rest.push((kind, body)),
            }
        }
        rest
    }

    async fn ask(&mut self, request: &[u8]) -> Vec<Frame> {
        self.client.send(request).await;
        let frames = self.client.expect_until(b'Z').await;
        self.keep(frames)
    }
}

/// One client by pgweir, and one without it that does the same.
struct Twins {
    pooled: Told,
    direct: Told,
}

impl Twins {
    async fn open(scene: &Scene, random: &mut StdRng) -> Self {
        let extra: Vec<_> = STARTUP.into_iter().filter(|_| random.random_ratio(1, 3)).collect();
        let database = &scene.database.name;
        let pooled = way::connect(scene.proxy.address()).await;
        let direct = ScriptedClient::connect(Postgres::shared().await.address()).await;
        Self {
            pooled: Told::login(pooled, database, &extra).await,
            direct: Told::login(direct, database, &extra).await,
        }
    }

    async fn ask(&mut self, request: &[u8], so_far: &str) {
        let expected = self.direct.ask(request).await;
        let answered = self.pooled.ask(request).await;
        let sent = String::from_utf8_lossy(request).replace('\0', " ");
        assert_eq!(answered, expected, "{so_far}\n{sent}");
        assert_eq!(self.pooled.settings, self.direct.settings, "told of:\n{so_far}\n{sent}");
    }
}

#[tokio::test]
async fn settings_are_those_of_a_session_of_ones_own() {
    const SEEDS: u64 = 6;
    const STEPS: usize = 150;
    let scene = Scene::with_pool_of(1).await;
    for seed in 0..SEEDS {
        let random = &mut StdRng::seed_from_u64(seed);
        let mut twins = Vec::new();
        for _ in 0..4 {
            twins.push(Twins::open(&scene, random).await);
        }
        let mut so_far = format!("seed {seed}");
        for _ in 0..STEPS {
            let who = random.random_range(0..twins.len());
            if random.random_ratio(1, 30) {
                so_far.push_str(&format!("\n{who} comes anew"));
                twins[who] = Twins::open(&scene, random).await;
            }
            for request in requests(random) {
                twins[who].ask(&request, &so_far).await;
                let sent = String::from_utf8_lossy(&request).replace('\0', " ");
                so_far
                    .push_str(&format!("\n{who} {}", sent.replace(STATE, "STATE").escape_debug()));
            }
        }
    }
}
