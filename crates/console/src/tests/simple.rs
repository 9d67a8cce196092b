//! The simple protocol: statements, commands, errors, transaction state.

use std::sync::Arc;

use model::{ClientId, Command, CommandError, ShutdownMode};

use super::client::{Client, message, query};
use super::live::FakeLive;
use crate::live::Role;

#[tokio::test]
async fn a_string_of_statements_is_answered_in_order() {
    let mut client = Client::admin();
    let lines = client.query("show version; SET x TO y;; SELECT 1 -- ping\n").await;
    assert_eq!(
        lines,
        [
            "columns version:25:0",
            "row pgweir 0.1.0",
            "tag SHOW",
            "tag SET",
            "columns ?column?:23:0",
            "row 1",
            "tag SELECT 1",
            "ready I"
        ]
    );
    assert_eq!(client.query(" ; -- nothing").await, ["empty", "ready I"]);
    let (rest, ended) = client.finish().await;
    assert!(rest.is_empty());
    assert!(ended.is_ok());
}

#[tokio::test]
async fn help_is_a_notice_that_names_every_table() {
    let mut client = Client::admin();
    let lines = client.query("SHOW HELP;").await;
    assert_eq!(lines[1..], ["tag SHOW", "ready I"]);
    for show in crate::show::ALL {
        let line = format!("\n\tSHOW {}", show.name.to_ascii_uppercase());
        assert!(lines[0].contains(&line), "{line} in {}", lines[0]);
    }
    assert!(lines[0].contains("\n\tPAUSE [<database>]\n"));
}

#[tokio::test]
async fn commands_reach_the_process_and_answer_with_their_name() {
    let live = Arc::new(FakeLive::default());
    let mut client = Client::new(Role::Admin, live.clone());
    for (text, tag) in [
        ("pause shop", "tag PAUSE"),
        ("RESUME", "tag RESUME"),
        ("reload;", "tag RELOAD"),
        ("KILL_CLIENT 12", "tag KILL_CLIENT"),
        ("SHUTDOWN WAIT_FOR_CLIENTS", "tag SHUTDOWN"),
    ] {
        assert_eq!(client.query(text).await, [tag, "ready I"], "{text}");
    }
    let commands = [
        Command::Pause(Some("shop".to_owned())),
        Command::Resume(None),
        Command::Reload,
        Command::KillClient(ClientId(12)),
        Command::Shutdown(ShutdownMode::WaitForClients),
    ];
    assert_eq!(*live.commands.lock().unwrap(), commands);

    *live.refuses.lock().unwrap() = Some(CommandError::NoSuchDatabase("nope".to_owned()));
    let lines = client.query("PAUSE nope; RELOAD").await;
    assert_eq!(lines, ["ERROR 3D000 no such database: nope", "ready I"]);
    assert_eq!(live.commands.lock().unwrap().len(), 6, "what follows an error is not run");
}

/// Must survive: admin commands only for admin_users
#[tokio::test]
async fn stats_users_may_look_but_not_touch() {
    let live = Arc::new(FakeLive::default());
    let mut client = Client::new(Role::Stats, live.clone());
    for text in ["RELOAD", "PAUSE", "RESUME shop", "KILL_CLIENT 1", "SHUTDOWN"] {
        let lines = client.query(text).await;
        assert_eq!(lines, ["ERROR 42501 admin access needed", "ready I"], "{text}");
    }
    assert!(live.commands.lock().unwrap().is_empty());
    for show in crate::show::ALL {
        let lines = client.query(&format!("SHOW {}", show.name)).await;
        assert_eq!(lines[lines.len() - 2..], ["tag SHOW", "ready I"], "{}", show.name);
    }
}

#[tokio::test]
async fn what_is_not_understood_runs_nothing_and_breaks_nothing() {
    let live = Arc::new(FakeLive::default());
    let mut client = Client::new(Role::Admin, live.clone());
    let lines = client.query("RELOAD; DROP TABLE users").await;
    assert_eq!(lines, ["ERROR 42601 unknown command: DROP TABLE users", "ready I"]);
    assert!(live.commands.lock().unwrap().is_empty());

    client.send(&message(b'Q', &[b"PAUSE caf\xe9\0"])).await;
    assert_eq!(client.until_ready().await, ["tag PAUSE", "ready I"]);
    assert_eq!(*live.commands.lock().unwrap(), [Command::Pause(Some("caf\u{fffd}".to_owned()))]);

    client.send(&message(b'F', &[b"\0\0\0\x01"])).await;
    let lines = client.until_ready().await;
    assert_eq!(lines, ["ERROR 0A000 the console has no functions to call", "ready I"]);
    client.send(&message(b'd', &[b"late COPY data"])).await;
    assert_eq!(client.query("BEGIN").await, ["tag BEGIN", "ready T"]);
}

#[tokio::test]
async fn transaction_state_is_kept_as_drivers_expect() {
    let mut client = Client::admin();
    assert_eq!(client.query("BEGIN").await, ["tag BEGIN", "ready T"]);
    assert_eq!(client.query("COMMIT").await, ["tag COMMIT", "ready I"]);
    assert_eq!(client.query("BEGIN; SAVEPOINT a").await.last().unwrap(), "ready T");
    assert_eq!(client.query("nonsense").await.last().unwrap(), "ready E");
    let lines = client.query("SHOW VERSION").await;
    assert!(lines[0].starts_with("ERROR 25P02 "), "{lines:?}");
    assert_eq!(client.query("ROLLBACK TO a").await, ["tag ROLLBACK", "ready T"]);
    assert_eq!(client.query("nonsense").await.last().unwrap(), "ready E");
    assert_eq!(client.query("END").await, ["tag ROLLBACK", "ready I"]);
    assert_eq!(client.query("nonsense").await.last().unwrap(), "ready I");
}

#[tokio::test]
async fn parameters_and_settings_can_be_asked_for_one_by_one() {
    let mut client = Client::admin();
    let expected = [
        ("SHOW datestyle", "columns DateStyle:25:0", "row ISO, MDY"),
        ("SHOW server_version", "columns server_version:25:0", "row 15.0/pgweir"),
        (
            "SHOW TRANSACTION ISOLATION LEVEL",
            "columns transaction_isolation:25:0",
            "row read committed",
        ),
        ("SHOW max_client_conn", "columns max_client_conn:25:0", "row 500"),
    ];
    for (text, columns, row) in expected {
        assert_eq!(client.query(text).await, [columns, row, "tag SHOW", "ready I"]);
    }
    let lines = client.query("SET max_client_conn = 9").await;
    assert_eq!(lines[0], "ERROR 55P02 \"max_client_conn\" cannot be changed here");
}

#[tokio::test]
async fn terminate_ends_the_connection_after_what_came_before_it() {
    let mut client = Client::admin();
    client.send(&[query("SELECT 1"), message(b'X', &[]), query("RELOAD")].concat()).await;
    let (lines, ended) = client.finish().await;
    assert_eq!(lines, ["columns ?column?:23:0", "row 1", "tag SELECT 1", "ready I"]);
    assert!(ended.is_ok());
}
