//! The main ways through a session when nothing goes wrong.

use crate::conversation::{Conversation, server, settings};

#[test]
fn a_query_goes_through_and_the_connection_comes_back() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q select 1"]);
    assert!(talk.attached);
    assert_eq!(talk.server_got(), "Q select 1");
    talk.server(&mut one, &["T", "D 1", "C SELECT 1"]);
    assert!(talk.attached, "the server is not done");
    talk.server(&mut one, &["Z I"]);
    assert!(!talk.attached);
    assert_eq!(talk.client_got(), "T\nD 1\nC SELECT 1\nZ I");
}

#[test]
fn a_transaction_keeps_the_connection_to_its_end() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    for (said, tag, ready) in
        [("Q begin", "C BEGIN", "Z T"), ("Q x", "E 42601 syntax error", "Z E")]
    {
        talk.client(&mut one, &[said]);
        talk.server(&mut one, &[tag, ready]);
        assert!(talk.attached, "after {said}");
    }
    talk.client(&mut one, &["Q rollback"]);
    talk.server(&mut one, &["C ROLLBACK", "Z I"]);
    assert!(!talk.attached);
}

#[test]
fn settings_ride_in_front_and_their_replies_are_swallowed() {
    let mut talk = Conversation::new(&[("TimeZone", "Europe/Berlin"), ("geqo", "off")]);
    let mut one = server(10);
    talk.client(&mut one, &["Q select 1"]);
    assert_eq!(
        talk.server_got(),
        settings(&["SET \"geqo\" TO 'off'", "SET \"timezone\" TO 'Europe/Berlin'"]) + "Q select 1"
    );
    talk.server(&mut one, &["1", "2", "C BEGIN", "1", "2", "N 01000 look out", "C SET"]);
    // Up to PostgreSQL 13 changes are reported at once, since then before ReadyForQuery.
    talk.server(&mut one, &["S TimeZone=Europe/Berlin", "1", "2", "C SET", "1", "2", "C COMMIT"]);
    assert_eq!(talk.client_got(), "");
    assert!(talk.attached, "its own query is not answered");
    talk.server(&mut one, &["T", "C SELECT 0", "S TimeZone=Europe/Berlin", "Z I"]);
    assert_eq!(talk.client_got(), "T\nC SELECT 0\nZ I", "it knows its time zone");
    assert!(!talk.attached);

    talk.client(&mut one, &["Q select 2"]);
    assert_eq!(talk.server_got(), "Q select 2", "this server has the settings");
    talk.server(&mut one, &["C SELECT 0", "Z I"]);

    let mut plain = Conversation::new(&[]);
    plain.client(&mut one, &["Q select 3"]);
    assert_eq!(
        plain.server_got(),
        settings(&["RESET \"geqo\"", "RESET \"timezone\""]) + "Q select 3"
    );
}

#[test]
fn a_set_that_the_server_reports_follows_the_client() {
    let (mut talk, mut one, mut other) = (Conversation::new(&[]), server(10), server(10));
    talk.client(&mut one, &["Q set application_name to 'worker'"]);
    talk.server(&mut one, &["C SET", "S application_name=worker", "Z I"]);
    assert!(!talk.attached, "nothing ties it to this server");
    assert_eq!(talk.client_got(), "C SET\nS application_name=worker\nZ I");
    talk.server_got();
    talk.client(&mut other, &["Q select 1"]);
    assert_eq!(
        talk.server_got(),
        settings(&["SET \"application_name\" TO 'worker'"]) + "Q select 1"
    );
}

#[test]
fn discard_all_brings_back_what_was_asked_for_at_startup() {
    let mut talk = Conversation::new(&[("timezone", "Europe/Berlin")]);
    let mut one = server(10);
    talk.client(&mut one, &["P s1 select 1", "S"]);
    talk.server(&mut one, &["own 1", "1", "S TimeZone=Europe/Berlin", "Z I"]);
    // With nothing to discard it would not be sent.
    talk.client(&mut one, &["Q set statement_timeout to 1"]);
    talk.server(&mut one, &["C SET", "Z I"]);
    talk.client(&mut one, &["Q discard all"]);
    talk.forget();
    // Since PostgreSQL 14 changes are reported just before ReadyForQuery.
    talk.server(&mut one, &["C DISCARD ALL", "S TimeZone=UTC", "Z I"]);
    assert_eq!(talk.client_got(), "C DISCARD ALL\nZ I", "its time zone never was another");
    talk.client(&mut one, &["Q select 1"]);
    assert_eq!(
        talk.server_got(),
        settings(&["SET \"timezone\" TO 'Europe/Berlin'"]) + "Q select 1"
    );
    talk.server(&mut one, &["own 1", "C SELECT 1", "S TimeZone=Europe/Berlin", "Z I"]);
    assert_eq!(talk.session.prepared_statements(), 0);
    assert!(one.session.statements.is_empty());
}

#[test]
fn a_setting_made_after_reset_all_in_one_string_stays() {
    let mut talk = Conversation::new(&[("timezone", "Europe/Berlin")]);
    let (mut one, mut other) = (server(10), server(10));
    talk.client(&mut one, &["Q select 1"]);
    talk.server(&mut one, &["own 1", "C SELECT 1", "S TimeZone=Europe/Berlin", "Z I"]);
    talk.client(&mut one, &["Q reset all; set timezone to 'Asia/Tokyo'"]);
    talk.server(&mut one, &["C RESET", "C SET", "S TimeZone=Asia/Tokyo", "Z I"]);
    talk.forget();
    talk.client(&mut other, &["Q select 1"]);
    assert_eq!(talk.server_got(), settings(&["SET \"timezone\" TO 'Asia/Tokyo'"]) + "Q select 1");
}

#[test]
fn session_mode_never_gives_the_connection_back() {
    let mut talk = Conversation::in_mode(model::PoolMode::Session, &[]);
    let mut one = server(10);
    talk.client(&mut one, &["Q select 1"]);
    talk.server(&mut one, &["C SELECT 1", "Z I"]);
    assert!(talk.attached && talk.session.leaves_state());
}

#[test]
fn a_sync_alone_needs_no_server() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["S", "H", "S", "Cs none", "S"]);
    assert!(!talk.attached);
    assert_eq!(talk.client_got(), "Z I\nZ I\n3\nZ I");
    assert_eq!(talk.server_got(), "");
}

#[test]
fn copy_in_by_either_protocol() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q copy t from stdin"]);
    talk.server(&mut one, &["G"]);
    talk.client(&mut one, &["d one", "d two", "c"]);
    assert_eq!(talk.server_got(), "Q copy t from stdin\nd one\nd two\nc");
    talk.server(&mut one, &["C COPY 2", "Z I"]);
    assert!(!talk.attached);
    assert_eq!(talk.client_got(), "G\nC COPY 2\nZ I");

    // libpq sends a Sync with the Execute: the COPY swallows it (manual 55.2.3).
    talk.client(&mut one, &["P - copy t from stdin", "B -", "E", "S"]);
    talk.server(&mut one, &["1", "2", "G"]);
    talk.client(&mut one, &["d one", "c", "S"]);
    talk.server(&mut one, &["C COPY 1", "Z I"]);
    assert!(!talk.attached);
    assert_eq!(talk.client_got(), "1\n2\nG\nC COPY 1\nZ I");
}

#[test]
fn a_sync_that_comes_while_a_copy_reads_is_swallowed_by_the_server() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P - copy t from stdin", "B -", "E"]);
    talk.server(&mut one, &["1", "2", "G"]);
    // The same Sync as above, in a packet of its own.
    talk.client(&mut one, &["S"]);
    talk.client(&mut one, &["d one", "c", "S"]);
    talk.server(&mut one, &["C COPY 1", "Z I"]);
    assert!(!talk.attached, "no second ReadyForQuery will come");
}

#[test]
fn each_copy_of_a_query_reads_up_to_its_own_end() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    let two = "Q copy t from stdin; copy t from stdin";
    talk.client(&mut one, &[two]);
    talk.server(&mut one, &["G"]);
    talk.client(&mut one, &["d one", "c"]);
    talk.server(&mut one, &["C COPY 1", "G"]);
    // The second one reads over it, so that nothing answers it.
    talk.client(&mut one, &["d two", "S", "c"]);
    talk.server(&mut one, &["C COPY 1", "Z I"]);
    assert!(!talk.attached, "nothing is due");
    talk.forget();

    // The same, and all of it was sent ahead.
    talk.client(&mut one, &[two, "d one", "S", "c", "d two", "S", "c", "S"]);
    talk.server(&mut one, &["G", "C COPY 1", "G", "C COPY 1", "Z I"]);
    assert!(talk.attached, "the last Sync is outside of both");
    talk.server(&mut one, &["Z I"]);
    assert_eq!(talk.client_got(), "G\nC COPY 1\nG\nC COPY 1\nZ I\nZ I");
    assert!(!talk.attached);

    // What is no COPY uses up none of their ends.
    talk.client(&mut one, &["Q select 1; copy t from stdin; select 1", "d one", "S", "c"]);
    talk.server(&mut one, &["C SELECT 1", "G", "C COPY 1", "C SELECT 1", "Z I"]);
    assert!(!talk.attached);
}

#[test]
fn copy_out_goes_through() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q copy t to stdout"]);
    talk.server(&mut one, &["H", "d one", "d two", "c", "C COPY 2", "Z I"]);
    assert_eq!(talk.client_got(), "H\nd one\nd two\nc\nC COPY 2\nZ I");
    assert!(!talk.attached);
}

#[test]
fn late_copy_data_is_dropped() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["Q copy nothing from stdin"]);
    talk.server(&mut one, &["E 42P01 no such table", "Z I"]);
    assert!(!talk.attached);
    talk.server_got();
    talk.client(&mut one, &["d one", "d two", "c"]);
    talk.client(&mut one, &["f changed my mind"]);
    assert!(!talk.attached, "nothing needs a server");
    assert_eq!(talk.client_got(), "E 42P01 no such table\nZ I");
    assert_eq!(talk.server_got(), "");

    // The same where the server connection is kept, and where the data overtook the error.
    talk.client(&mut one, &["Q begin"]);
    talk.server(&mut one, &["C BEGIN", "Z T"]);
    talk.client(&mut one, &["Q copy nothing from stdin", "d one", "c"]);
    talk.server(&mut one, &["E 42P01 no such table", "Z E"]);
    talk.client(&mut one, &["d two", "c", "Q rollback"]);
    talk.server(&mut one, &["C ROLLBACK", "Z I"]);
    assert!(!talk.attached);
}

#[test]
fn a_portal_may_be_fetched_in_parts() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P - select x", "B - c1", "E c1", "H"]);
    talk.server(&mut one, &["1", "2", "D 1", "s"]);
    assert!(talk.attached);
    talk.client(&mut one, &["E c1", "Cp c1", "S"]);
    talk.server(&mut one, &["D 2", "C SELECT 1", "3", "Z I"]);
    assert!(!talk.attached);
    assert_eq!(talk.client_got(), "1\n2\nD 1\ns\nD 2\nC SELECT 1\n3\nZ I");
}

#[test]
fn goodbye_ends_it() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["X"]);
    assert!(talk.terminated && !talk.attached);
}
