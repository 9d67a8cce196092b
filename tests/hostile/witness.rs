//! A client that minds its own business while others misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use testkit::frames::{bind, execute, kinds, parse, query, row_values, sync};
use testkit::{ErrorFields, ScriptedClient};
use tokio::task::JoinHandle;

/// A client that asks for a token of its own, by either protocol, and must get it.
pub(crate) struct Witness {
    asked: Arc<AtomicU64>,
    leave: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Witness {
    /// Uses a prepared statement and simple queries in turn, in transactions of one statement.
    pub(crate) fn of_tokens(client: ScriptedClient) -> Self {
        Self::start(client, [parse("token", "SELECT $1::text"), sync()].concat(), token)
    }

    /// Keeps state on a server connection that nobody else may have.
    pub(crate) fn of_state(client: ScriptedClient) -> Self {
        let table = "CREATE TEMP TABLE mine (token int); INSERT INTO mine VALUES (0)";
        Self::start(client, query(table), own_table)
    }

    fn start(mut client: ScriptedClient, first: Vec<u8>, ask: fn(u64) -> Question) -> Self {
        let (asked, leave) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, told) = (Arc::clone(&asked), Arc::clone(&leave));
        let task = tokio::spawn(async move {
            client.send(&first).await;
            client.expect_until(b'Z').await;
            let mut number = 0;
            while !told.load(Ordering::Relaxed) {
                number += 1;
                let question = ask(number);
                client.send(&question.request).await;
                let answer = client.expect_until(b'Z').await;
                let error = answer.iter().find(|frame| frame.0 == b'E');
                let error = error.map(|frame| ErrorFields::read(&frame.1).to_string());
                assert_eq!(kinds(&answer), question.kinds, "to question {number}: {error:?}");
                let row = answer.iter().find(|frame| frame.0 == b'D').expect("a row");
                assert_eq!(row_values(&row.1), [Some(question.value)]);
                count.store(number, Ordering::Relaxed);
            }
            client.terminate().await;
        });
        Self { asked, leave, task }
    }

    /// Ends it, and fails if any answer was not its own. Returns how many it got.
    pub(crate) async fn leave(self) -> u64 {
        self.leave.store(true, Ordering::Relaxed);
        self.task.await.expect("a client that did nothing wrong was disturbed");
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether it is still being served.
    pub(crate) fn is_well(&self) -> bool {
        !self.task.is_finished()
    }
}

/// What a witness asks, and what it must hear.
struct Question {
    request: Vec<u8>,
    kinds: &'static str,
    value: String,
}

fn token(number: u64) -> Question {
    let value = format!("token {number}");
    let (request, kinds) = if number.is_multiple_of(2) {
        (query(&format!("SELECT '{value}'")), "TDCZ")
    } else {
        ([bind("", "token", &[Some(&value)]), execute("", 0), sync()].concat(), "2DCZ")
    };
    Question { request, kinds, value }
}

fn own_table(number: u64) -> Question {
    let request = query("UPDATE mine SET token = token + 1 RETURNING token");
    Question { request, kinds: "TDCZ", value: number.to_string() }
}
