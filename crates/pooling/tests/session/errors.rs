//! Statements that fail, and what was sent behind them.

use model::Outcome;

use pgweir_pooling::PoolingError;
use pgweir_pooling::session::Loss;

use crate::conversation::{Conversation, from_client, from_server, server, settings};

fn failed(code: &str) -> Outcome {
    Outcome::Failed(model::SqlState::from_bytes(code.as_bytes()))
}

#[test]
fn a_parse_that_fails_is_undone_with_all_behind_it() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P a selekt", "P b select 1", "B b", "E", "S"]);
    talk.server(&mut one, &["E 42601 syntax error"]);
    assert!(talk.attached);
    talk.server(&mut one, &["Z I"]);
    assert!(!talk.attached);
    assert_eq!(talk.client_got(), "E 42601 syntax error\nZ I");
    assert_eq!(talk.session.prepared_statements(), 0);
    assert!(one.session.statements.is_empty());
    talk.server_got();
    talk.client(&mut one, &["P a select 1", "P b select 2", "S"]);
    assert_eq!(talk.server_got(), "P __pgweir_2 select 1\nP __pgweir_3 select 2\nS");
}

#[test]
fn what_was_answered_before_the_error_stays() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P a select 1", "B a", "E", "P b selekt", "S", "P c select 3", "S"]);
    talk.server(&mut one, &["1", "2", "C SELECT 1", "E 42601 syntax error", "Z I", "1", "Z I"]);
    assert_eq!(talk.client_got(), "1\n2\nC SELECT 1\nE 42601 syntax error\nZ I\n1\nZ I");
    assert_eq!(talk.session.prepared_statements(), 2, "a and c");
    assert!(!talk.attached);
}

#[test]
fn without_a_sync_everything_is_skipped_up_to_it() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P - selekt", "H"]);
    talk.server(&mut one, &["E 42601 syntax error"]);
    talk.server_got();
    talk.client(&mut one, &["B -", "E", "P a select 1", "Q select 1", "d data", "c"]);
    assert_eq!(talk.server_got(), "", "the server would skip it");
    assert_eq!(talk.client_got(), "E 42601 syntax error", "and say nothing");
    assert!(talk.attached);
    talk.client(&mut one, &["S"]);
    talk.server(&mut one, &["Z I"]);
    assert!(!talk.attached);
    assert_eq!(talk.session.prepared_statements(), 0);
}

#[test]
fn a_close_that_is_skipped_has_not_happened() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P a select 1", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    talk.client(&mut one, &["P - selekt", "Cs a", "S"]);
    talk.server(&mut one, &["E 42601 syntax error", "Z I"]);
    talk.forget();
    talk.client(&mut one, &["B a", "E", "S"]);
    assert_eq!(talk.server_got(), "B __pgweir_0\nE\nS");
}

#[test]
fn a_deallocate_that_fails_has_not_happened() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P a select 1", "S", "Q begin", "Q selekt"]);
    talk.server(&mut one, &["1", "Z I", "C BEGIN", "Z T", "E 42601 syntax error", "Z E"]);
    talk.client(&mut one, &["Q deallocate a"]);
    talk.server(&mut one, &["E 25P02 current transaction is aborted", "Z E"]);
    talk.client(&mut one, &["Q rollback"]);
    talk.server(&mut one, &["C ROLLBACK", "Z I"]);
    talk.server_got();
    talk.client(&mut one, &["B a", "E", "S"]);
    assert_eq!(talk.server_got(), "Cs __pgweir_0\nP __pgweir_1 select 1\nB __pgweir_1\nE\nS");
}

#[test]
fn an_eviction_that_is_skipped_is_tried_again() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(1));
    talk.client(&mut one, &["P a select 1", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    talk.client(&mut one, &["P - selekt", "P b select 2", "S"]);
    assert!(talk.server_got().contains("P - selekt\nCs __pgweir_0\nP __pgweir_1 select 2"));
    talk.server(&mut one, &["E 42601 syntax error", "Z I"]);
    talk.client(&mut one, &["P b select 2", "S"]);
    assert_eq!(talk.server_got(), "Cs __pgweir_0\nP __pgweir_2 select 2\nS");
    talk.server(&mut one, &["3", "1", "Z I"]);
    assert!(!talk.attached);
}

#[test]
fn a_lock_outlives_the_statement_that_took_it() {
    // pg_advisory_lock(1) is granted, then the division fails: the lock stays.
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q select pg_advisory_lock(1), 1 / 0"]);
    talk.server(&mut one, &["E 22012 division by zero", "Z I"]);
    assert!(talk.attached && talk.session.leaves_state());
}

#[test]
fn a_statement_under_way_may_leave_state() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q select pg_advisory_lock(1)"]);
    assert!(talk.session.leaves_state(), "if the client disappears now");
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q select 1"]);
    assert!(!talk.session.leaves_state());
    talk.server(&mut one, &["C SELECT 1", "Z I"]);
}

#[test]
fn a_query_string_stops_at_its_first_error() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q select 1; select 1/0; listen x"]);
    talk.server(&mut one, &["C SELECT 1", "E 22012 division by zero", "Z I"]);
    assert!(!talk.attached, "LISTEN was not run");
    let outcomes: Vec<_> = talk.queries().iter().map(|query| query.outcome).collect();
    assert_eq!(outcomes, [Outcome::Done, failed("22012")]);
}

#[test]
fn settings_that_cannot_be_applied_are_the_clients_error() {
    // A cancel request that comes while settings are written, or a setting that this server
    // refuses: the client's own statement must not run with foreign settings and look well.
    let (mut owner, mut one) = (Conversation::new(&[("geqo", "off")]), server(10));
    owner.client(&mut one, &["Q select 1"]);
    owner.server(&mut one, &["own 1", "C SELECT 1", "Z I"]);
    let mut talk = Conversation::new(&[]);
    talk.client(&mut one, &["Q select 2"]);
    let got = talk.server_got();
    assert_eq!(got, settings(&["RESET \"geqo\""]) + "Q select 2");
    assert!(!got.contains("\nS"), "the server skips the statement: no Sync stands before it");
    let said = ["1", "2", "C BEGIN", "1", "2", "E 57014 canceling statement due to user request"];
    let bytes = crate::conversation::from_server(&said);
    assert_eq!(talk.server_bytes(&mut one, &bytes), Ok(false), "the server is not used further");
    assert_eq!(talk.lose(&mut one), pgweir_pooling::session::Loss::Survived);
    assert_eq!(talk.client_got(), "E 57014 canceling statement due to user request\nZ I");
}

#[test]
fn what_came_before_the_garbage_is_the_clients() {
    for garbage in [&b"D\0\0\0\x06\0\0"[..], b"D\xff\xff\xff\xff"] {
        let (mut talk, mut one) = (Conversation::new(&[]), server(10));
        talk.client(&mut one, &["Q select 1"]);
        let mut said = crate::conversation::from_server(&["T", "D 1", "C SELECT 1", "Z I"]);
        said.extend(garbage);
        assert!(talk.server_bytes(&mut one, &said).is_err());
        talk.lose(&mut one);
        assert_eq!(talk.client_got(), "T\nD 1\nC SELECT 1\nZ I");
    }
}

#[test]
fn a_server_that_answers_what_was_not_asked_is_dropped() {
    for reply in ["1", "2", "3", "C SELECT 1", "D 1", "T", "G", "Z T", "s", "V"] {
        let (mut talk, mut one) = (Conversation::new(&[]), server(10));
        talk.client(&mut one, &["Q begin"]);
        talk.server(&mut one, &["C BEGIN", "Z T"]);
        let bytes = crate::conversation::from_server(&[reply]);
        assert!(talk.server_bytes(&mut one, &bytes).is_err(), "{reply}");
    }
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P - select 1", "S"]);
    let bytes = crate::conversation::from_server(&["2"]);
    assert!(talk.server_bytes(&mut one, &bytes).is_err(), "BindComplete for a Parse");
}

#[test]
fn a_sync_behind_data_that_ends_a_copy_is_answered_and_nobody_else_gets_that() {
    let of_query: &[&str] = &["Q copy t from stdin", "d bad", "S"];
    let of_pipeline: &[&str] = &["P - copy t from stdin", "B -", "E", "d bad", "S", "c", "S"];
    for (said, begins) in [(of_query, &["G"][..]), (of_pipeline, &["1", "2", "G"])] {
        // The server reads over the Sync, or has given up before it gets there.
        for late in [&[][..], &["Z I"]] {
            let (mut talk, mut one) = (Conversation::new(&[]), server(10));
            talk.client(&mut one, said);
            talk.server(&mut one, begins);
            talk.server(&mut one, &["E 22P02 invalid input syntax", "Z I"]);
            assert!(talk.attached, "it may be answered");
            assert!(talk.server_got().contains("\nQ SELECT 'temporary'"));
            talk.forget();
            talk.server(&mut one, late);
            assert!(talk.attached);
            talk.server(&mut one, &["T", "D2 path|public", "C SELECT 1", "Z I"]);
            assert_eq!(talk.client_got(), late.join("\n"));
            assert!(!talk.attached, "what came behind it is answered");
        }
    }
}

#[test]
fn what_a_client_asks_behind_such_a_sync_gets_its_own_answer() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q begin"]);
    talk.server(&mut one, &["C BEGIN", "Z T"]);
    talk.client(&mut one, &["Q copy t from stdin", "d bad", "S", "Q rollback", "Q select 1"]);
    talk.server(&mut one, &["G", "E 22P02 invalid input syntax", "Z E"]);
    talk.forget();
    talk.server(&mut one, &["Z E", "C ROLLBACK", "Z I", "T", "D 1", "C SELECT 1", "Z I"]);
    assert_eq!(talk.client_got(), "Z E\nC ROLLBACK\nZ I\nT\nD 1\nC SELECT 1\nZ I");
}

#[test]
fn a_pipeline_behind_a_sync_that_a_copy_may_not_have_read_ends_with_its_connection() {
    let select = ["P - select 1 where false", "B -", "E", "S"];
    for more in [&select[..], &select[..3]] {
        let (mut talk, mut one) = (Conversation::new(&[]), server(10));
        let copy = ["P - copy t from stdin", "B -", "E", "d bad", "S"];
        talk.client(&mut one, &[&copy[..], more].concat());
        talk.server(&mut one, &["1", "2", "G"]);
        // The server has answered the Sync, and carries out what follows; or it has read over it, and
        // skips that: nobody knows.
        let error = from_server(&["E 22P02 invalid input syntax"]);
        assert_eq!(talk.server_bytes(&mut one, &error), Ok(false), "it must not be used any more");
        assert_eq!(talk.client_got(), "1\n2\nG");
        assert_eq!(talk.lose(&mut one), Loss::Close, "nor how many answers it waits for");
        assert_eq!(talk.client_got(), "FATAL 22P02 invalid input syntax");
    }
}

#[test]
fn what_follows_a_copy_that_failed_without_a_sync_is_not_dropped_in_silence() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P - copy t from stdin", "B -", "E", "d bad", "S"]);
    talk.server(&mut one, &["1", "2", "G", "E 22P02 invalid input syntax"]);
    // Late data, and the Sync that libpq sends behind it.
    talk.client(&mut one, &["d more", "c"]);
    let refused = talk.client_bytes(&mut one, &from_client(&["Q select 1"]));
    assert_eq!(refused, Err(PoolingError::AfterCopy));
}
