//! The simple protocol: statements, commands, errors, transaction state.

use std::sync::Arc;

use model::{ClientId, Command, CommandError, ShutdownMode};

use super::client::{Client, message, query};
use super::live::FakeLive;
use crate::live::Role;

#[tokio::test]
async fn a_string_of_statements_is_answered_in_order() {
    let mut client = Client::admin();
    let lines = client.query("show version; SET search_path TO y;; SELECT 1 -- ping\n").await;
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
        ("Suspend", "tag SUSPEND"),
        ("reconnect \"My Shop\"", "tag RECONNECT"),
        ("WAIT_CLOSE", "tag WAIT_CLOSE"),
        ("kill shop;", "tag KILL"),
        ("disable shop", "tag DISABLE"),
        ("ENABLE 'shop'", "tag ENABLE"),
        ("KILL_CLIENT 12", "tag KILL_CLIENT"),
        ("SHUTDOWN WAIT_FOR_CLIENTS", "tag SHUTDOWN"),
    ] {
        assert_eq!(client.query(text).await, [tag, "ready I"], "{text}");
    }
    let commands = [
        Command::Pause(Some("shop".to_owned())),
        Command::Resume(None),
        Command::Reload,
        Command::Suspend,
        Command::Reconnect(Some("My Shop".to_owned())),
        Command::WaitClose(None),
        Command::Kill(Some("shop".to_owned())),
        Command::Disable("shop".to_owned()),
        Command::Enable("shop".to_owned()),
        Command::KillClient(ClientId(12)),
        Command::Shutdown(ShutdownMode::WaitForClients),
    ];
    assert_eq!(*live.commands.lock().unwrap(), commands);

    *live.refuses.lock().unwrap() = Some(CommandError::NoSuchDatabase("nope".to_owned()));
    let lines = client.query("PAUSE nope; RELOAD").await;
    assert_eq!(lines, ["ERROR 3D000 no such database: nope", "ready I"]);
    assert_eq!(live.commands.lock().unwrap().len(), 12, "what follows an error is not run");
}

#[tokio::test]
async fn set_of_a_setting_is_a_command_and_of_a_sessions_parameter_nothing() {
    let live = Arc::new(FakeLive::default());
    let mut client = Client::new(Role::Admin, live.clone());
    let lines = client.query("SET Max_Client_Conn = 100; set no_such_thing to '5 s'").await;
    let done = ["notice mind it", "tag SET"];
    assert_eq!(lines, [done.as_slice(), done.as_slice(), &["ready I"]].concat());
    let set =
        |key: &str, value: &str| Command::Set { key: key.to_owned(), value: value.to_owned() };
    let expected = [set("max_client_conn", "100"), set("no_such_thing", "5 s")];
    assert_eq!(*live.commands.lock().unwrap(), expected);
    for text in
        ["SET search_path TO a, b", "SET my.own = 1", "SET TIME ZONE 'UTC'", "SET work_mem = 1"]
    {
        assert_eq!(client.query(text).await, ["tag SET", "ready I"], "{text}");
    }
    for (text, code) in [
        ("SET max_client_conn TO a, b", "42601"),
        ("SET max_client_conn 5", "42601"),
        ("SET SESSION max_client_conn = 5", "42601"),
        ("KILL_CLIENT", "22023"),
        ("KILL_CLIENT x", "22023"),
        ("CANCEL -1", "22023"),
        ("DISABLE", "42601"),
        ("SUSPEND shop", "42601"),
    ] {
        let lines = client.query(text).await;
        assert!(lines[0].starts_with(&format!("ERROR {code} ")), "{text}: {lines:?}");
    }
    assert_eq!(live.commands.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_command_that_waits_is_taken_back_when_it_is_cancelled() {
    let live = Arc::new(FakeLive { waits: true, ..FakeLive::default() });
    let mut client = Client::new(Role::Admin, live.clone());
    let shop = || Some("shop".to_owned());
    for text in ["PAUSE shop", "SUSPEND", "WAIT_CLOSE"] {
        let stop = client.stop.clone();
        let cancelling = async {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            stop.now();
        };
        let (lines, ()) = tokio::join!(client.query(text), cancelling);
        let told = "ERROR 57014 canceling statement due to user request";
        assert_eq!(lines, [told, "ready I"], "{text}");
    }
    let expected = [
        Command::Pause(shop()),
        Command::Resume(shop()),
        Command::Suspend,
        Command::Resume(None),
        Command::WaitClose(None),
    ];
    assert_eq!(*live.commands.lock().unwrap(), expected);
    // Whoever goes away leaves it in force.
    client.send(&message(b'Q', &[b"PAUSE\0"])).await;
    let (_, ended) = client.finish().await;
    assert!(ended.is_err());
    assert_eq!(live.commands.lock().unwrap().last(), Some(&Command::Pause(None)));
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
}

#[tokio::test]
async fn terminate_ends_the_connection_after_what_came_before_it() {
    let mut client = Client::admin();
    client.send(&[query("SELECT 1"), message(b'X', &[]), query("RELOAD")].concat()).await;
    let (lines, ended) = client.finish().await;
    assert_eq!(lines, ["columns ?column?:23:0", "row 1", "tag SELECT 1", "ready I"]);
    assert!(ended.is_ok());
}
