//! The server connection is lost, in every state that a client can be in.

use pgweir_pooling::session::Loss;

use crate::conversation::{Conversation, from_client, from_server, server};

const LOST: &str = "E 08006 server closed the connection unexpectedly";

#[test]
fn in_a_statement_its_client_is_told_and_goes_on() {
    let (mut talk, mut one, mut other) = (Conversation::new(&[]), server(10), server(10));
    talk.client(&mut one, &["Q select 1"]);
    talk.server(&mut one, &["T", "D 1"]);
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    assert_eq!(talk.client_got(), format!("T\nD 1\n{LOST}\nZ I"));
    talk.server_got();
    talk.client(&mut other, &["Q select 2"]);
    assert_eq!(talk.server_got(), "Q select 2");
    talk.server(&mut other, &["C SELECT 1", "Z I"]);
    assert!(!talk.attached);
}

#[test]
fn its_last_words_are_passed_on_as_an_error() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q select 1"]);
    let words = from_server(&["FATAL 57P01 terminating connection due to administrator command"]);
    assert_eq!(talk.server_bytes(&mut one, &words), Ok(false));
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    let said = "E 57P01 terminating connection due to administrator command\nZ I";
    assert_eq!(talk.client_got(), said, "FATAL would make a driver give up its connection");
}

#[test]
fn in_a_pipeline_every_sync_is_answered() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    let once = ["P - select 1", "B -", "E", "S"];
    talk.client(&mut one, &[once, once, once].concat());
    talk.server(&mut one, &["1", "2", "C SELECT 1", "Z I", "1", "2"]);
    talk.client_got();
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    assert_eq!(talk.client_got(), format!("{LOST}\nZ I\n{LOST}\nZ I"));
}

#[test]
fn between_an_error_and_its_ready_nothing_more_is_told() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    let once = ["P - select 1", "B -", "E", "S"];
    talk.client(&mut one, &[once, once].concat());
    talk.server(&mut one, &["1", "E 22012 division by zero"]);
    talk.client_got();
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    assert_eq!(talk.client_got(), format!("Z I\n{LOST}\nZ I"));

    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q select 1/0"]);
    talk.server(&mut one, &["E 22012 division by zero"]);
    talk.client_got();
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    assert_eq!(talk.client_got(), "Z I");
}

#[test]
fn before_the_sync_the_rest_is_skipped_up_to_it() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P a select 1", "B a", "E", "H"]);
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    assert_eq!(talk.client_got(), LOST);
    talk.client(&mut one, &["B a", "E", "P b select 2"]);
    assert_eq!(talk.client_got(), "");
    talk.client(&mut one, &["S"]);
    assert_eq!(talk.client_got(), "Z I");
    assert!(!talk.attached);
    assert_eq!(talk.session.prepared_statements(), 0, "neither was prepared");
}

#[test]
fn between_two_statements_of_a_block_the_next_is_told() {
    let (mut talk, mut one, mut other) = (Conversation::new(&[]), server(10), server(10));
    talk.client(&mut one, &["Q begin"]);
    talk.server(&mut one, &["C BEGIN", "Z T"]);
    talk.client_got();
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    assert_eq!(talk.client_got(), "", "nothing was asked");
    talk.client(&mut other, &["Q insert into t values (1)"]);
    assert_eq!(talk.client_got(), format!("{LOST}\nZ E"));
    failed_block(&mut talk);
}

#[test]
fn in_a_statement_of_a_block_the_block_has_failed() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q begin"]);
    talk.server(&mut one, &["C BEGIN", "Z T"]);
    talk.client(&mut one, &["Q select 1"]);
    talk.client_got();
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    assert_eq!(talk.client_got(), format!("{LOST}\nZ E"));
    failed_block(&mut talk);
}

/// It ends by ROLLBACK or COMMIT, which says ROLLBACK; nothing else may seem to work.
fn failed_block(talk: &mut Conversation) {
    let mut none = server(10);
    let aborted = "E 25P02 current transaction is aborted, commands ignored until end of \
                   transaction block";
    talk.server_got();
    talk.client(&mut none, &["Q select 1"]);
    assert_eq!(talk.client_got(), format!("{aborted}\nZ E"));
    talk.client(&mut none, &["P - select 1", "B -", "E", "S"]);
    assert_eq!(talk.client_got(), format!("{aborted}\nZ E"));
    talk.client(&mut none, &["Q commit; select 1"]);
    assert_eq!(talk.client_got(), format!("{aborted}\nZ E"), "more than an end");
    talk.client(&mut none, &["P - commit", "B -", "Dp -", "E", "S"]);
    assert_eq!(talk.client_got(), "1\n2\nn\nC ROLLBACK\nZ I");
    assert_eq!(talk.server_got(), "");
    talk.client(&mut none, &["Q select 1"]);
    assert!(talk.attached, "and all is well");
}

#[test]
fn while_settings_are_written_the_statement_behind_them_is_told() {
    let (mut talk, mut one) = (Conversation::new(&[("geqo", "off")]), server(10));
    talk.client(&mut one, &["Q select 1"]);
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    assert_eq!(talk.client_got(), format!("{LOST}\nZ I"));
}

#[test]
fn a_pinned_client_has_lost_its_session() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q listen x"]);
    talk.server(&mut one, &["C LISTEN", "Z I"]);
    talk.client_got();
    assert_eq!(talk.lose(&mut one), Loss::Close);
    assert_eq!(talk.client_got(), "FATAL 08006 server closed the connection unexpectedly");
}

#[test]
fn half_a_row_cannot_be_made_whole() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q select 1"]);
    let row = from_server(&["D a long value"]);
    assert_eq!(talk.server_bytes(&mut one, &row[..9]), Ok(true));
    assert_eq!(talk.output().1, &row[..9], "it is streamed");
    assert_eq!(talk.lose(&mut one), Loss::Close);
    assert_eq!(talk.output().1, &row[..9], "an error here would be part of the row");
}

#[test]
fn the_rest_of_a_streamed_message_is_dropped() {
    let (mut talk, mut one, mut other) = (Conversation::new(&[]), server(10), server(10));
    talk.client(&mut one, &["Q copy t from stdin"]);
    talk.server(&mut one, &["G"]);
    let data = from_client(&["d 0123456789"]);
    talk.client_bytes(&mut one, &data[..8]).unwrap();
    talk.client_got();
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    assert_eq!(talk.client_got(), format!("{LOST}\nZ I"));
    talk.client_bytes(&mut other, &data[8..]).unwrap();
    talk.client(&mut other, &["d more", "c"]);
    assert_eq!(talk.server_got(), "");
    talk.client(&mut other, &["Q select 1"]);
    assert_eq!(talk.server_got(), "Q select 1");
}

#[test]
fn a_refused_client_is_told_once() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    let error = wire::error_response::ErrorFields::error("53300", "query_wait_timeout");
    talk.session.refuse(error.clone());
    talk.client(&mut one, &["Q select 1"]);
    assert_eq!(talk.client_got(), "E 53300 query_wait_timeout\nZ I");
    talk.session.refuse(error);
    talk.client(&mut one, &["P a select 1", "B a", "E", "S"]);
    assert_eq!(talk.client_got(), "E 53300 query_wait_timeout\nZ I");
    assert!(!talk.attached);
    talk.client(&mut one, &["P a select 1", "S"]);
    assert_eq!(talk.server_got(), "P __pgweir_0 select 1\nS");
}

#[test]
fn a_close_that_was_not_answered_has_not_happened() {
    let (mut talk, mut one, mut other) = (Conversation::new(&[]), server(10), server(10));
    talk.client(&mut one, &["P a select 1", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    // Its answer waits for the one before it; what follows has another text under the same name.
    talk.client(&mut one, &["B a", "E", "Cs a", "P a select 2", "Cs a", "P b select 3", "S"]);
    talk.forget();
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    assert_eq!(talk.client_got(), format!("{LOST}\nZ I"));
    assert_eq!(talk.session.prepared_statements(), 1, "a, and not b");
    talk.client(&mut other, &["B a", "E", "S"]);
    assert_eq!(talk.server_got(), "P __pgweir_0 select 1\nB __pgweir_0\nE\nS");
}

#[test]
fn a_deallocate_that_was_not_answered_has_not_happened() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P a select 1", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    talk.client(&mut one, &["Q deallocate a"]);
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    assert_eq!(talk.session.prepared_statements(), 1, "it was told of an error");

    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P a select 1", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    talk.client(&mut one, &["Q deallocate a"]);
    talk.server(&mut one, &["C DEALLOCATE"]);
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    assert_eq!(talk.session.prepared_statements(), 0, "it is no part of the transaction");
}

#[test]
fn what_was_to_be_said_of_a_cancellation_is_not_said_of_the_next() {
    let (mut talk, mut one, mut other) = (Conversation::new(&[]), server(10), server(10));
    talk.client(&mut one, &["Q select 1"]);
    talk.session.interrupt(wire::error_response::ErrorFields::error("57014", "query_timeout"));
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    talk.client(&mut other, &["Q select 2"]);
    talk.forget();
    talk.server(&mut other, &["E 57014 canceling statement due to user request", "Z I"]);
    assert_eq!(talk.client_got(), "E 57014 canceling statement due to user request\nZ I");
}
