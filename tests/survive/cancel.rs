//! Cancel requests whose moment has passed, or has not come.

use std::time::{Duration, Instant};

use testkit::frames::{self, command_complete, error_response, kinds, ready_for_query};
use testkit::{FakeServer, Proxy, ProxyOptions, ScriptedClient, Step};

use crate::scene::{PGWEIR, Scene, error, until, with_settings};

/// pgweir with one server connection to a server that follows these scripts.
async fn before(scripts: Vec<Vec<Step>>) -> (FakeServer, Proxy) {
    let server = FakeServer::start_each(scripts).await;
    let options = ProxyOptions::upstream(server.url("app:secret", "shop"));
    let settings = ["auth_type=trust", "analyse=off", "default_pool_size=1"];
    let proxy = Proxy::start(PGWEIR, with_settings(options, settings)).await;
    (server, proxy)
}

/// A client with these settings, and the request that cancels what it runs.
async fn client(proxy: &Proxy, settings: &[(&str, &str)]) -> (ScriptedClient, Vec<u8>) {
    let mut client = proxy.scripted().await;
    client.startup("app", "shop", settings).await;
    let said = client.login_trust().await;
    let (_, key) = said.iter().find(|(kind, _)| *kind == b'K').unwrap();
    let (process_id, secret) = key.split_first_chunk::<4>().unwrap();
    (client, frames::cancel(i32::from_be_bytes(*process_id), secret))
}

/// How many requests to cancel something have come to the server.
fn cancels(server: &FakeServer) -> usize {
    let code = frames::CANCEL_REQUEST.to_be_bytes();
    let is_cancel =
        |frames: &Vec<testkit::Frame>| frames.first().is_some_and(|one| one.1.starts_with(&code));
    server.received().iter().filter(|frames| is_cancel(frames)).count()
}

fn done(tag: &str) -> Vec<u8> {
    [command_complete(tag), ready_for_query(b'I')].concat()
}

/// Must survive: cancel after the server connection changed hands
#[tokio::test]
async fn who_holds_nothing_cancels_nothing() {
    let first = vec![
        Step::AcceptLogin,
        Step::ReadUntil(b'Q'),
        Step::Send(done("SELECT 1")),
        Step::ReadUntil(b'Q'),
        Step::Delay(Duration::from_millis(300)),
        Step::Send(done("SELECT 2")),
        Step::Serve,
    ];
    let (server, proxy) = before(vec![first]).await;
    let (mut former, request) = client(&proxy, &[]).await;
    let (mut present, _) = client(&proxy, &[]).await;
    assert_eq!(kinds(&former.query("SELECT 1").await), "CZ");
    present.send_query("SELECT 2").await;
    until("the other's query is with the server", async || {
        kinds(&server.received()[0]).ends_with("QQ")
    })
    .await;
    let mut cancel = proxy.scripted().await;
    cancel.send(&request).await;
    cancel.expect_closed().await;
    assert_eq!(kinds(&present.expect_until(b'Z').await), "CZ");
    assert_eq!(cancels(&server), 0);
}

/// Must survive: a cancel under way while the server connection changes hands
#[tokio::test]
async fn a_slow_cancel_keeps_the_connection_from_the_next_client() {
    const SLOW: Duration = Duration::from_millis(400);
    let first = vec![
        Step::AcceptLogin,
        Step::ReadUntil(b'Q'),
        // Done by itself, while the request to cancel it is on its way.
        Step::Delay(Duration::from_millis(100)),
        Step::Send(done("SELECT 1")),
        Step::Serve,
    ];
    let slow = vec![Step::Delay(SLOW), Step::ReadStartup];
    let (server, proxy) = before(vec![first, slow]).await;
    let (mut former, request) = client(&proxy, &[]).await;
    let (mut next, _) = client(&proxy, &[]).await;
    former.send_query("SELECT 1").await;
    until("it runs", async || kinds(&server.received()[0]).ends_with('Q')).await;
    let asked = Instant::now();
    let mut cancel = proxy.scripted().await;
    cancel.send(&request).await;
    next.send_query("SELECT 2").await;
    assert_eq!(kinds(&former.expect_until(b'Z').await), "CZ");
    assert_eq!(kinds(&next.expect_until(b'Z').await), "CZ");
    assert!(asked.elapsed() >= SLOW, "the next query could have been hit: {:?}", asked.elapsed());
    assert_eq!(cancels(&server), 1);
    // Between the two a round trip has shown that the cancel has been dealt with.
    assert!(kinds(&server.received()[0]).ends_with("QSQ"), "{}", kinds(&server.received()[0]));
}

/// Must survive: cancel while SETs are replayed
#[tokio::test]
async fn a_cancel_that_hits_the_settings_ends_the_statement_behind_them() {
    let of_each = |tag: &str| {
        [frames::message(b'1', &[]), frames::message(b'2', &[]), command_complete(tag)].concat()
    };
    let applied = |what: &str| [of_each("BEGIN"), of_each(what), of_each("COMMIT")].concat();
    let first = vec![
        Step::AcceptLogin,
        // The first client's own settings are tried at its login, and taken back for the second.
        Step::ReadUntil(b'S'),
        Step::Send([applied("SET"), ready_for_query(b'I')].concat()),
        Step::ReadUntil(b'Q'),
        Step::Send([applied("RESET"), done("SELECT 1")].concat()),
        Step::ReadUntil(b'Q'),
        // All that comes behind it is skipped: no Sync ends it.
        Step::Send(error_response(&[
            (b'S', "ERROR"),
            (b'C', "57014"),
            (b'M', "canceling statement due to user request"),
        ])),
        Step::ReadUntil(b'X'),
    ];
    let second = vec![Step::AcceptLogin, Step::Serve];
    let (server, proxy) = before(vec![first, second]).await;
    let (mut owner, _) = client(&proxy, &[("search_path", "theirs")]).await;
    let (mut other, _) = client(&proxy, &[]).await;
    assert_eq!(kinds(&other.query("SELECT 1").await), "CZ");
    assert_eq!(error(&owner.query("DELETE FROM t").await).sqlstate(), "57014");
    let got = kinds(&server.received()[0]);
    assert!(got.contains("PBEPBEPBEQ"), "in one go: {got}");
    assert_eq!(kinds(&owner.query("SELECT 2").await), "CZ");
    assert_eq!(server.received().len() - cancels(&server), 2, "by another connection");
}

/// Must survive: cancel while SETs are replayed
#[tokio::test]
async fn no_statement_runs_with_foreign_settings_however_it_is_cancelled() {
    let scene = Scene::open(["default_pool_size=1"]).await;
    let direct = scene.direct().await;
    direct.batch_execute("CREATE TABLE t (owner text, path text)").await.unwrap();
    let log_in = async |path: &str| {
        let mut client = scene.proxy.scripted().await;
        client.startup("postgres", &scene.database.name, &[("search_path", path)]).await;
        let said = client.login_trust().await;
        let (_, key) = said.iter().find(|(kind, _)| *kind == b'K').unwrap();
        let (process_id, secret) = key.split_first_chunk::<4>().unwrap();
        (client, frames::cancel(i32::from_be_bytes(*process_id), secret))
    };
    let (mut one, request) = log_in("one").await;
    let (mut other, _) = log_in("other").await;
    let insert = |owner: &str| {
        format!("INSERT INTO public.t VALUES ('{owner}', current_setting('search_path'))")
    };
    for _ in 0..100 {
        // The settings are another's before each statement, so that each has SETs in front of it.
        assert_eq!(kinds(&other.query(&insert("other")).await), "CZ");
        let cancel = async {
            let mut cancel = scene.proxy.scripted().await;
            cancel.send(&request).await;
            cancel.expect_closed().await;
        };
        let text = insert("one");
        let (said, ()) = tokio::join!(one.query(&text), cancel);
        if kinds(&said).contains('E') {
            assert_eq!(error(&said).sqlstate(), "57014");
        }
    }
    let wrong = direct.query("SELECT FROM t WHERE owner <> path", &[]).await.unwrap();
    assert!(wrong.is_empty(), "{} statements ran with another client's settings", wrong.len());
}
