//! State that cannot be carried, and what the server is asked about it.

use model::{ClientId, PoolMode};
use pgweir_pooling::session::Loss;

use crate::conversation::{Conversation, Server, server, settings};

/// The client says it, the server carries it out.
fn run(talk: &mut Conversation, one: &mut Server, text: &str, tag: &str, ready: &str) {
    talk.client(one, &[&format!("Q {text}")]);
    talk.server(one, &[&format!("C {tag}"), ready]);
}

/// Whether the server was asked, and has said this.
#[track_caller]
fn answer(talk: &mut Conversation, one: &mut Server, rows: &[&str]) {
    let got = talk.server_got();
    let question = got.lines().last().unwrap_or_default();
    assert!(question.starts_with("Q SELECT 'temporary'"), "{got}");
    assert_eq!(
        question.contains("pg_show_all_settings"),
        rows.iter().any(|row| row.starts_with("set ")),
        "{question}"
    );
    let before = talk.client_got();
    let rows: Vec<_> = rows.iter().map(|row| format!("D2 {row}")).collect();
    let said: Vec<_> = ["T"]
        .into_iter()
        .chain(rows.iter().map(String::as_str))
        .chain(["C SELECT 1", "Z I"])
        .collect();
    talk.server(one, &said);
    assert_eq!(talk.client_got(), "", "it is none of the client's business; {before}");
}

const WITHOUT: [&str; 3] = ["set session_authorization|app", "set role|none", "path|public"];

#[test]
fn what_is_there_keeps_the_connection_until_it_is_gone() {
    for (text, row, end) in [
        ("create temp table t (a int)", "temporary|", "drop table t"),
        ("set search_path to pg_temp", "path|pg_temp", "set search_path to public"),
        ("listen x", "listen|", "unlisten x"),
        ("select pg_advisory_lock(1)", "lock|", "select pg_advisory_unlock(1)"),
        ("declare c cursor with hold for select 1", "cursor|", "close c"),
    ] {
        let (mut talk, mut one) = (Conversation::new(&[]), server(10));
        run(&mut talk, &mut one, text, "X", "Z I");
        answer(
            &mut talk,
            &mut one,
            &[row, "path|public"][..if row.starts_with('p') { 1 } else { 2 }],
        );
        assert!(talk.attached && talk.session.leaves_state(), "{text}");
        assert!(talk.session.between_transactions(), "{text}");
        run(&mut talk, &mut one, "select 1", "SELECT 1", "Z I");
        assert_eq!(talk.server_got(), "Q select 1", "not asked again: {text}");
        run(&mut talk, &mut one, end, "X", "Z I");
        answer(&mut talk, &mut one, &[row]);
        assert!(talk.attached, "there may have been two: {text}");
        run(&mut talk, &mut one, end, "X", "Z I");
        answer(&mut talk, &mut one, &["path|public"]);
        assert!(!talk.attached && !talk.session.leaves_state(), "{text}");
    }
}

#[test]
fn what_a_transaction_did_not_keep_does_not_pin() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    run(&mut talk, &mut one, "begin", "BEGIN", "Z T");
    run(&mut talk, &mut one, "create temp table t (a int) on commit drop", "CREATE TABLE", "Z T");
    assert_eq!(talk.session.pinned().map(|pin| pin.as_str()), Some("temporary table"));
    run(&mut talk, &mut one, "commit", "COMMIT", "Z I");
    answer(&mut talk, &mut one, &["path|public"]);
    assert!(!talk.attached && talk.session.pinned().is_none());
}

#[test]
fn discard_all_needs_no_question() {
    for text in ["create temp table t (a int)", "listen x", "select setseed(1)"] {
        let (mut talk, mut one) = (Conversation::new(&[]), server(10));
        run(&mut talk, &mut one, text, "X", "Z I");
        answer(&mut talk, &mut one, &["temporary|"]);
        assert!(talk.attached, "{text}");
        run(&mut talk, &mut one, "discard all", "DISCARD ALL", "Z I");
        assert_eq!(talk.server_got(), "Q discard all");
        assert!(!talk.attached && !talk.session.leaves_state(), "{text}");
    }
}

#[test]
fn what_the_server_cannot_be_asked_about_stays() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    run(&mut talk, &mut one, "select setseed(0.5)", "SELECT 1", "Z I");
    answer(&mut talk, &mut one, &["path|public"]);
    assert!(talk.attached);
    run(&mut talk, &mut one, "discard sequences", "DISCARD SEQUENCES", "Z I");
    answer(&mut talk, &mut one, &["path|public"]);
    assert!(talk.attached);
}

#[test]
fn settings_made_by_code_are_learned_and_follow_the_client() {
    let (mut talk, mut one, mut other) = (Conversation::new(&[]), server(10), server(10));
    run(&mut talk, &mut one, "set jit to off", "SET", "Z I");
    assert!(!talk.attached);
    run(
        &mut talk,
        &mut one,
        "do $$ begin perform set_config('a.b', 'c', false); end $$",
        "DO",
        "Z I",
    );
    let rows = [&WITHOUT[..], &["set a.b|c", "set jit|off"]].concat();
    answer(&mut talk, &mut one, &rows);
    assert!(!talk.attached, "nothing is left that pins");
    talk.client(&mut other, &["Q select 1"]);
    let written = settings(&["SET \"a.b\" TO 'c'", "SET \"jit\" TO 'off'"]);
    assert_eq!(talk.server_got(), written + "Q select 1");
}

#[test]
fn a_question_that_is_refused_leaves_the_client_pinned_until_it_discards() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    run(&mut talk, &mut one, "call p()", "CALL", "Z I");
    talk.client_got();
    talk.server(&mut one, &["E 42501 permission denied", "Z I"]);
    assert_eq!(talk.client_got(), "");
    assert_eq!(talk.session.pinned().map(|pin| pin.as_str()), Some("state not known"));
    run(&mut talk, &mut one, "discard all", "DISCARD ALL", "Z I");
    assert!(!talk.attached);
}

#[test]
fn what_comes_while_the_server_is_asked_waits_its_turn() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    run(&mut talk, &mut one, "call p()", "CALL", "Z I");
    talk.forget();
    talk.client(&mut one, &["P a select 1", "B a", "E", "S"]);
    talk.server(&mut one, &["T", "D2 set jit|off", "C SELECT 1", "Z I"]);
    assert!(talk.attached);
    talk.server(&mut one, &["1", "2", "C SELECT 1", "Z I"]);
    assert_eq!(talk.client_got(), "1\n2\nC SELECT 1\nZ I");
    assert!(!talk.attached);
}

#[test]
fn a_server_lost_while_it_is_asked_is_the_next_statements_business_only() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    run(&mut talk, &mut one, "call p()", "CALL", "Z I");
    talk.client_got();
    assert_eq!(talk.lose(&mut one), Loss::Close, "what it left is not known");
}

#[test]
fn settings_are_undone_with_their_transaction() {
    for (said, tags, ready, holds) in [
        ("begin; set a.b to 1; commit", &["C BEGIN", "C SET", "C COMMIT"][..], "Z I", true),
        ("begin; set a.b to 1; rollback", &["C BEGIN", "C SET", "C ROLLBACK"], "Z I", false),
        ("set a.b to 1; select 1/0", &["C SET", "E 22012 division by zero"], "Z I", false),
        ("begin; set a.b to 1; x", &["C BEGIN", "C SET", "E 42601 x"], "Z E", false),
        (
            "begin; set a.b to 1; commit; x",
            &["C BEGIN", "C SET", "C COMMIT", "E 42601 x"],
            "Z I",
            true,
        ),
        (
            "begin; set c.d to 2; savepoint s; set a.b to 1; rollback to s; commit",
            &["C BEGIN", "C SET", "C SAVEPOINT", "C SET", "C ROLLBACK", "C COMMIT"],
            "Z I",
            false,
        ),
    ] {
        let (mut talk, mut one, mut other) = (Conversation::new(&[]), server(10), server(10));
        talk.client(&mut one, &[&format!("Q {said}")]);
        let answers: Vec<_> = tags.iter().copied().chain([ready]).collect();
        talk.server(&mut one, &answers);
        if ready == "Z E" {
            run(&mut talk, &mut one, "commit", "ROLLBACK", "Z I");
        }
        assert!(!talk.attached, "{said}");
        talk.forget();
        talk.client(&mut other, &["Q select 1"]);
        assert_eq!(talk.server_got().contains("a.b"), holds, "{said}");
    }
}

#[test]
fn some_statements_want_a_server_that_nobody_has_used() {
    for text in ["load 'x'", "set plpgsql.foo to 1", "select pg_stat_force_next_flush()"] {
        let mut one = server(10);
        let mut other = Conversation::of(ClientId(2), PoolMode::Transaction, &[("geqo", "off")]);
        other.client(&mut one, &["Q select 1"]);
        other.server(&mut one, &["own 1", "C SELECT 1", "Z I"]);

        let mut talk = Conversation::new(&[]);
        talk.client(&mut one, &[&format!("Q {text}")]);
        assert!(talk.wants_own_server, "{text}");
        // The shell brings another, and what was written for the first is dropped.
        talk.server_got();
        let mut fresh = server(10);
        talk.attach(&mut fresh);
        talk.client(&mut fresh, &[]);
        assert_eq!(talk.server_got(), format!("Q {text}"));
        talk.server(&mut fresh, &["C X", "Z I"]);
        assert_eq!(fresh.session.is_worn(), !text.contains("flush"), "{text}");
    }
    // In a block, and while something is left on it, the client keeps what it has.
    let mut one = server(10);
    let mut other = Conversation::of(ClientId(2), PoolMode::Transaction, &[]);
    run(&mut other, &mut one, "select 1", "SELECT 1", "Z I");
    let mut talk = Conversation::new(&[]);
    run(&mut talk, &mut one, "begin", "BEGIN", "Z T");
    talk.client(&mut one, &["Q load 'x'"]);
    assert!(!talk.wants_own_server);
}

#[test]
fn a_question_that_a_cancel_request_hits_is_asked_again() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    run(&mut talk, &mut one, "listen x", "LISTEN", "Z I");
    let question = talk.server_got();
    let question = question.lines().last().unwrap();
    talk.server(&mut one, &["E 57014", "Z I"]);
    assert_eq!(talk.server_got(), question);
    talk.server(&mut one, &["T", "D2 path|public", "C SELECT 1", "Z I"]);
    assert!(!talk.attached, "nothing was left");

    run(&mut talk, &mut one, "listen x", "LISTEN", "Z I");
    for _ in 0..3 {
        talk.server(&mut one, &["E 57014", "Z I"]);
    }
    assert!(talk.attached && talk.session.leaves_state(), "it is not asked for ever");
}

#[test]
fn what_a_lost_transaction_has_set_is_as_before() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q set timezone to 'Asia/Tokyo'"]);
    talk.server(&mut one, &["C SET", "S TimeZone=Asia/Tokyo", "Z I"]);
    talk.client(&mut one, &["Q begin; set timezone to 'Asia/Aden'"]);
    talk.server(&mut one, &["C BEGIN", "C SET", "S TimeZone=Asia/Aden", "Z T"]);
    talk.client_got();
    assert_eq!(talk.lose(&mut one), Loss::Survived);
    assert!(talk.client_got().contains("S TimeZone=Asia/Tokyo"));
    talk.client(&mut one, &["Q rollback"]);
    talk.client(&mut one, &["Q rollback", "Q show timezone"]);
    let mut other = server(11);
    talk.attach(&mut other);
    talk.client(&mut other, &[]);
    assert!(talk.server_got().contains("Asia/Tokyo"));
}

#[test]
fn what_a_statement_sets_back_at_once_is_told_though_the_server_says_nothing() {
    let (mut one, mut other) = (server(10), server(11));
    let mut talk = Conversation::new(&[]);
    talk.client(&mut one, &["Q set application_name to 'mine'"]);
    talk.server(&mut one, &["C SET", "S application_name=mine", "Z I"]);
    talk.forget();
    // Here it is set on attach, and reset by the client before the server reports anything.
    talk.client(&mut other, &["Q reset application_name"]);
    assert!(talk.server_got().contains("SET \"application_name\" TO 'mine'"));
    talk.server(&mut other, &["own 1", "C RESET", "Z I"]);
    assert_eq!(talk.client_got(), "C RESET\nS application_name=\nZ I");
    talk.client(&mut other, &["Q select 1"]);
    assert_eq!(talk.server_got(), "Q select 1");
}

#[test]
fn functions_are_looked_up_once_and_what_they_do_is_known_then() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    run(&mut talk, &mut one, "select f(1), g(2), now()", "SELECT 1", "Z I");
    let question = talk.server_got();
    assert!(question.contains("ARRAY['f','g']::pg_catalog.name[]"), "{question}");
    let body = "D2 routine f|body begin return h(1); end";
    talk.server(&mut one, &["T", body, "D2 routine g|harmless", "C SELECT 2", "Z I"]);
    assert!(talk.attached && talk.server_got().contains("ARRAY['h']::"), "by way of f");
    talk.server(&mut one, &["T", "D2 routine h|opaque", "C SELECT 1", "Z I"]);
    assert!(!talk.attached);
    run(&mut talk, &mut one, "select g(3)", "SELECT 1", "Z I");
    assert_eq!(talk.server_got(), "Q select g(3)", "not asked again");
    for _ in 0..2 {
        run(&mut talk, &mut one, "select f(3)", "SELECT 1", "Z I");
        let question = talk.server_got();
        assert!(question.contains("pg_my_temp_schema") && !question.contains("ARRAY['"));
        talk.server(&mut one, &["T", "C SELECT 0", "Z I"]);
    }
    run(&mut talk, &mut one, "create or replace function g() returns int as ''", "CREATE", "Z I");
    talk.forget();
    if talk.attached {
        talk.server(&mut one, &["T", "C SELECT 0", "Z I"]);
    }
    run(&mut talk, &mut one, "select g(3)", "SELECT 1", "Z I");
    assert!(talk.server_got().contains("ARRAY['g']::"), "it may be another one now");
}

#[test]
fn settings_that_only_a_functions_body_names_are_asked_for() {
    let (mut talk, mut one, mut other) = (Conversation::new(&[]), server(10), server(11));
    run(&mut talk, &mut one, "select f()", "SELECT 1", "Z I");
    talk.forget();
    let body = "D2 routine f|body select set_config('shop.tenant', 'a', false)";
    talk.server(&mut one, &["T", body, "C SELECT 1", "Z I"]);
    let question = talk.server_got();
    assert!(talk.attached && question.contains("ARRAY['shop.tenant']"), "{question}");
    talk.server(&mut one, &["T", "D2 set shop.tenant|a", "C SELECT 1", "Z I"]);
    assert!(!talk.attached);
    talk.client(&mut other, &["Q select 1"]);
    assert_eq!(talk.server_got(), settings(&["SET \"shop.tenant\" TO 'a'"]) + "Q select 1");
    let mut next = Conversation::of(ClientId(2), PoolMode::Transaction, &[]);
    next.client(&mut one, &["Q select 1"]);
    assert_eq!(next.server_got(), settings(&["RESET \"shop.tenant\""]) + "Q select 1");
}
