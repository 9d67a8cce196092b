//! Clients that send anything.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pgwire::messages::{DecodeContext, PgWireBackendMessage, ProtocolVersion};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{Client, message, query, session};
use super::live::FakeLive;
use crate::live::Role;
use crate::{ConsoleError, serve};

/// Sends `bytes`, reads all answers, and gives them with how serving ended.
fn served(bytes: &[u8]) -> (Vec<PgWireBackendMessage>, Result<(), ConsoleError>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (mut answers, ended) = runtime.block_on(async {
        let (client, server) = tokio::io::duplex(256);
        let (mut reader, mut writer) = tokio::io::split(client);
        let mut answers = BytesMut::new();
        let send = async {
            // The console may hang up before it has taken everything.
            let _ = writer.write_all(bytes).await;
            let _ = writer.shutdown().await;
        };
        let receive = async { while reader.read_buf(&mut answers).await.unwrap() > 0 {} };
        let serving = serve(server, session(Role::Admin), Arc::new(FakeLive::default()));
        let all = async { tokio::join!(send, receive, serving).2 };
        let ended = tokio::time::timeout(Duration::from_secs(20), all).await;
        (answers, ended.expect("the console hangs"))
    });
    let context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
    let mut messages = Vec::new();
    while let Some(message) = PgWireBackendMessage::decode(&mut answers, &context).unwrap() {
        messages.push(message);
    }
    assert!(answers.is_empty(), "half an answer: {answers:?}");
    (messages, ended)
}

/// The SQLSTATE of the last message, if that is an ErrorResponse.
fn last_code(messages: &[PgWireBackendMessage]) -> Option<&str> {
    match messages.last()? {
        PgWireBackendMessage::ErrorResponse(error) => {
            error.fields.iter().find(|(kind, _)| *kind == b'C').map(|(_, code)| code.as_str())
        }
        _ => None,
    }
}

/// A message of a type that exists, with a body of any bytes.
fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop::sample::select(b"QPBDCEHSXFdcfp".to_vec());
    (kinds, prop::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..40))
        .prop_map(|(kind, body)| message(kind, &[&body]))
}

/// A message that is right.
fn good_message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(query("SHOW POOLS; SELECT 1")),
        Just(query("BEGIN")),
        Just(message(b'P', &[b"\0SHOW STATS\0\0\0"])),
        Just(message(b'B', &[b"\0\0\0\0\0\0\0\x01\0\x01"])),
        Just(message(b'D', &[b"P\0"])),
        Just(message(b'E', &[b"\0\0\0\0\x01"])),
        Just(message(b'S', &[])),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_answered_or_refused_and_never_hang(
        bytes in prop::collection::vec(any::<u8>(), 0..200)
    ) {
        let (messages, ended) = served(&bytes);
        match ended {
            Ok(()) | Err(ConsoleError::Truncated) => {}
            Err(_) => prop_assert_eq!(last_code(&messages), Some("08P01")),
        }
    }

    #[test]
    fn messages_good_and_bad_in_any_order(
        messages in prop::collection::vec(prop_oneof![good_message(), any_message()], 0..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = messages.concat();
        if !bytes.is_empty() {
            bytes.truncate(cut.index(bytes.len()) + 1);
        }
        let (messages, ended) = served(&bytes);
        match ended {
            Ok(()) | Err(ConsoleError::Truncated) => {}
            Err(_) => prop_assert_eq!(last_code(&messages), Some("08P01")),
        }
    }

    #[test]
    fn any_text_is_answered_and_leaves_the_connection_usable(
        text in "[^\0]{0,80}|(SHOW|SET|SELECT|PAUSE|SHUTDOWN|BEGIN|;| |'|\"|\\(|1|x|\\$1|--|/\\*){0,12}"
    ) {
        let (messages, ended) = served(&[query(&text), query("ROLLBACK")].concat());
        prop_assert!(ended.is_ok());
        let last = messages.last();
        prop_assert!(matches!(last, Some(PgWireBackendMessage::ReadyForQuery(_))), "{:?}", last);
    }
}

#[tokio::test]
async fn a_length_is_refused_without_its_body() {
    let mut client = Client::admin();
    client.send(b"Q\x7f\xff\xff\xff").await;
    let message = client.next().await.unwrap();
    assert_eq!(last_code(&[message]), Some("08P01"));
    assert!(client.next().await.is_none());
    assert!(matches!(client.finish().await.1, Err(ConsoleError::Frame(_))));

    let mut client = Client::admin();
    client.send(b"Q\x00\x20\0\0").await;
    let (lines, ended) = client.finish().await;
    assert_eq!(lines, ["FATAL 08P01 message of 2097148 bytes is longer than the console takes"]);
    assert!(matches!(ended, Err(ConsoleError::MessageTooLong { bytes: 2_097_148 })));
}

#[tokio::test]
async fn what_was_right_before_garbage_is_answered() {
    let mut client = Client::admin();
    client.send(&[query("SELECT 1"), b"GET / HTTP/1.1\r\n\r\n".to_vec()].concat()).await;
    let (lines, _) = client.finish().await;
    assert_eq!(lines[3..], ["ready I", "FATAL 08P01 invalid frontend message type 71"]);
}

#[tokio::test]
async fn a_disconnect_in_the_middle_of_a_message_is_told_apart() {
    let mut client = Client::admin();
    client.send(b"Q\0\0\0\x20SHOW").await;
    assert!(matches!(client.finish().await.1, Err(ConsoleError::Truncated)));
}
