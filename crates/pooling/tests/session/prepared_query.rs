//! Queries of the simple protocol, served from named statements.

use std::sync::Arc;

use model::{Outcome, PoolMode};
use pgweir_pooling::known::{KnownStatements, Serves};
use pgweir_pooling::session::Loss;

use crate::conversation::{Conversation, Server, server};

const BOUND: &str = "B __pgweir_0\nDp -\nE\nS";
const ANSWERS: [&str; 4] = ["2", "T", "C SELECT 0", "Z I"];

/// A client of a pool to which such a query has come twice.
fn acquainted() -> (Conversation, Server, Arc<KnownStatements>) {
    let known = Arc::new(KnownStatements::default());
    known.serve(Serves { unnamed: true, queries: true });
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.session = talk.session.with_known(Arc::clone(&known));
    for value in 1..3 {
        let query = format!("Q select a from t where b = {value}");
        talk.client(&mut one, &[&query]);
        assert_eq!(talk.server_got(), query, "it may never come again");
        talk.server(&mut one, &["T", "C SELECT 0", "Z I"]);
        assert_eq!(talk.client_got(), "T\nC SELECT 0\nZ I");
    }
    (talk, one, known)
}

/// The same, and the server has the statement.
fn prepared() -> (Conversation, Server, Arc<KnownStatements>) {
    let (mut talk, mut one, known) = acquainted();
    talk.client(&mut one, &["Q select a from t where b = 3"]);
    assert_eq!(talk.server_got(), format!("P __pgweir_0 select a from t where b = $1\n{BOUND}"));
    talk.server(&mut one, &["1", "2", "T", "D 5", "C SELECT 1", "Z I"]);
    assert_eq!(talk.client_got(), "T\nD 5\nC SELECT 1\nZ I");
    assert!(!talk.attached);
    (talk, one, known)
}

#[test]
fn what_comes_again_and_again_is_parsed_once() {
    let (mut talk, mut one, known) = prepared();
    let mut other = Conversation::new(&[]);
    other.session = other.session.with_known(known);
    for talk in [&mut talk, &mut other] {
        talk.client(&mut one, &["Q select a from t where b = 4;"]);
        let (to_server, _) = talk.output();
        // A portal and a name, no formats, one value, no formats.
        let bind = b"\0__pgweir_0\0\0\0\0\x01\0\0\0\x014\0\0";
        assert_eq!(to_server[5..5 + bind.len()], *bind);
        assert_eq!(talk.server_got(), BOUND);
        talk.server(&mut one, &ANSWERS);
        assert_eq!(talk.client_got(), "T\nC SELECT 0\nZ I");
    }
    let mut second = server(10);
    talk.client(&mut second, &["Q select a from t where b = 5"]);
    assert_eq!(talk.server_got(), format!("P __pgweir_0 select a from t where b = $1\n{BOUND}"));
}

#[test]
fn it_is_measured_as_the_query_that_it_is() {
    let (mut talk, mut one, _known) = prepared();
    talk.client(&mut one, &["Q select a from t where b = 4"]);
    talk.server(&mut one, &["2", "T", "D 5", "C SELECT 1", "Z I"]);
    let queries = talk.queries();
    let (first, last) = (queries[0], queries[3]);
    assert_eq!((queries.len(), first.shape), (4, last.shape));
    assert_eq!((last.rows, last.outcome, last.prepared_literals), (1, Outcome::Done, None));
    let sent = |parts: [usize; 4]| parts.iter().sum::<usize>() as u64;
    assert_eq!(last.bytes_sent, sent([7, 12, 14, 0]), "what the client got, without the Z");
    assert_eq!(last.bytes_received, first.bytes_received);
}

#[test]
fn another_value_of_another_type_is_another_statement() {
    let (mut talk, mut one, _known) = prepared();
    talk.client(&mut one, &["Q select a from t where b = 3000000000"]);
    assert_eq!(talk.server_got(), "Q select a from t where b = 3000000000");
}

#[test]
fn where_it_could_mean_something_else_it_is_sent_as_it_is() {
    let query = "Q select a from t where b = 4";
    let (mut talk, mut one, _known) = prepared();
    talk.client(&mut one, &["Q begin"]);
    talk.server(&mut one, &["C BEGIN", "Z T"]);
    talk.server_got();
    talk.client(&mut one, &[query]);
    assert_eq!(talk.server_got(), query, "an error would end the block");

    let (mut talk, mut one, _known) = prepared();
    talk.client(&mut one, &["Q create temp table t (a int, b int)"]);
    talk.server(&mut one, &["C CREATE TABLE", "Z I"]);
    talk.forget();
    talk.client(&mut one, &[query]);
    assert_eq!(talk.server_got(), query, "its table may hide the other");

    let (mut talk, mut one, _known) = prepared();
    talk.client(&mut one, &["Q select 1", query]);
    assert_eq!(talk.server_got(), format!("Q select 1\n{query}"), "the first may open a block");

    let (mut talk, mut one, _known) = prepared();
    talk.client(&mut one, &["Q select a from t where b = 4; select 1"]);
    assert_eq!(talk.server_got(), "Q select a from t where b = 4; select 1");

    let (mut talk, mut one, known) = prepared();
    known.serve(Serves { unnamed: true, queries: false });
    talk.client(&mut one, &[query]);
    assert_eq!(talk.server_got(), query, "it can be turned off");
    known.serve(Serves { unnamed: true, queries: true });

    let (_, _, known) = prepared();
    let (mut talk, mut one) = (Conversation::in_mode(PoolMode::Session, &[]), server(10));
    talk.session = talk.session.with_known(known);
    talk.client(&mut one, &[query]);
    assert_eq!(talk.server_got(), query, "such a client sees the statements on its server");
}

#[test]
fn what_the_client_sends_behind_it_waits() {
    let (mut talk, mut one, _known) = prepared();
    talk.client(&mut one, &["Q select a from t where b = 4", "Q select 1"]);
    assert_eq!(talk.server_got(), BOUND);
    talk.server(&mut one, &ANSWERS);
    assert_eq!(talk.server_got(), "Q select 1");
    talk.server(&mut one, &["C SELECT 1", "Z I"]);
    assert_eq!(talk.client_got(), "T\nC SELECT 0\nZ I\nC SELECT 1\nZ I");
}

#[test]
fn what_the_server_has_against_it_is_not_the_clients_business() {
    let query = "Q select a from t where b = 4";
    let anew = "Cs __pgweir_0\nP __pgweir_1 select a from t where b = $1\nB __pgweir_1\nDp -\nE\nS";
    // Of the value, of a table that has changed in either way, of a statement that somebody has
    // deallocated.
    for (error, goes_on) in [
        ("E 22P02 invalid input", BOUND),
        ("E 0A000 RevalidateCachedQuery", anew),
        ("E 42883 operator does not exist", anew),
        ("E 26000 no such statement", BOUND),
    ] {
        let (mut talk, mut one, _known) = prepared();
        talk.client(&mut one, &[query, "Q select 1"]);
        assert_eq!(talk.server_got(), BOUND);
        talk.server(&mut one, &[error]);
        assert_eq!((talk.client_got(), talk.server_got()), (String::new(), query.to_owned()));
        talk.server(&mut one, &["Z I"]);
        assert_eq!((talk.client_got(), talk.attached), (String::new(), true), "{error}");
        talk.server(&mut one, &["E 22P02 invalid input", "Z I"]);
        assert_eq!(talk.client_got(), "E 22P02 invalid input\nZ I", "the client's own error");
        assert_eq!(talk.server_got(), "Q select 1");
        talk.server(&mut one, &["C SELECT 1", "Z I"]);
        assert_eq!((talk.client_got(), talk.attached), ("C SELECT 1\nZ I".to_owned(), false));
        assert_eq!(talk.queries().len(), 5, "one for each that the client has sent");
        assert_eq!(one.session.is_worn(), error.contains("26000"));
        talk.client(&mut one, &[query]);
        assert_eq!(talk.server_got(), goes_on, "{error}");
    }
}

#[test]
fn what_cannot_be_parsed_with_parameters_is_not_tried_again() {
    let (mut talk, mut one, _known) = acquainted();
    let query = "Q select a from t where b = 3";
    talk.client(&mut one, &[query]);
    talk.forget();
    talk.server(&mut one, &["E 42883 operator does not exist", "Z I"]);
    assert_eq!(talk.server_got(), query);
    talk.server(&mut one, &["T", "C SELECT 0", "Z I"]);
    assert_eq!(talk.client_got(), "T\nC SELECT 0\nZ I");
    assert!(one.session.statements.is_empty() && !talk.attached);
    for _ in 0..4 {
        talk.client(&mut one, &[query]);
        assert_eq!(talk.server_got(), query);
        talk.server(&mut one, &["T", "C SELECT 0", "Z I"]);
    }
}

#[test]
fn an_error_while_it_runs_and_a_cancellation_are_the_clients() {
    for answers in [
        &["2", "T", "D 1", "E 22012 division by zero", "Z I"][..],
        &["2", "T", "E 57014 canceled", "Z I"],
        &["E 57014 canceled", "Z I"],
        &["2", "E 55P03 locked", "Z I"],
    ] {
        let (mut talk, mut one, _known) = prepared();
        talk.client(&mut one, &["Q select a from t where b = 4"]);
        talk.forget();
        talk.server(&mut one, answers);
        let heard: Vec<_> = answers.iter().copied().filter(|answer| *answer != "2").collect();
        assert_eq!(talk.client_got(), heard.join("\n"));
        assert_eq!((talk.server_got(), talk.attached), (String::new(), false));
        assert!(matches!(talk.queries()[3].outcome, Outcome::Failed(_)));
        talk.client(&mut one, &["Q select a from t where b = 4"]);
        assert_eq!(talk.server_got(), BOUND, "it is as good as before");
    }
    // Of its Parse, which then has not happened.
    let (mut talk, mut one, _known) = acquainted();
    talk.client(&mut one, &["Q select a from t where b = 3"]);
    talk.server(&mut one, &["E 57014 canceled", "Z I"]);
    assert_eq!(talk.client_got(), "E 57014 canceled\nZ I");
    assert!(one.session.statements.is_empty() && !talk.attached);
}

#[test]
fn settings_that_differ_are_written_in_front_of_it() {
    let (mut talk, mut one, _known) = prepared();
    let mut other = Conversation::new(&[("DateStyle", "SQL, DMY")]);
    other.client(&mut one, &["Q select 1"]);
    other.server(&mut one, &["own 1", "C SELECT 1", "Z I"]);
    talk.client(&mut one, &["Q select a from t where b = 4"]);
    assert!(talk.server_got().ends_with(&format!("E\n{BOUND}")));
    talk.server(&mut one, &["own 1", "2", "T", "C SELECT 0", "Z I"]);
    assert_eq!(talk.client_got(), "T\nC SELECT 0\nZ I");
    assert!(!talk.attached);
}

#[test]
fn a_server_that_is_lost_takes_it_with_it() {
    let (mut talk, mut one, _known) = prepared();
    talk.client(&mut one, &["Q select a from t where b = 4"]);
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    talk.forget();
    let mut other = server(10);
    talk.client(&mut other, &["Q select 1"]);
    talk.server(&mut other, &["E 42601 syntax error", "Z I"]);
    assert_eq!(talk.client_got(), "E 42601 syntax error\nZ I");
    assert_eq!(talk.server_got(), "Q select 1", "and nothing of before");
}

#[test]
fn what_was_parsed_a_minute_ago_or_before_a_change_is_parsed_anew() {
    let anew = "Cs __pgweir_0\nP __pgweir_1 select a from t where b = $1\nB __pgweir_1\nDp -\nE\nS";
    let (mut talk, mut one, _known) = prepared();
    talk.pass(59_000);
    talk.client(&mut one, &["Q select a from t where b = 4"]);
    assert_eq!(talk.server_got(), BOUND);
    talk.server(&mut one, &ANSWERS);
    talk.pass(2_000);
    talk.client(&mut one, &["Q select a from t where b = 4"]);
    assert_eq!(talk.server_got(), anew, "another table may have come in front of it");

    let (mut talk, mut one, known) = prepared();
    let mut other = Conversation::new(&[]);
    other.session = other.session.with_known(known);
    let mut second = server(10);
    other.client(&mut second, &["Q begin"]);
    other.server(&mut second, &["C BEGIN", "Z T"]);
    other.client(&mut second, &["Q alter table t alter b type text"]);
    other.server(&mut second, &["C ALTER TABLE", "Z T"]);
    talk.client(&mut one, &["Q select a from t where b = 4"]);
    assert_eq!(talk.server_got(), BOUND, "nobody else can see it yet");
    talk.server(&mut one, &ANSWERS);
    other.client(&mut second, &["Q commit"]);
    other.server(&mut second, &["C COMMIT", "Z I"]);
    talk.client(&mut one, &["Q select a from t where b = 4"]);
    assert_eq!(talk.server_got(), anew);
}
