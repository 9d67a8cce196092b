//! The extended protocol: statements and portals, formats, limits, errors up to Sync.

use std::sync::Arc;

use model::Command;

use super::client::{Client, message, query};
use super::live::FakeLive;
use crate::live::Role;

const SYNC: &[u8] = b"S\0\0\0\x04";

fn parse(name: &str, text: &str) -> Vec<u8> {
    message(b'P', &[name.as_bytes(), b"\0", text.as_bytes(), b"\0\0\0"])
}

fn bind(portal: &str, statement: &str, formats: &[u8]) -> Vec<u8> {
    let count = u16::try_from(formats.len()).unwrap().to_be_bytes();
    let formats: Vec<u8> = formats.iter().flat_map(|format| [0, *format]).collect();
    let names = [portal.as_bytes(), b"\0", statement.as_bytes(), b"\0"].concat();
    message(b'B', &[&names, b"\0\0\0\0", &count, &formats])
}

fn describe(kind: u8, name: &str) -> Vec<u8> {
    message(b'D', &[&[kind], name.as_bytes(), b"\0"])
}

fn close(kind: u8, name: &str) -> Vec<u8> {
    message(b'C', &[&[kind], name.as_bytes(), b"\0"])
}

fn execute(portal: &str, max_rows: i32) -> Vec<u8> {
    message(b'E', &[portal.as_bytes(), b"\0", &max_rows.to_be_bytes()])
}

async fn answers(client: &mut Client, messages: &[Vec<u8>]) -> Vec<String> {
    client.send(&messages.concat()).await;
    client.send(SYNC).await;
    client.until_ready().await
}

#[tokio::test]
async fn named_and_unnamed_statements_run_again_and_again() {
    let mut client = Client::admin();
    let prepare = [parse("s", "SHOW USERS"), describe(b'S', "s"), parse("", "SELECT 1")];
    let lines = answers(&mut client, &prepare).await;
    assert_eq!(lines[..2], ["parsed", "parameters 0"]);
    assert!(lines[2].starts_with("columns name:25:0 pool_size:25:0"), "{lines:?}");
    assert_eq!(lines[3..], ["parsed", "ready I"]);
    for _ in 0..2 {
        let run = [bind("", "s", &[]), execute("", 0), bind("", "", &[]), execute("", 0)];
        let lines = answers(&mut client, &run).await;
        let expected = [
            "bound",
            "row web|5||session|0|2|50|3",
            "row batch|||NULL|0|0|0|0",
            "tag SHOW",
            "bound",
            "row 1",
            "tag SELECT 1",
            "ready I",
        ];
        assert_eq!(lines, expected);
    }
    let lines =
        answers(&mut client, &[close(b'S', "s"), close(b'P', "x"), bind("", "s", &[])]).await;
    let gone = "ERROR 26000 prepared statement \"s\" does not exist";
    assert_eq!(lines, ["closed", "closed", gone, "ready I"]);
}

#[tokio::test]
async fn a_row_limit_suspends_the_portal() {
    let mut client = Client::admin();
    let run = [
        parse("", "SHOW STATE"),
        bind("p", "", &[]),
        execute("p", 2),
        execute("p", 2),
        execute("p", 2),
    ];
    let lines = answers(&mut client, &run).await;
    let expected = [
        "parsed",
        "bound",
        "row active|no",
        "row paused|no",
        "suspended",
        "row suspended|yes",
        "row history|in memory",
        "suspended",
        "tag SHOW",
        "ready I",
    ];
    assert_eq!(lines, expected);
    let lines = answers(&mut client, &[execute("p", 0)]).await;
    let gone = "ERROR 34000 portal \"p\" does not exist";
    assert_eq!(lines, [gone, "ready I"], "portals end with their transaction");
}

#[tokio::test]
async fn columns_are_sent_in_the_format_asked_for() {
    let mut client = Client::admin();
    let show = [parse("", "SHOW LISTS"), bind("", "", &[0, 1]), describe(b'P', ""), execute("", 1)];
    let lines = answers(&mut client, &show).await;
    let expected =
        ["parsed", "bound", "columns list:25:0 items:23:1", "row databases|x00000001", "suspended"];
    assert_eq!(lines[..5], expected);

    let all_binary = [parse("", "SHOW STATS_TOTALS"), bind("", "", &[1]), execute("", 1)];
    let lines = answers(&mut client, &all_binary).await;
    assert!(lines[2].starts_with("row quiet|x0000000000000000|"), "{lines:?}");

    let lines = answers(&mut client, &[parse("", "SHOW LISTS"), bind("", "", &[0, 1, 0])]).await;
    let wrong = "ERROR 08P01 bind message has 3 result formats but query has 2 columns";
    assert_eq!(lines, ["parsed", wrong, "ready I"]);
}

#[tokio::test]
async fn after_an_error_all_is_skipped_up_to_sync() {
    let live = Arc::new(FakeLive::default());
    let mut client = Client::new(Role::Admin, live.clone());
    let run = [
        parse("", "PAUSE nonsense nonsense"),
        parse("", "RELOAD"),
        bind("", "", &[]),
        execute("", 0),
        query("RESUME"),
    ];
    let lines = answers(&mut client, &run).await;
    assert_eq!(lines, ["ERROR 42601 unknown command: PAUSE nonsense nonsense", "ready I"]);
    assert!(live.commands.lock().unwrap().is_empty());

    let run = [parse("", "RELOAD"), describe(b'S', ""), bind("", "", &[]), execute("", 0)];
    let lines = answers(&mut client, &run).await;
    assert_eq!(lines, ["parsed", "parameters 0", "no data", "bound", "tag RELOAD", "ready I"]);
    assert_eq!(*live.commands.lock().unwrap(), [Command::Reload]);
}

#[tokio::test]
async fn a_command_runs_once_for_each_bind() {
    let live = Arc::new(FakeLive::default());
    let mut client = Client::new(Role::Admin, live.clone());
    let run = [parse("", "RELOAD"), bind("", "", &[]), execute("", 0), execute("", 0)];
    let lines = answers(&mut client, &run).await;
    let again = "ERROR 55000 portal \"\" cannot be run";
    assert_eq!(lines, ["parsed", "bound", "tag RELOAD", again, "ready I"]);
    assert_eq!(live.commands.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn parameters_several_statements_and_taken_names_are_refused() {
    let mut client = Client::admin();
    let refused = |lines: Vec<String>| lines[lines.len() - 2].clone();
    let lines = answers(&mut client, &[parse("", "KILL_CLIENT $1")]).await;
    assert!(refused(lines).starts_with("ERROR 0A000 commands take no parameters"));
    let lines = answers(&mut client, &[parse("", "RELOAD; RELOAD")]).await;
    assert!(refused(lines).starts_with("ERROR 42601 cannot insert multiple commands"));
    let lines = answers(&mut client, &[parse("s", ""), parse("s", "")]).await;
    assert!(refused(lines).starts_with("ERROR 42P05 "));
    let lines =
        answers(&mut client, &[bind("", "s", &[]), describe(b'P', ""), execute("", 0)]).await;
    assert_eq!(lines, ["bound", "no data", "empty", "ready I"]);
    let one_value = message(b'B', &[b"\0s\0\0\0\0\x01\0\0\0\x01x\0\0"]);
    let lines = answers(&mut client, &[one_value]).await;
    assert!(refused(lines).starts_with("ERROR 08P01 bind message supplies 1 parameters"));
}

#[tokio::test]
async fn statements_and_their_names_are_bounded() {
    let mut client = Client::admin();
    let many: Vec<_> = (0..300).map(|number| parse(&format!("s{number}"), "SELECT 1")).collect();
    let lines = answers(&mut client, &many).await;
    assert_eq!(lines.iter().filter(|line| *line == "parsed").count(), 256);
    assert!(lines[256].starts_with("ERROR 54000 "), "{}", lines[256]);
    let lines = answers(&mut client, &[parse(&"n".repeat(256), "SELECT 1")]).await;
    assert!(lines[0].starts_with("ERROR 42622 "));
    let unnamed = [parse("", "SELECT 1"), bind("", "", &[]), execute("", 0)];
    let lines = answers(&mut client, &unnamed).await;
    assert_eq!(lines.last().unwrap(), "ready I");
    assert!(lines.contains(&"tag SELECT 1".to_owned()), "the unnamed one has room: {lines:?}");
}

#[tokio::test]
async fn prepared_statements_can_be_deallocated_by_sql() {
    let mut client = Client::admin();
    let lines = answers(&mut client, &[parse("a", "SELECT 1"), parse("b", "SELECT 2")]).await;
    assert_eq!(lines, ["parsed", "parsed", "ready I"]);
    assert_eq!(client.query("DEALLOCATE a").await, ["tag DEALLOCATE", "ready I"]);
    let gone = "ERROR 26000 prepared statement \"a\" does not exist";
    assert_eq!(client.query("DEALLOCATE a").await, [gone, "ready I"]);
    assert_eq!(answers(&mut client, &[describe(b'S', "b")]).await.len(), 3);
    assert_eq!(client.query("DISCARD ALL").await, ["tag DISCARD ALL", "ready I"]);
    let lines = answers(&mut client, &[describe(b'S', "b")]).await;
    assert!(lines[0].starts_with("ERROR 26000 "), "{lines:?}");
}

#[tokio::test]
async fn flush_brings_the_answers_before_sync() {
    let mut client = Client::admin();
    client.send(&[parse("", "SELECT 1"), message(b'H', &[])].concat()).await;
    assert!(client.next().await.is_some(), "ParseComplete without Sync");
}
