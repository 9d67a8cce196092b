//! What clients and servers send is bounded wherever it is kept.

use std::time::Duration;

use testkit::ScriptedClient;
use testkit::frames::{bind, close, copy_done, execute, kinds, parse, query, sync};

use crate::scene::{Scene, until};
use crate::vitals;

/// By this much pgweir may grow for one client that sends without end.
const MAY_GROW_KIB: u64 = 40 * 1024;

/// Sends this again and again until it is not taken any more, or a hundred megabytes are.
async fn stuff(client: &mut ScriptedClient, bytes: &[u8]) -> usize {
    let many = bytes.repeat((1 << 20) / bytes.len());
    let mut sent = 0;
    while sent < 100 << 20 {
        let write = client.try_send(&many);
        if tokio::time::timeout(Duration::from_millis(500), write).await.is_err() {
            break;
        }
        sent += many.len();
    }
    sent
}

#[tokio::test]
async fn a_pipeline_longer_than_what_may_be_due_comes_to_its_end() {
    let scene = Scene::open(["default_pool_size=1"]).await;
    let mut client = scene.client().await;
    client.send(&[parse("s", "SELECT 1 WHERE false"), sync()].concat()).await;
    client.expect_until(b'Z').await;
    // The server keeps its answers back, of which pgweir waits for some: it must ask for them.
    let (bind, close) = (bind("", "s", &[]), close(b'S', "__pgweir_9"));
    for (first, one, answers) in [
        (&b""[..], [&bind[..], &execute("", 0)].concat(), ("", "2C")),
        (b"", [&bind[..], &close].concat(), ("", "23")),
        (&bind, close, ("2", "3")),
    ] {
        client.send(&[first, &one.repeat(20_000), &sync()].concat()).await;
        let said = kinds(&client.expect_until(b'Z').await);
        assert!(said == format!("{}{}Z", answers.0, answers.1.repeat(20_000)), "{}", said.len());
    }
}

/// Must survive: answers that are due without end
#[tokio::test]
async fn what_is_sent_ahead_of_a_slow_query_is_bounded() {
    let scene = Scene::open(["default_pool_size=20", "analyse=off"]).await;
    let direct = scene.direct().await;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                   AND wait_event = 'PgSleep' AND state = 'active'";
    let mut clients = Vec::new();
    for ahead in [
        // pgweir answers these itself, once it is their turn: the server does not see them.
        [parse("b", "SELECT 1"), close(b'S', "b")].concat(),
        close(b'S', "__pgweir_0"),
        sync(),
        query(""),
        copy_done(),
    ] {
        let mut client = scene.client().await;
        client.send(&[parse("a", "SELECT 1"), sync()].concat()).await;
        client.expect_until(b'Z').await;
        client.send_query("SELECT pg_sleep(60)").await;
        let sleepers = i64::try_from(clients.len()).unwrap() + 1;
        until("it sleeps", async || {
            direct.query_one(running, &[]).await.unwrap().get::<_, i64>(0) == sleepers
        })
        .await;
        let before = vitals::resident_kib(&scene.proxy);
        let sent = stuff(&mut client, &ahead).await;
        if let (Some(before), Some(after)) = (before, vitals::resident_kib(&scene.proxy)) {
            assert!(
                after < before + MAY_GROW_KIB,
                "from {before} to {after} KiB for {sent} bytes of {:?}",
                char::from(ahead[0])
            );
        }
        clients.push(client);
    }
    let mut other = scene.client().await;
    assert_eq!(kinds(&other.query("SELECT 1").await), "TDCZ");
    let end = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event = 'PgSleep'";
    direct.execute(end, &[]).await.unwrap();
}
