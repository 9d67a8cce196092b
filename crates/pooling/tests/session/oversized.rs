//! Messages longer than what is looked at, which are streamed.

use crate::conversation::{Conversation, from_client, server};

#[test]
fn long_messages_arrive_as_they_were_sent() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    let query = from_client(&[&format!("Q select '{}'", "x".repeat(500_000))]);
    for part in query.chunks(8192) {
        talk.client_bytes(&mut one, part).unwrap();
    }
    assert!(talk.output().0 == query);
    assert!(talk.attached, "it is not answered");
}

#[test]
fn a_long_bind_is_renamed() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P a select $1", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    talk.server_got();
    let value = vec![b'v'; 300_000];
    let mut body = b"\0a\0\0\0\0\x01".to_vec();
    body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
    body.extend(&value);
    body.extend([0, 0]);
    let mut bind = vec![b'B'];
    bind.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    bind.extend(&body);
    talk.client_bytes(&mut one, &bind).unwrap();
    talk.client(&mut one, &["E", "S"]);
    let written = talk.output().0.to_vec();
    assert_eq!(talk.server_got(), "B __pgweir_0\nE\nS");
    assert_eq!(written.windows(value.len()).filter(|window| *window == value).count(), 1);
}

#[test]
fn what_is_hidden_in_a_text_too_long_to_be_read_is_asked_about() {
    let filler = "x".repeat(1_200_000);
    for text in [
        format!("select '{}'; set search_path to a", &filler[..900_000]),
        format!("select '{filler}'; set search_path to a"),
        format!("select '{filler}'; select 1"),
        format!("select '{filler}', f()"),
    ] {
        let (mut talk, mut one) = (Conversation::new(&[]), server(10));
        let query = from_client(&[&format!("Q {text}")]);
        for part in query.chunks(65_536) {
            talk.client_bytes(&mut one, part).unwrap();
        }
        assert!(talk.output().0 == query);
        talk.server(&mut one, &["C SELECT 1", "C SET", "Z I"]);
        assert!(talk.attached && talk.session.leaves_state(), "{}", &text[text.len() - 30..]);
        assert!(talk.server_got().contains("pg_show_all_settings"));
        talk.server(&mut one, &["T", "C SELECT 0", "Z I"]);
        assert!(!talk.attached);
    }
}

#[test]
fn a_function_that_is_called_directly_pins_unless_it_is_about_large_objects() {
    for (function, pinned) in [(2880, true), (952, false), (3172, false), (0, true)] {
        let (mut talk, mut one) = (Conversation::new(&[]), server(10));
        talk.client(&mut one, &[&format!("F {function}")]);
        assert_eq!(talk.session.leaves_state(), pinned, "at once: it may not answer");
        talk.server(&mut one, &["V", "Z I"]);
        assert_eq!(talk.attached, pinned, "{function}");
    }
}

#[test]
fn a_statement_too_long_to_be_kept_pins() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    let text = format!("select '{}'", "x".repeat(1_200_000));
    talk.client(&mut one, &[&format!("P a {text}"), "B a", "E", "S"]);
    assert_eq!(talk.server_got(), format!("P __pgweir_0 {text}\nB __pgweir_0\nE\nS"));
    talk.server(&mut one, &["1", "2", "C SELECT 1", "Z I"]);
    talk.forget();
    talk.server(&mut one, &["T", "C SELECT 0", "Z I"]);
    assert!(talk.attached && talk.session.leaves_state());
    talk.client(&mut one, &["Cs a", "S"]);
    assert_eq!(talk.server_got(), "Cs __pgweir_0\nS");
}

#[test]
fn the_tail_of_a_long_parse_under_a_taken_name_is_not_sent_as_messages() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P a select 1", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    talk.server_got();
    talk.client(&mut one, &[&format!("P a select '{}'", "x".repeat(1_200_000)), "S"]);
    let types = b"P\0\0\0\x12__pgweir_0\0\0\0\0";
    assert!(talk.output().0.starts_with(types), "a whole Parse");
    assert_eq!(talk.server_got(), "P __pgweir_0 -\nS");
    talk.server(&mut one, &["E 42P05 prepared statement \"__pgweir_0\" already exists", "Z I"]);
    talk.server(&mut one, &["T", "C SELECT 0", "Z I"]);
    assert!(talk.session.between_transactions());
}

#[test]
fn the_tail_of_a_long_deallocate_is_not_sent_as_messages() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P a select 1", "S"]);
    talk.server(&mut one, &["1", "Z I"]);
    talk.server_got();
    let text = format!("deallocate a{}", " ".repeat(1_100_000));
    talk.client(&mut one, &[&format!("Q {text}")]);
    let written = talk.server_got();
    assert!(written == format!("Q {text}"), "not renamed, but whole");
}

#[test]
fn what_is_skipped_is_skipped_whole() {
    let (mut talk, mut one) = (Conversation::new(&[]), server(10));
    talk.client(&mut one, &["P - selekt", "H"]);
    talk.server(&mut one, &["E 42601 syntax error"]);
    talk.server_got();
    let long = from_client(&[&format!("Q select '{}'", "x".repeat(500_000)), "S"]);
    for part in long.chunks(10_000) {
        talk.client_bytes(&mut one, part).unwrap();
    }
    assert_eq!(talk.server_got(), "S");
    let data = from_client(&[&format!("d {}", "x".repeat(500_000)), "S"]);
    talk.server(&mut one, &["Z I"]);
    talk.client_got();
    for part in data.chunks(10_000) {
        talk.client_bytes(&mut one, part).unwrap();
    }
    assert_eq!(talk.client_got(), "Z I");
    assert!(!talk.attached);
}

#[test]
fn lengths_that_no_message_has_are_refused_before_anything_is_stored() {
    for bytes in [
        &b"Q\xff\xff\xff\xff"[..],
        b"Q\0\0\0\x03",
        b"Q\x7f\xff\xff\xff",
        b"S\0\x01\0\0",
        b"p\0\0\0\x08",
        b"\0",
        b"P\0\0\0\x05\0",
        b"E\0\0\0\x05\0",
        b"D\0\0\0\x06Z\0",
    ] {
        let (mut talk, mut one) = (Conversation::new(&[]), server(10));
        assert!(talk.client_bytes(&mut one, bytes).is_err(), "{bytes:?}");
    }
    for bytes in [&b"T\xff\xff\xff\xff"[..], b"D\0\0\0\0", b"D\x7f\xff\xff\xff"] {
        let (mut talk, mut one) = (Conversation::new(&[]), server(10));
        talk.client(&mut one, &["Q select 1"]);
        assert!(talk.server_bytes(&mut one, bytes).is_err(), "{bytes:?}");
    }
}
