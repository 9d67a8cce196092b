//! What is answered without a server.

use crate::conversation::{Conversation, server};

/// What a client is told that sends this while it holds no server connection, and what a server gets.
fn said(talk: &mut Conversation, query: &str) -> (String, String) {
    let mut one = server(10);
    talk.client(&mut one, &[query]);
    (talk.client_got(), talk.server_got())
}

#[test]
fn what_changes_nothing_needs_no_server() {
    let mut talk = Conversation::new(&[("application_name", "shop")]);
    for (query, answer) in [
        ("Q DISCARD ALL", "C DISCARD ALL\nZ I"),
        ("Q discard all;", "C DISCARD ALL\nZ I"),
        ("Q DEALLOCATE ALL", "C DEALLOCATE ALL\nZ I"),
        ("Q RESET ALL", "C RESET\nZ I"),
        ("Q SET application_name TO 'shop'", "C SET\nZ I"),
        ("Q set session application_name = shop", "C SET\nZ I"),
    ] {
        assert_eq!(said(&mut talk, query), (answer.to_owned(), String::new()), "{query}");
        assert!(!talk.attached);
    }
}

#[test]
fn what_may_change_something_is_the_servers() {
    for query in [
        "Q set application_name to Shop",
        "Q set application_name to 'other'",
        "Q set local application_name to 'shop'",
        "Q set session authorization shop",
        "Q discard plans",
        "Q discard all; select 1",
        "Q deallocate a",
        "Q reset application_name",
        "Q select 1",
        "Q show all",
    ] {
        let mut talk = Conversation::new(&[("application_name", "shop")]);
        let mut one = server(10);
        talk.client(&mut one, &[query]);
        assert!(talk.attached && talk.client_got().is_empty(), "{query}");
    }
}

#[test]
fn a_repeated_set_is_answered_once_it_has_been_carried_out() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    let set = "Q set statement_timeout to '5s'";
    talk.client(&mut one, &[set]);
    talk.server(&mut one, &["C SET", "Z I"]);
    talk.client_got();
    talk.server_got();
    assert_eq!(said(&mut talk, set), ("C SET\nZ I".to_owned(), String::new()));
    let other = "Q set statement_timeout to '6s'";
    talk.client(&mut one, &[other]);
    assert!(talk.attached);
    talk.server(&mut one, &["C SET", "Z I"]);
    talk.client_got();
    talk.client(&mut one, &[set]);
    assert!(talk.attached, "it has another value now");
    talk.server(&mut one, &["C SET", "Z I"]);
    talk.client(&mut one, &["Q discard all"]);
    assert!(talk.attached, "there is something to discard");
}

#[test]
fn what_was_prepared_is_gone_afterwards() {
    for all in ["Q discard all", "Q deallocate all"] {
        let (mut talk, mut one) = (Conversation::new(&[]), server(10));
        talk.client(&mut one, &["P a select 1", "S"]);
        talk.server(&mut one, &["1", "Z I"]);
        talk.client_got();
        talk.server_got();
        talk.client(&mut one, &[all]);
        assert!(!talk.attached);
        talk.client(&mut one, &["B a", "E", "S"]);
        assert_eq!(talk.server_got(), "B a\nE\nS", "the server has to say that there is none");
    }
}
