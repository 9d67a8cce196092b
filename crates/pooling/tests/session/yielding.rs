//! A client that sends ahead while others wait for its server connection.

use model::{ClientId, PoolMode};

use crate::conversation::{Conversation, server};

#[test]
fn requests_go_one_by_one_and_the_connection_comes_back_between_transactions() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q begin"]);
    talk.session.yield_between_transactions();
    talk.client(&mut one, &["Q a", "Q commit", "Q b", "Q c"]);
    assert_eq!(talk.server_got(), "Q begin\nQ a");
    talk.server(&mut one, &["C BEGIN", "Z T"]);
    assert_eq!(talk.server_got(), "", "the second is under way");
    talk.server(&mut one, &["C SELECT 0", "Z T"]);
    assert_eq!(talk.server_got(), "Q commit", "the transaction goes on");
    // Here it is given back; what is left is for the next lease, which nobody waits for.
    talk.server(&mut one, &["C COMMIT", "Z I"]);
    assert_eq!(talk.server_got(), "Q b\nQ c");
    talk.server(&mut one, &["C SELECT 0", "Z I", "C SELECT 0", "Z I"]);
    assert!(!talk.attached);
    assert_eq!(
        talk.client_got(),
        "C BEGIN\nZ T\nC SELECT 0\nZ T\nC COMMIT\nZ I\nC SELECT 0\nZ I\nC SELECT 0\nZ I"
    );
}

#[test]
fn a_pipeline_up_to_its_sync_is_one_request() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P - select 1"]);
    talk.session.yield_between_transactions();
    talk.client(&mut one, &["B -", "E", "B -", "E", "S", "B -", "E", "S"]);
    assert_eq!(talk.server_got(), "P - select 1\nB -\nE\nB -\nE\nS");
    talk.server(&mut one, &["1", "2", "C SELECT 1", "2", "C SELECT 1", "Z I"]);
    assert!(talk.attached, "what was left has a lease of its own");
    talk.server(&mut one, &["2", "C SELECT 1", "Z I"]);
    assert!(!talk.attached);
}

#[test]
fn a_copy_is_not_held_up() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q begin"]);
    talk.session.yield_between_transactions();
    talk.server(&mut one, &["C BEGIN", "Z T"]);
    talk.client(&mut one, &["Q copy t from stdin", "Q commit"]);
    assert_eq!(talk.server_got(), "Q begin\nQ copy t from stdin");
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P - copy t from stdin"]);
    talk.session.yield_between_transactions();
    // libpq sends a Sync with the Execute: the COPY swallows it (manual 55.2.3).
    talk.client(&mut one, &["B -", "E", "S"]);
    talk.server(&mut one, &["1", "2", "G"]);
    talk.client(&mut one, &["d one", "c", "S"]);
    talk.server(&mut one, &["C COPY 1", "Z I"]);
    assert!(!talk.attached);
    assert!(talk.server_got().ends_with("d one\nc\nS"));
}

#[test]
fn a_copy_behind_a_statement_for_the_whole_session_ends() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    let pipeline = ["P - reset all", "B -", "E", "P - copy t from stdin", "B -", "E", "S"];
    talk.client(&mut one, &pipeline);
    talk.server(&mut one, &["1", "2", "C RESET", "1", "2", "G"]);
    talk.client(&mut one, &["d one", "c", "S", "Q select 1"]);
    assert!(talk.server_got().ends_with("d one\nc\nS"), "what follows waits");
    talk.server(&mut one, &["C COPY 1", "Z I"]);
    assert!(talk.server_got().ends_with("Q select 1"));
}

#[test]
fn settings_that_are_written_again_begin_no_new_lease() {
    let mut one = server(10);
    let mut other = Conversation::of(ClientId(2), PoolMode::Transaction, &[]);
    other.client(&mut one, &["Q select nextval('s')"]);
    other.server(&mut one, &["C SELECT 1", "Z I"]);

    let mut talk = Conversation::new(&[("geqo", "off")]);
    talk.client(&mut one, &["Q set seed to 0.5"]);
    talk.session.yield_between_transactions();
    talk.server(&mut one, &["own 1", "C SET", "Z I", "T", "D2 path|public", "C SELECT 1", "Z I"]);
    talk.client(&mut one, &["Q reset all"]);
    talk.server(&mut one, &["C RESET", "Z I"]);
    talk.forget();
    assert!(talk.attached, "what a seed begins stays");
    talk.client(&mut one, &["Q select currval('s')", "Q select 1"]);
    let got = talk.server_got();
    assert!(got.contains("SET \"geqo\" TO 'off'"), "{got}");
    let guarded = "P - DISCARD SEQUENCES\nB -\nE\nQ select currval('s')";
    assert!(got.ends_with(guarded), "others' values, and no more than one request: {got}");
}
