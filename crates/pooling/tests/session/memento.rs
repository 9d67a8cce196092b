//! A client that goes on in another process.

use std::sync::Arc;

use model::{ClientId, LabelId, PoolMode};
use pgweir_pooling::known::KnownStatements;
use pgweir_pooling::session::{ClientSession, SessionMemento};

use crate::conversation::{Conversation, Server, server};

/// The client, as another process has it, after what it has left behind came there as text.
fn moved(talk: Conversation) -> Conversation {
    let memento = talk.session.memento().expect("nothing is under way");
    let text = serde_json::to_string(&memento).unwrap();
    let memento: SessionMemento = serde_json::from_str(&text).unwrap();
    let mut there = Conversation::new(&[]);
    let registries = (&there.shapes, Arc::new(KnownStatements::default()));
    let mode = PoolMode::Transaction;
    there.session = ClientSession::restore(ClientId(1), LabelId::OTHERS, mode, memento, registries);
    there
}

fn run(talk: &mut Conversation, server: &mut Server, text: &str, tag: &str) {
    talk.client(server, &[&format!("Q {text}")]);
    talk.server(server, &[&format!("C {tag}"), "Z I"]);
    talk.client_got();
    talk.server_got();
}

#[test]
fn it_keeps_its_statements_and_settings() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    run(&mut talk, &mut one, "SET geqo TO off", "SET");
    talk.client(&mut one, &["P s1 select $1", "P \u{e9}t\u{e9} select 2", "S"]);
    talk.server(&mut one, &["1", "1", "Z I"]);
    talk.client_got();
    let (mut there, mut other) = (moved(talk), server(10));
    there.client(&mut other, &["B s1", "E", "B \u{e9}t\u{e9}", "E", "S"]);
    let got = there.server_got();
    for part in ["P __pgweir_0 select $1\nB __pgweir_0", "P __pgweir_1 select 2\nB __pgweir_1"] {
        assert!(got.contains(part), "no {part} in {got}");
    }
    assert!(got.to_lowercase().contains("geqo"), "no setting in {got}");
}

#[test]
fn it_stays_while_anything_is_under_way_or_kept_on_a_server_connection() {
    let mut one = server(10);
    let mut talk = Conversation::new(&[]);
    assert!(talk.session.memento().is_some());
    talk.client(&mut one, &["Q BEGIN"]);
    assert!(talk.session.memento().is_none(), "an answer is due");
    talk.server(&mut one, &["C BEGIN", "Z T"]);
    assert!(talk.session.memento().is_none(), "a transaction is open");
    run(&mut talk, &mut one, "COMMIT", "COMMIT");
    assert!(talk.session.memento().is_some());
    talk.client(&mut one, &["Q LISTEN news"]);
    talk.server(&mut one, &["C LISTEN", "Z I"]);
    assert!(talk.session.memento().is_none(), "it listens");
}

#[test]
fn nothing_of_it_is_shown() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P s1 select 'secret'", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    let memento = talk.session.memento().unwrap();
    assert!(!format!("{memento:?}").contains("secret"));
}
