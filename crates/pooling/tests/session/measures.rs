//! What is measured.

use std::time::Duration;

use model::{Outcome, SqlState};

use crate::conversation::{Conversation, from_client, from_server, server};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn a_statement_is_measured_from_the_clients_side() {
    let (mut talk, mut one) = (Conversation::new(&[("geqo", "off")]), server(10));
    talk.client(&mut one, &["Q select * from t"]);
    talk.pass(3);
    talk.server(&mut one, &["own 1", "T", "D 1"]);
    talk.pass(4);
    talk.server(&mut one, &["D 2", "C SELECT 2", "Z I"]);
    let [query] = talk.queries()[..] else { panic!("{:?}", talk.events) };
    assert_eq!((query.rows, query.outcome, query.in_block), (2, Outcome::Done, false));
    assert_eq!((query.first_byte, query.total, query.wait), (ms(3), ms(7), ms(0)));
    assert_eq!(query.bytes_received, from_client(&["Q select * from t"]).len() as u64);
    let answer = from_server(&["T", "D 1", "D 2", "C SELECT 2"]).len() as u64;
    assert_eq!(query.bytes_sent, answer);
    let [transaction] = &talk.transactions()[..] else { panic!("{:?}", talk.events) };
    assert_eq!((transaction.block, transaction.statements), (false, 1));
    assert_eq!(transaction.duration, ms(7));
    assert_eq!(transaction.bytes_sent, answer + from_server(&["Z I"]).len() as u64);
    assert_eq!(transaction.bytes_received, query.bytes_received);
}

#[test]
fn what_is_answered_here_and_what_the_server_does_then_are_two_transactions() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q discard all", "P a select 1", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    let counted: Vec<_> = talk.transactions().iter().map(|one| one.statements).collect();
    assert_eq!(counted, [1, 0]);
}

#[test]
fn the_wait_for_a_connection_is_charged_once() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.wait = ms(30);
    let arrived = talk.now;
    talk.client(&mut one, &["Q begin", "Q select 1"]);
    talk.now = arrived + ms(40);
    talk.server(&mut one, &["C BEGIN", "Z T"]);
    talk.pass(5);
    talk.server(&mut one, &["C SELECT 1", "Z T"]);
    talk.client(&mut one, &["Q commit"]);
    talk.pass(1);
    talk.server(&mut one, &["C COMMIT", "Z I"]);
    let measured: Vec<_> =
        talk.queries().iter().map(|query| (query.wait, query.first_byte, query.total)).collect();
    let expected = [(ms(30), ms(10), ms(40)), (ms(0), ms(5), ms(5)), (ms(0), ms(1), ms(1))];
    assert_eq!(measured, expected);
    assert_eq!(talk.transactions()[0].wait, ms(30));
}

#[test]
fn pipelined_statements_share_the_time_out_among_them() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P a select 1", "B a", "E", "B a", "E", "B a", "E", "S"]);
    for tag in ["C SELECT 1", "C SELECT 2", "C SELECT 3"] {
        talk.pass(10);
        if tag.ends_with('1') {
            talk.server(&mut one, &["1"]);
        }
        talk.server(&mut one, &["2", tag]);
    }
    talk.server(&mut one, &["Z I"]);
    let measured: Vec<_> = talk.queries().iter().map(|query| (query.total, query.rows)).collect();
    assert_eq!(measured, [(ms(10), 1), (ms(10), 2), (ms(10), 3)]);
    let [transaction] = &talk.transactions()[..] else { panic!("{:?}", talk.events) };
    assert_eq!((transaction.statements, transaction.duration), (3, ms(30)));
    assert_eq!((transaction.client_parses, transaction.server_parses), (1, 1));
    assert_eq!(transaction.binds, 3);
    let bytes: u64 = talk.queries().iter().map(|query| query.bytes_received).sum();
    let sync = from_client(&["S"]).len() as u64;
    assert_eq!(bytes + sync, transaction.bytes_received, "each byte is counted once");
}

#[test]
fn a_block_knows_how_long_nothing_happened() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    let mut say = |talk: &mut Conversation, text: &str, tag: &str, ready: &str, think: u64| {
        talk.client(&mut one, &[text]);
        talk.pass(1);
        talk.server(&mut one, &[tag, ready]);
        talk.pass(think);
    };
    say(&mut talk, "Q begin", "C BEGIN", "Z T", 5);
    say(&mut talk, "Q select 1", "C SELECT 1", "Z T", 100);
    say(&mut talk, "Q select 1, 2", "C SELECT 1", "Z T", 20);
    say(&mut talk, "Q commit", "C COMMIT", "Z I", 1000);
    let [transaction] = &talk.transactions()[..] else { panic!("{:?}", talk.events) };
    assert!(transaction.block);
    assert_eq!((transaction.idle, transaction.longest_idle), (ms(125), ms(100)));
    assert_eq!((transaction.duration, transaction.statements), (ms(129), 4));
    assert_eq!(transaction.idle_after, talk.queries()[1].shape);
    let in_block: Vec<_> = talk.queries().iter().map(|query| query.in_block).collect();
    assert_eq!(in_block, [false, true, true, true]);
    assert!(talk.queries().iter().all(|query| query.transaction == transaction.transaction));
}

#[test]
fn errors_are_counted_where_they_happen_and_only_there() {
    let failed = |code: &str| Outcome::Failed(SqlState::from_bytes(code.as_bytes()));
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P - selekt", "B -", "E", "B -", "E", "S"]);
    talk.server(&mut one, &["E 42601 syntax error", "Z I"]);
    talk.client(&mut one, &["P - selekt", "S"]);
    talk.server(&mut one, &["E 42601 syntax error", "Z I"]);
    talk.client(&mut one, &["P - select 1/0", "B -", "E", "S"]);
    talk.server(&mut one, &["1", "2", "E 22012 division by zero", "Z I"]);
    let outcomes: Vec<_> = talk.queries().iter().map(|query| query.outcome).collect();
    assert_eq!(outcomes, [failed("42601"), failed("42601"), failed("22012")]);
    let shapes: Vec<_> = talk.queries().iter().map(|query| query.shape).collect();
    assert_eq!(shapes[0], shapes[1], "prepared in vain or run in vain");
    assert_ne!(shapes[0], shapes[2]);
}

#[test]
fn whoever_goes_in_mid_statement_is_measured_too() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q select pg_sleep(10)"]);
    talk.pass(50);
    talk.session.gone(talk.now, &mut talk.events);
    let [query] = talk.queries()[..] else { panic!("{:?}", talk.events) };
    assert_eq!((query.outcome, query.total), (Outcome::Lost, ms(50)));
    assert_eq!(talk.transactions().len(), 1);

    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q select 1", "Q select 2"]);
    talk.pass(50);
    talk.lose(&mut one);
    let code = SqlState::from_bytes(b"08006");
    let outcomes: Vec<_> = talk.queries().iter().map(|query| query.outcome).collect();
    assert_eq!(outcomes, [Outcome::Failed(code)], "the second was never begun");
}

#[test]
fn streamed_bytes_are_counted() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    let text = format!("Q select '{}'", "x".repeat(200_000));
    talk.client(&mut one, &[&text]);
    let row = format!("D {}", "y".repeat(300_000));
    talk.server(&mut one, &["T", &row, "C SELECT 1", "Z I"]);
    let [query] = talk.queries()[..] else { panic!("{:?}", talk.events) };
    assert_eq!(query.bytes_received, from_client(&[&text]).len() as u64);
    assert_eq!(query.bytes_sent, from_server(&["T", &row, "C SELECT 1"]).len() as u64);
}
