//! Clients that cannot be handed over: the process that they are in goes on for them.

use std::time::Duration;

use testkit::{Authority, ClientEncryption, Proxy, ScriptedClient};

use crate::scene::{Scene, calls, until};

#[tokio::test(flavor = "multi_thread")]
async fn state_on_a_server_connection_is_kept_until_it_is_gone() {
    let scene = Scene::new().await;
    let first = scene.start([]).await;
    let (mut pinned, mut busy) = (scene.client(&first).await, scene.client(&first).await);
    pinned.rows("CREATE TEMPORARY TABLE mine AS SELECT 42 AS a").await;
    busy.rows("BEGIN").await;
    let second = scene.successor([]).await;
    until("nobody is let in by the first", async || first.log().contains("clients go on there"))
        .await;
    assert_eq!(pinned.value("SELECT a FROM mine").await, "42");
    assert_eq!(busy.value("SELECT 'still here'").await, "still here");
    let console = second.connect("postgres", "pgweir").await;
    assert_eq!(scene.clients_of(&console).await, 0);
    busy.rows("COMMIT").await;
    until("it came when its transaction was over", async || scene.clients_of(&console).await == 1)
        .await;
    pinned.rows("DISCARD ALL").await;
    until("it came when its table was gone", async || scene.clients_of(&console).await == 2).await;
    assert_eq!(first.wait().await, 0);
    assert_eq!(pinned.value("SELECT 1").await, "1");
    assert_eq!(busy.value("SELECT 1").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_client_stays_until_it_leaves_and_its_statements_are_in_the_history() {
    let scene = Scene::new().await;
    let authority = Authority::new("the test's");
    let (certificate, key) = authority.local().write(scene.folder.path(), "pgweir");
    let certificate = format!("client_tls_cert_file={}", certificate.display());
    let key = format!("client_tls_key_file={}", key.display());
    let tls = ["--set", "client_tls_sslmode=prefer", "--set", &certificate, "--set", &key];
    let first = scene.start(tls).await;
    let mut client = first.scripted().await;
    client.encrypt(&ClientEncryption::trusting(authority.pem())).await;
    client.startup("postgres", &scene.database.name, &[]).await;
    client.login_trust().await;
    client.rows("SELECT 'before' AS counted").await;
    let second = scene.successor(tls).await;
    for _ in 0..10 {
        client.rows("SELECT 'meanwhile' AS counted").await;
    }
    let mut new = scene.client(&second).await;
    new.rows("SELECT 'elsewhere' AS counted").await;
    client.terminate().await;
    assert_eq!(first.wait().await, 0);
    new.rows("SELECT 'after' AS counted").await;
    assert_eq!(second.stop().await, 0);
    // One text: the values are left out of it.
    assert_eq!(calls(&scene.report(), "AS counted"), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn takeover_timeout_is_the_end_of_it() {
    let scene = Scene::new().await;
    let first = scene.start(["--set", "takeover_timeout=1s", "--set", "shutdown_timeout=1s"]).await;
    let (mut pinned, mut busy) = (scene.client(&first).await, scene.client(&first).await);
    pinned.rows("LISTEN something").await;
    busy.rows("BEGIN").await;
    let _second = scene.successor([]).await;
    assert_eq!(pinned.expect_error().await.sqlstate(), "57P01");
    assert_eq!(busy.value("SELECT 1").await, "1");
    assert_eq!(busy.expect_error().await.sqlstate(), "57P01");
    assert_eq!(first.wait().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_in_between_ends_transactions_and_no_more() {
    let scene = Scene::new().await;
    let mut first = scene.start([]).await;
    let (mut pinned, mut busy) = (scene.client(&first).await, scene.client(&first).await);
    pinned.rows("LISTEN something").await;
    busy.rows("BEGIN").await;
    let _second = scene.successor([]).await;
    first.signal("TERM");
    assert_eq!(pinned.expect_error().await.sqlstate(), "57P01");
    busy.rows("COMMIT").await;
    assert_eq!(busy.expect_error().await.sqlstate(), "57P01");
    assert_eq!(first.wait().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_processes_stays_whole() {
    let scene = Scene::new().await;
    let first = scene.start([]).await;
    let mut pinned = scene.client(&first).await;
    pinned.rows("CREATE TEMPORARY TABLE mine AS SELECT 42 AS a").await;
    let second = scene.successor([]).await;
    let third = scene.successor([]).await;
    pinned.rows("SELECT 'counted', a FROM mine").await;
    let mut cancelled = Canceller::of(&third);
    let sleeping = async {
        pinned.send_query("SELECT pg_sleep(60)").await;
        pinned.expect_until(b'Z').await
    };
    // A request that no client knows goes all the way, and does no harm.
    let (answer, ()) = tokio::join!(
        async { tokio::time::timeout(Duration::from_secs(1), sleeping).await },
        cancelled.send_nonsense()
    );
    assert!(answer.is_err(), "nobody has cancelled it");
    drop(pinned);
    assert_eq!(first.wait().await, 0);
    assert_eq!(second.wait().await, 0);
    let mut client = scene.client(&third).await;
    client.rows("SELECT 'counted', 1 AS a").await;
    assert_eq!(third.stop().await, 0);
    assert!(calls(&scene.report(), "FROM mine") >= 1, "{:#}", scene.report());
}

struct Canceller<'a>(&'a Proxy);

impl<'a> Canceller<'a> {
    fn of(proxy: &'a Proxy) -> Self {
        Self(proxy)
    }

    async fn send_nonsense(&mut self) {
        for process_id in 1..5 {
            let mut canceller = ScriptedClient::connect(self.0.address()).await;
            canceller.send(&testkit::frames::cancel(process_id, &[1, 2, 3, 4])).await;
            canceller.drain().await;
        }
    }
}
