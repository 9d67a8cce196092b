//! Prepared statements that survive a change of server.

use std::sync::Arc;

use model::PoolMode;
use pgweir_pooling::known::KnownStatements;

use crate::conversation::{Conversation, server};

#[test]
fn a_named_statement_is_renamed_and_prepared_where_it_is_missing() {
    let (mut talk, mut one, mut other) = (Conversation::new(&[]), server(10), server(10));
    talk.client(&mut one, &["P s1 select $1", "Ds s1", "S"]);
    assert_eq!(talk.server_got(), "P __pgweir_0 select $1\nDs __pgweir_0\nS");
    talk.server(&mut one, &["1", "t", "n", "Z I"]);
    assert_eq!(talk.client_got(), "1\nt\nn\nZ I");

    talk.client(&mut other, &["B s1", "E", "S"]);
    assert_eq!(talk.server_got(), "P __pgweir_0 select $1\nB __pgweir_0\nE\nS");
    talk.server(&mut other, &["1", "2", "C SELECT 0", "Z I"]);
    assert_eq!(talk.client_got(), "2\nC SELECT 0\nZ I", "our own Parse is not its business");

    talk.client(&mut one, &["B s1", "E", "S"]);
    assert_eq!(talk.server_got(), "B __pgweir_0\nE\nS", "the first server has it still");
}

#[test]
fn clients_share_a_statement_and_its_parse_is_answered_in_turn() {
    let (mut first, mut second, mut one) =
        (Conversation::new(&[]), Conversation::new(&[]), server(10));
    first.client(&mut one, &["P a select $1", "S"]);
    first.server(&mut one, &["1", "Z I"]);

    second.client(&mut one, &["P - select 2", "B -", "P b select $1", "B b", "E", "S"]);
    assert_eq!(second.server_got(), "P - select 2\nB -\nB __pgweir_0\nE\nS");
    assert_eq!(second.client_got(), "", "not before its turn");
    second.server(&mut one, &["1"]);
    assert_eq!(second.client_got(), "1");
    second.server(&mut one, &["2"]);
    assert_eq!(second.client_got(), "2\n1", "ours follows the server's");
    second.server(&mut one, &["2", "C SELECT 0", "Z I"]);
    assert_eq!(second.client_got(), "2\nC SELECT 0\nZ I");
    assert!(!second.attached);
}

#[test]
fn a_parse_that_is_answered_here_does_not_wait_for_a_flush() {
    let (mut first, mut second, mut one) =
        (Conversation::new(&[]), Conversation::new(&[]), server(10));
    first.client(&mut one, &["P a select $1", "S"]);
    first.server(&mut one, &["1", "Z I"]);
    second.client(&mut one, &["P b select $1", "H"]);
    assert_eq!(second.client_got(), "1");
}

#[test]
fn a_parse_of_what_the_pool_knows_needs_no_server() {
    let known = Arc::new(KnownStatements::default());
    let talk = || {
        let mut talk = Conversation::new(&[]);
        talk.session = talk.session.with_known(Arc::clone(&known));
        talk
    };
    let (mut first, mut second, mut one) = (talk(), talk(), server(10));
    first.client(&mut one, &["P a select $1", "S"]);
    assert!(first.attached, "nobody knows it yet");
    first.server(&mut one, &["1", "Z I"]);

    second.client(&mut one, &["P b select $1", "S"]);
    assert_eq!(second.client_got(), "1\nZ I");
    assert!(!second.attached && second.server_got().is_empty());
    second.client(&mut one, &["B b", "E", "S"]);
    assert_eq!(second.server_got(), "B __pgweir_0\nE\nS");
    second.server(&mut one, &["2", "C SELECT 0", "Z I"]);

    second.client(&mut one, &["P b select $1", "S"]);
    assert!(second.attached, "the name is taken: that is for the server to say");
    assert_eq!(second.server_got(), "P __pgweir_0 select $1\nS");
    second.server(&mut one, &["E 42P05", "Z I"]);

    // A server that has not got it refuses it: the next Parse is the server's again.
    let mut other = server(10);
    second.client(&mut other, &["B b", "E", "S"]);
    assert_eq!(second.server_got(), "P __pgweir_0 select $1\nB __pgweir_0\nE\nS");
    second.server(&mut other, &["E 42P01", "Z I"]);
    second.client(&mut other, &["P c select $1", "S"]);
    assert!(second.attached);
}

#[test]
fn the_oldest_statement_makes_room() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(1));
    talk.client(&mut one, &["P a select 1", "P b select 2", "B a", "E", "B b", "E", "S"]);
    assert_eq!(
        talk.server_got(),
        "P __pgweir_0 select 1\n\
         Cs __pgweir_0\nP __pgweir_1 select 2\n\
         Cs __pgweir_1\nP __pgweir_2 select 1\nB __pgweir_2\nE\n\
         Cs __pgweir_2\nP __pgweir_3 select 2\nB __pgweir_3\nE\nS"
    );
    talk.server(&mut one, &["1", "3", "1", "3", "1", "2", "C SELECT 1"]);
    talk.server(&mut one, &["3", "1", "2", "C SELECT 1", "Z I"]);
    assert_eq!(talk.client_got(), "1\n1\n2\nC SELECT 1\n2\nC SELECT 1\nZ I");
    assert_eq!(one.session.statements.len(), 1);
}

#[test]
fn the_unnamed_statement_follows_too() {
    let (mut talk, mut one, mut other) = (Conversation::new(&[]), server(10), server(10));
    talk.client(&mut one, &["P - select 1", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    talk.server_got();
    talk.client(&mut other, &["B -", "E", "S"]);
    assert_eq!(talk.server_got(), "P - select 1\nB -\nE\nS");
    talk.server(&mut other, &["1", "2", "C SELECT 1", "Z I"]);
    assert_eq!(talk.client_got(), "1\nZ I\n2\nC SELECT 1\nZ I");

    // Another client's unnamed statement on the first server is not ours.
    let mut stranger = Conversation::new(&[]);
    stranger.client(&mut one, &["P - select 'secret'", "S"]);
    stranger.server(&mut one, &["1", "Z I"]);
    talk.client(&mut one, &["B -", "E", "S"]);
    assert_eq!(talk.server_got(), "P - select 1\nB -\nE\nS");
}

#[test]
fn a_name_of_ours_leads_to_no_foreign_statement() {
    let (mut talk, mut stranger, mut one) =
        (Conversation::new(&[]), Conversation::new(&[]), server(10));
    stranger.client(&mut one, &["P a select 'secret'", "S"]);
    stranger.server(&mut one, &["1", "Z I"]);
    talk.client(&mut one, &["B __pgweir_0", "E", "S"]);
    assert_eq!(talk.server_got(), "B ?__pgweir_0\nE\nS");
    talk.server(&mut one, &["E 26000 no such statement", "Z I"]);
    talk.client(&mut one, &["Ds __pgweir_0", "S"]);
    assert_eq!(talk.server_got(), "Ds ?__pgweir_0\nS");
    talk.server(&mut one, &["E 26000 no such statement", "Z I"]);
    talk.client(&mut one, &["P - select 1", "Cs __pgweir_0", "S"]);
    assert_eq!(talk.server_got(), "P - select 1\nS", "it is not closed");
}

#[test]
fn close_forgets_the_name_and_the_server_keeps_the_statement() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P a select 1", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    talk.client(&mut one, &["Cs a", "S"]);
    assert!(!talk.attached);
    talk.forget();
    talk.client(&mut one, &["P a select 1", "B a", "E", "Cs a", "S"]);
    assert_eq!(talk.server_got(), "B __pgweir_0\nE\nS");
    talk.server(&mut one, &["2", "C SELECT 1", "Z I"]);
    assert_eq!(talk.client_got(), "1\n2\nC SELECT 1\n3\nZ I");
}

#[test]
fn deallocate_closes_what_the_protocol_prepared() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P Stmt select 1", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    talk.server_got();
    talk.client_got();
    talk.client(&mut one, &["Q deallocate \"Stmt\""]);
    assert_eq!(talk.server_got(), "Q DEALLOCATE \"__pgweir_0\"");
    talk.server(&mut one, &["C DEALLOCATE", "Z I"]);
    assert_eq!(talk.client_got(), "C DEALLOCATE\nZ I");
    assert_eq!(talk.session.prepared_statements(), 0);
    assert!(one.session.statements.is_empty());
}

#[test]
fn deallocate_asks_nothing_of_a_server_that_does_not_have_the_statement() {
    let (mut talk, mut one, mut other) = (Conversation::new(&[]), server(10), server(10));
    talk.client(&mut one, &["P a select * from gone", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    talk.forget();
    talk.client(&mut other, &["Q deallocate a"]);
    assert_eq!(talk.server_got(), "", "a Parse that fails would swallow the Query");
    assert_eq!(talk.client_got(), "C DEALLOCATE\nZ I");
    assert!(talk.session.releasable() && talk.session.prepared_statements() == 0);
}

#[test]
fn who_deallocates_what_its_server_does_not_have_keeps_no_connection_for_it() {
    let (mut talk, mut one, mut other) =
        (Conversation::new(&[("a.b", "1")]), server(10), server(10));
    talk.client(&mut one, &["P a select 1", "S"]);
    talk.server(&mut one, &["own 1", "1", "Z I"]);
    talk.forget();
    talk.client(&mut other, &["Q deallocate a"]);
    assert_eq!(talk.client_got(), "C DEALLOCATE\nZ I");
    // Without a Sync its settings would never be answered.
    assert!(talk.server_got().ends_with("\nS"));
    talk.server(&mut other, &["own 1", "Z I"]);
    assert_eq!((talk.client_got().as_str(), talk.attached), ("", false));
    // Should the server be lost meanwhile, that is nothing to the client.
    talk.client(&mut one, &["P b select 3", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    let mut third = server(10);
    talk.client(&mut third, &["Q deallocate b"]);
    talk.forget();
    talk.lose(&mut third);
    assert_eq!(talk.client_got(), "");
    talk.client(&mut one, &["Q select 2"]);
    assert_eq!(talk.server_got(), "Q select 2");
}

#[test]
fn what_a_mode_refuses_is_refused_though_the_pool_knows_it() {
    let known = Arc::new(KnownStatements::default());
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.session = talk.session.with_known(Arc::clone(&known));
    talk.client(&mut one, &["P a begin", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    // The pool's mode was changed since.
    let mut late = Conversation::in_mode(PoolMode::Statement, &[]);
    late.session = late.session.with_known(known);
    late.client(&mut one, &["P a begin", "S"]);
    late.server(&mut one, &["E 22P02 invalid input syntax", "Z I"]);
    assert_eq!(late.client_got(), "E 0A000 transaction blocks are not allowed in this pool\nZ I");
}

#[test]
fn a_taken_name_is_the_servers_to_refuse_in_the_clients_words() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P a select 1", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    talk.forget();
    talk.client(&mut one, &["P a select 2", "B a", "E", "S"]);
    assert_eq!(talk.server_got(), "P __pgweir_0 select 2\nB __pgweir_0\nE\nS");
    talk.server(&mut one, &["E 42P05 prepared statement \"__pgweir_0\" already exists", "Z I"]);
    assert_eq!(talk.client_got(), "E 42P05 prepared statement \"a\" already exists\nZ I");
    talk.client(&mut one, &["B a", "E", "S"]);
    assert_eq!(talk.server_got(), "B __pgweir_0\nE\nS", "the first one is still there");
}

#[test]
fn a_failed_block_returns_to_a_savepoint_by_a_statement_that_the_server_has() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P a rollback to savepoint s", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    talk.client(&mut one, &["Q begin; savepoint s", "Q select 1 / 0"]);
    talk.server(&mut one, &["C BEGIN", "C SAVEPOINT", "Z T", "E 22012 division by zero", "Z E"]);
    talk.forget();
    talk.client(&mut one, &["P b rollback to savepoint s", "B b", "E", "S"]);
    assert_eq!(talk.client_got(), "1");
    assert_eq!(talk.server_got(), "B __pgweir_0\nE\nS");
}
