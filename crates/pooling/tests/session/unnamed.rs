//! The unnamed statement, served from a named one.

use std::sync::Arc;

use pgweir_pooling::known::{KnownStatements, Serves};
use pgweir_pooling::session::Loss;

use crate::conversation::{Conversation, Server, server};

const ONCE: [&str; 5] = ["P - select $1", "B -", "Dp -", "E", "S"];

/// A client of a pool that has parsed `select $1` before.
fn acquainted() -> (Conversation, Arc<KnownStatements>) {
    let known = Arc::new(KnownStatements::default());
    let mut talk = Conversation::new(&[]);
    talk.session = talk.session.with_known(Arc::clone(&known));
    let mut first = server(10);
    talk.client(&mut first, &ONCE);
    assert_eq!(talk.server_got(), "P - select $1\nB -\nDp -\nE\nS", "nobody knows it yet");
    talk.server(&mut first, &["1", "2", "n", "C SELECT 0", "Z I"]);
    assert_eq!(talk.client_got(), "1\n2\nn\nC SELECT 0\nZ I");
    (talk, known)
}

#[test]
fn what_is_prepared_anew_each_time_is_parsed_once() {
    let (mut talk, _known) = acquainted();
    let mut one = server(10);
    talk.client(&mut one, &ONCE);
    assert_eq!(talk.client_got(), "1", "at once");
    assert_eq!(talk.server_got(), "P __pgweir_0 select $1\nB __pgweir_0\nDp -\nE\nS");
    talk.server(&mut one, &["1", "2", "n", "C SELECT 0", "Z I"]);
    assert_eq!(talk.client_got(), "2\nn\nC SELECT 0\nZ I");
    for _ in 0..3 {
        talk.client(&mut one, &ONCE);
        assert_eq!(talk.server_got(), "B __pgweir_0\nDp -\nE\nS");
        talk.server(&mut one, &["2", "n", "C SELECT 0", "Z I"]);
        assert_eq!(talk.client_got(), "1\n2\nn\nC SELECT 0\nZ I");
    }
}

#[test]
fn a_bind_that_comes_later_finds_it_on_another_server() {
    let (mut talk, _known) = acquainted();
    let (mut one, mut other) = (server(10), server(10));
    talk.client(&mut one, &["P - select $1", "S"]);
    assert_eq!(talk.server_got(), "", "a known statement needs no server");
    assert_eq!(talk.client_got(), "1\nZ I");
    talk.client(&mut other, &["Ds -", "B -", "E", "S"]);
    assert_eq!(talk.server_got(), "P __pgweir_0 select $1\nDs __pgweir_0\nB __pgweir_0\nE\nS");
    talk.server(&mut other, &["1", "t", "n", "2", "C SELECT 0", "Z I"]);
    assert_eq!(talk.client_got(), "t\nn\n2\nC SELECT 0\nZ I");
}

#[test]
fn a_query_ends_it_as_it_ends_every_unnamed_statement() {
    let (mut talk, _known) = acquainted();
    let mut one = server(10);
    talk.client(&mut one, &ONCE);
    talk.server(&mut one, &["1", "2", "n", "C SELECT 0", "Z I"]);
    talk.client(&mut one, &["Q select 2"]);
    talk.server(&mut one, &["C SELECT 1", "Z I"]);
    talk.client_got();
    talk.server_got();
    talk.client(&mut one, &["B -", "E", "S"]);
    assert_eq!(talk.server_got(), "Cs -\nB -\nE\nS", "the server has to say that there is none");
}

#[test]
fn what_has_no_plan_or_changes_the_session_is_sent_as_it_is() {
    for text in
        ["begin", "set a.b to 1", "select set_config('a.b', $1, false)", "create table t ()"]
    {
        let known = Arc::new(KnownStatements::default());
        let mut talk = Conversation::new(&[]);
        talk.session = talk.session.with_known(known);
        let mut one = server(10);
        let parse = format!("P - {text}");
        for _ in 0..2 {
            talk.client(&mut one, &[&parse, "S"]);
            assert_eq!(talk.server_got(), format!("{parse}\nS"));
            talk.server(&mut one, &["1", "Z I"]);
        }
    }
}

#[test]
fn it_can_be_turned_off() {
    let (mut talk, known) = acquainted();
    known.serve(Serves { unnamed: false, queries: false });
    let mut one = server(10);
    talk.client(&mut one, &ONCE);
    assert_eq!(talk.server_got(), "P - select $1\nB -\nDp -\nE\nS");
}

#[test]
fn a_table_that_has_changed_is_not_the_clients_business() {
    let (mut talk, _known) = acquainted();
    let mut one = server(10);
    talk.client(&mut one, &ONCE);
    talk.server(&mut one, &["1", "2", "n", "C SELECT 0", "Z I"]);
    talk.client_got();
    talk.server_got();

    talk.client(&mut one, &ONCE);
    assert_eq!(talk.server_got(), "B __pgweir_0\nDp -\nE\nS");
    assert_eq!(talk.client_got(), "1");
    talk.server(&mut one, &["E 0A000 RevalidateCachedQuery"]);
    assert_eq!(talk.client_got(), "", "it would not have met the error");
    assert_eq!(talk.server_got(), "P - select $1\nB -\nDp -\nE\nS");
    talk.server(&mut one, &["Z I", "1", "2", "n", "C SELECT 0", "Z I"]);
    assert_eq!(talk.client_got(), "2\nn\nC SELECT 0\nZ I");
    assert!(!talk.attached);

    talk.client(&mut one, &ONCE);
    assert_eq!(talk.server_got(), "P - select $1\nB -\nDp -\nE\nS", "new to the pool");
    talk.server(&mut one, &["1", "2", "n", "C SELECT 0", "Z I"]);
    talk.client(&mut one, &ONCE);
    let anew = "Cs __pgweir_0\nP __pgweir_1 select $1\nB __pgweir_1\nDp -\nE\nS";
    assert_eq!(talk.server_got(), anew);
}

#[test]
fn the_servers_own_unnamed_statement_is_as_old_as_the_named_one() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    for answers in [&["1", "2", "n", "C SELECT 0", "Z I"][..]; 2] {
        talk.client(&mut one, &ONCE);
        talk.server(&mut one, answers);
    }
    talk.client_got();
    talk.server_got();
    talk.client(&mut one, &ONCE);
    talk.server(&mut one, &["E 0A000 RevalidateCachedQuery"]);
    let both = "B __pgweir_0\nDp -\nE\nS\nP - select $1\nB -\nDp -\nE\nS";
    assert_eq!(talk.server_got(), both);
}

#[test]
fn in_a_block_or_behind_others_the_client_is_told() {
    let error = "E 0A000 RevalidateCachedQuery";
    let (mut talk, _known) = acquainted();
    let mut one = server(10);
    talk.client(&mut one, &ONCE);
    talk.server(&mut one, &["1", "2", "n", "C SELECT 0", "Z I"]);
    talk.client(&mut one, &["Q begin"]);
    talk.server(&mut one, &["C BEGIN", "Z T"]);
    talk.client_got();
    talk.client(&mut one, &ONCE);
    talk.server(&mut one, &[error, "Z E"]);
    assert_eq!(talk.client_got(), format!("1\n{error}\nZ E"));

    let (mut talk, _known) = acquainted();
    let mut one = server(10);
    talk.client(&mut one, &ONCE);
    talk.server(&mut one, &["1", "2", "n", "C SELECT 0", "Z I"]);
    talk.client_got();
    talk.client(&mut one, &ONCE);
    talk.client(&mut one, &["Q select 2"]);
    talk.server(&mut one, &[error, "Z I", "C SELECT 1", "Z I"]);
    assert_eq!(talk.client_got(), format!("1\n{error}\nZ I\nC SELECT 1\nZ I"));
}

const ERROR: &str = "E 0A000 RevalidateCachedQuery";

/// A client that has used the statement on a server connection where it is out of date now.
fn out_of_date(startup: &[(&str, &str)]) -> (Conversation, Server) {
    let known = Arc::new(KnownStatements::default());
    let (mut talk, mut one) = (Conversation::new(startup), server(10));
    talk.session = talk.session.with_known(known);
    for turn in 0..2 {
        let answers = ["1", "2", "n", "C SELECT 0", "Z I"];
        talk.client(&mut one, &ONCE);
        if turn == 0 && !startup.is_empty() {
            talk.server(&mut one, &["own 1"]);
        }
        talk.server(&mut one, &answers);
    }
    talk.forget();
    (talk, one)
}

#[test]
fn a_table_that_has_changed_is_not_the_clients_business_when_it_asks_for_columns() {
    let (mut talk, mut one) = out_of_date(&[]);
    talk.client(&mut one, &["P - select $1", "Ds -", "S"]);
    assert_eq!(talk.server_got(), "Ds __pgweir_0\nS");
    // The parameters are told before the columns are looked at (exec_describe_statement_message).
    talk.server(&mut one, &["t", ERROR]);
    assert_eq!(talk.server_got(), "P - select $1\nDs -\nS");
    talk.server(&mut one, &["Z I", "1", "t", "T", "Z I"]);
    assert_eq!(talk.client_got(), "1\nt\nT\nZ I");
    assert!(!talk.attached);
    talk.client(&mut one, &["B -", "E", "Ds -", "S"]);
    talk.server(&mut one, &["2", "C SELECT 1", "t", "T", "Z I"]);
    assert_eq!(talk.client_got(), "2\nC SELECT 1\nt\nT\nZ I");

    let (mut talk, mut one) = out_of_date(&[]);
    talk.client(&mut one, &["P - select $1", "Ds -", "B -", "Dp -", "E", "S"]);
    talk.server(&mut one, &["t", ERROR, "Z I", "1", "t", "T", "2", "T", "C SELECT 0", "Z I"]);
    assert_eq!(talk.client_got(), "1\nt\nT\n2\nT\nC SELECT 0\nZ I");

    let (mut talk, mut one) = out_of_date(&[]);
    talk.client(&mut one, &["P - select $1", "Ds -", "B -", "Dp -", "E", "S"]);
    talk.server(&mut one, &["t", "T", ERROR, "Z I"]);
    let told = format!("1\nt\nT\n{ERROR}\nZ I");
    assert_eq!(talk.client_got(), told, "it knows other columns already");
}

#[test]
fn nor_is_it_where_settings_are_written_first() {
    let (mut talk, mut one) = out_of_date(&[("a.b", "1")]);
    let mut other = Conversation::new(&[]);
    // Another client has taken the settings away.
    other.client(&mut one, &["Q select 2"]);
    other.server(&mut one, &["own 1", "C SELECT 1", "Z I"]);
    talk.client(&mut one, &ONCE);
    assert!(talk.server_got().ends_with("B __pgweir_0\nDp -\nE\nS"));
    talk.server(&mut one, &["own 1", ERROR, "Z I", "1", "2", "n", "C SELECT 0", "Z I"]);
    assert_eq!(talk.client_got(), "1\n2\nn\nC SELECT 0\nZ I");
}

#[test]
fn what_ran_before_in_the_same_transaction_is_not_lost_without_a_word() {
    let (mut talk, mut one) = out_of_date(&[]);
    talk.client(&mut one, &["P - insert", "B -", "E", "H"]);
    talk.server(&mut one, &["1", "2", "C INSERT 0 1"]);
    talk.forget();
    talk.client(&mut one, &["P - select $1", "B -", "E", "S"]);
    talk.server(&mut one, &[ERROR, "Z I"]);
    assert_eq!(talk.client_got(), format!("1\n{ERROR}\nZ I"));
    assert_eq!(talk.server_got(), "B __pgweir_0\nE\nS");
}

#[test]
fn nor_is_it_while_others_wait_for_the_connection() {
    let (mut talk, mut one) = out_of_date(&[]);
    talk.client(&mut one, &["P - select $1"]);
    talk.attach(&mut one);
    talk.session.yield_between_transactions();
    talk.client(&mut one, &["B -", "Dp -", "E", "S"]);
    talk.server(&mut one, &[ERROR, "Z I", "1", "2", "n", "C SELECT 0", "Z I"]);
    assert_eq!(talk.client_got(), "1\n2\nn\nC SELECT 0\nZ I");
}

#[test]
fn a_request_that_was_answered_is_never_sent_again() {
    let (mut talk, mut one) = out_of_date(&[]);
    talk.client(&mut one, &ONCE);
    talk.server(&mut one, &["2", "n", "C SELECT 0", "Z I"]);
    talk.forget();
    // The rest of it is on its way.
    talk.client(&mut one, &["B -"]);
    talk.server(&mut one, &[ERROR]);
    talk.client(&mut one, &["E", "S"]);
    assert_eq!(talk.server_got(), "B __pgweir_0\nS");
    talk.server(&mut one, &["Z I"]);
    assert_eq!(talk.client_got(), format!("{ERROR}\nZ I"));
}

#[test]
fn parameters_that_were_told_are_told_again_to_the_next_describe() {
    let ends: [fn(&mut Conversation, &mut Server); 2] = [
        |talk, one| talk.server(one, &["Z I", "E 42P01 no such table", "Z I"]),
        |talk, one| assert_eq!(talk.lose(one), Loss::Survived),
    ];
    for end in ends {
        let (mut talk, mut one) = out_of_date(&[]);
        talk.client(&mut one, &["P - select $1", "Ds -", "S"]);
        talk.server(&mut one, &["t", ERROR]);
        end(&mut talk, &mut one);
        talk.forget();
        let mut other = server(10);
        talk.client(&mut other, &["P - select $2", "Ds -", "S"]);
        talk.server(&mut other, &["1", "t", "T", "Z I"]);
        assert_eq!(talk.client_got(), "1\nt\nT\nZ I");
    }
}
