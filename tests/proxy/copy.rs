//! COPY in both directions and both protocols.

use testkit::frames::{
    bind, copy_data, copy_done, copy_fail, describe, execute, kinds, parse, query, sync,
};
use testkit::{ErrorFields, ScriptedClient};

use crate::scene::{Scene, error, peak_memory_kib, server_connections, status, tags, until};

const TABLE: &str = "CREATE TABLE t (a int CHECK (a < 1000))";
const COPY_IN: &str = "COPY t FROM STDIN";

async fn scene() -> Scene {
    Scene::with_pool_of(1).await.with_schema(TABLE).await
}

async fn count(scene: &Scene) -> String {
    scene.client().await.value("SELECT count(*) FROM t").await
}

fn copy_in_extended() -> Vec<u8> {
    [parse("", COPY_IN), bind("", "", &[]), execute("", 0)].concat()
}

#[tokio::test]
async fn in_by_the_simple_protocol() {
    let scene = scene().await;
    let mut client = scene.client().await;
    client.send_query(COPY_IN).await;
    client.expect(b'G').await;
    // Lines and messages need not agree.
    client
        .send(&[copy_data(b"1\n2"), copy_data(b"2\n"), copy_data(b""), copy_done()].concat())
        .await;
    let answered = client.expect_until(b'Z').await;
    assert_eq!((kinds(&answered).as_str(), tags(&answered)), ("CZ", vec!["COPY 2".to_owned()]));
    // Nor need the client wait.
    let all = [query(COPY_IN), copy_data(b"3\n"), copy_done(), query("SELECT max(a) FROM t")];
    client.send(&all.concat()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "GCZ");
    assert_eq!(crate::scene::values(&client.expect_until(b'Z').await), ["22"]);
    assert_eq!(count(&scene).await, "3");
}

#[tokio::test]
async fn in_by_the_extended_protocol_as_libpq_does() {
    let scene = scene().await;
    let mut client = scene.client().await;
    // libpq sends a Sync with the Execute; the server ignores it while it reads.
    let begin = [parse("", COPY_IN), bind("", "", &[]), describe(b'P', ""), execute("", 0), sync()];
    client.send(&begin.concat()).await;
    assert_eq!(kinds(&client.expect_until(b'G').await), "12nG");
    client.send(&copy_data(b"1\n2\n")).await;
    client.send(&[copy_done(), sync()].concat()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "CZ");
    assert_eq!(count(&scene).await, "2");
}

#[tokio::test]
async fn in_by_the_extended_protocol_all_at_once() {
    let scene = scene().await;
    let mut client = scene.client().await;
    for ignored in [vec![], sync(), [sync(), sync()].concat()] {
        let data = [copy_data(b"1\n"), copy_data(b"2\n"), copy_done(), sync()].concat();
        client.send(&[copy_in_extended(), ignored, data].concat()).await;
        assert_eq!(kinds(&client.expect_until(b'Z').await), "12GCZ");
    }
    assert_eq!(client.value("SELECT count(*) FROM t").await, "6");
}

#[tokio::test]
async fn the_client_may_change_its_mind() {
    let scene = scene().await;
    let mut client = scene.client().await;
    for (begin, end) in [(query(COPY_IN), vec![]), (copy_in_extended(), sync())] {
        client.send(&[begin, copy_data(b"1\n"), copy_fail("no thanks"), end].concat()).await;
        let answered = client.expect_until(b'Z').await;
        let refused = error(&answered);
        assert_eq!(refused.sqlstate(), "57014");
        assert_eq!(refused.message(), "COPY from stdin failed: no thanks");
        assert_eq!(status(&answered), 'I');
    }
    assert_eq!(count(&scene).await, "0");
}

/// Must survive: late COPY messages; a failed COPY leaks the server connection
#[tokio::test]
async fn data_that_comes_after_the_server_gave_up_is_ignored() {
    let scene = scene().await;
    let mut client = scene.client().await;
    let late = [copy_data(b"2\n"), copy_data(&[b'x'; 100_000]), copy_done()].concat();
    client.send(&[query(COPY_IN), copy_data(b"not a number\n")].concat()).await;
    let answered = client.expect_until(b'Z').await;
    assert_eq!((kinds(&answered).as_str(), error(&answered).sqlstate()), ("GEZ", "22P02"));
    client.send(&late).await;
    assert_eq!(client.value("SELECT 1").await, "1");
    // The same by the extended protocol, where the server waits for the Sync.
    client.send(&[copy_in_extended(), copy_data(b"not a number\n")].concat()).await;
    assert_eq!(kinds(&client.expect_until(b'E').await), "12GE");
    client.send(&late).await;
    client.send(&sync()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "Z");
    // And all of it in one write.
    for begin in [query(COPY_IN), copy_in_extended()] {
        let by_query = begin[0] == b'Q';
        let end = if by_query { query("SELECT 2") } else { [sync(), query("SELECT 2")].concat() };
        let all = [begin, copy_data(b"not a number\n"), late.clone(), end];
        client.send(&all.concat()).await;
        assert_eq!(error(&client.expect_until(b'Z').await).sqlstate(), "22P02");
        assert_eq!(kinds(&client.expect_until(b'Z').await), "TDCZ");
    }
    assert_eq!(count(&scene).await, "0");
}

#[tokio::test]
async fn a_copy_that_never_began_leaves_nothing_due() {
    let scene = scene().await;
    let mut client = scene.client().await;
    let refused = "COPY no_such_table FROM STDIN";
    client.send(&[query(refused), copy_data(b"1\n"), copy_done()].concat()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "EZ");
    assert_eq!(client.value("SELECT 1").await, "1");
    let extended = [parse("", refused), bind("", "", &[]), execute("", 0), sync()].concat();
    client.send(&[extended, copy_data(b"1\n"), copy_done(), sync()].concat()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "12EZ");
    assert_eq!(kinds(&client.expect_until(b'Z').await), "Z");
    assert_eq!(client.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn out_by_both_protocols() {
    let scene = scene().await;
    let mut client = scene.client().await;
    let out = "COPY (SELECT generate_series(1, 3)) TO STDOUT";
    let answered = client.query(out).await;
    assert_eq!(kinds(&answered), "HdddcCZ");
    assert_eq!(answered[2].1, b"2\n");
    client.send(&[parse("", out), bind("", "", &[]), execute("", 0), sync()].concat()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "12HdddcCZ");
    let failing = "COPY (SELECT 1 / (3 - i) FROM generate_series(1, 5) i) TO STDOUT";
    let answered = client.query(failing).await;
    assert_eq!((kinds(&answered).as_str(), error(&answered).sqlstate()), ("HddEZ", "22012"));
    let answered = client.query("COPY t FROM PROGRAM 'echo 5'; SELECT 1").await;
    assert_eq!(tags(&answered), ["COPY 1", "SELECT 1"]);
}

#[tokio::test]
async fn several_copies_in_one_string() {
    let scene = scene().await;
    let mut client = scene.client().await;
    client.send_query("COPY t FROM STDIN; COPY t FROM STDIN; COPY t TO STDOUT").await;
    for line in [b"1\n", b"2\n"] {
        client.expect_until(b'G').await;
        client.send(&[copy_data(line), copy_done()].concat()).await;
    }
    assert_eq!(kinds(&client.expect_until(b'Z').await), "CHddcCZ");
}

async fn leave_in_mid_copy(scene: &Scene, leave: impl AsyncFnOnce(ScriptedClient)) {
    let direct = scene.direct().await;
    let mut client = scene.client().await;
    client.send(&[query(COPY_IN), copy_data(b"1\n2\n")].concat()).await;
    client.expect(b'G').await;
    leave(client).await;
    let mut next = scene.client().await;
    assert_eq!(next.value("SELECT count(*) FROM t").await, "0");
    assert_eq!(server_connections(&direct).await.len(), 1);
}

/// Must survive: a failed COPY leaks the server connection
#[tokio::test]
async fn a_client_that_leaves_in_mid_copy_leaves_no_row() {
    let scene = scene().await;
    leave_in_mid_copy(&scene, async |client| client.abort()).await;
    leave_in_mid_copy(&scene, async |client| client.terminate().await).await;
    leave_in_mid_copy(&scene, async |client| drop(client)).await;
    leave_in_mid_copy(&scene, async |mut client| {
        let message = copy_data(&[b'7'; 100]);
        client.send(&message[..50]).await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_while_data_comes_frees_its_server() {
    let scene = scene().await;
    let mut client = scene.client().await;
    client
        .send_query("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 10000000)) TO STDOUT")
        .await;
    client.expect(b'H').await;
    client.abort();
    assert_eq!(count(&scene).await, "0");
}

/// Must survive: memory that grows with a slow reader
#[tokio::test]
async fn a_slow_reader_of_much_data_costs_no_memory() {
    let scene = scene().await;
    let direct = scene.direct().await;
    let mut client = scene.client().await;
    client.rows("SELECT 1").await;
    let before = peak_memory_kib(&scene.proxy);
    let sql = "COPY (SELECT repeat('x', 999) FROM generate_series(1, 50000)) TO STDOUT";
    client.send_query(sql).await;
    // Nobody reads: the server must stop.
    until("the server waits for its client", async || {
        let sql = "SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event = 'ClientWrite'";
        !direct.query(sql, &[]).await.unwrap().is_empty()
    })
    .await;
    let mut bytes = 0;
    while let (kind, body) = client.expect_frame().await
        && kind != b'Z'
    {
        assert_ne!(kind, b'E', "{}", ErrorFields::read(&body));
        bytes += if kind == b'd' { body.len() } else { 0 };
    }
    assert_eq!(bytes, 50_000_000);
    grew_by_at_most(&scene, before, 16);
}

#[tokio::test]
async fn much_data_for_a_slow_server_costs_no_memory() {
    let scene = scene().await.with_schema("CREATE TABLE much (line text)").await;
    let mut client = scene.client().await;
    client.rows("SELECT 1").await;
    let before = peak_memory_kib(&scene.proxy);
    // The lock keeps the server from reading until all that fits anywhere has been sent.
    let direct = scene.direct().await;
    direct.batch_execute("BEGIN; LOCK TABLE much").await.unwrap();
    let sending = async {
        client.send_query("COPY much FROM STDIN").await;
        let line = [&[b'x'; 999][..], b"\n"].concat();
        let chunk = copy_data(&line.repeat(100));
        for _ in 0..500 {
            client.send(&chunk).await;
        }
        client.send(&copy_done()).await;
    };
    let unlocking = async {
        until("the COPY waits for its lock", async || {
            let sql = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'much'::regclass";
            !direct.query(sql, &[]).await.unwrap().is_empty()
        })
        .await;
        direct.batch_execute("COMMIT").await.unwrap();
    };
    tokio::join!(sending, unlocking);
    let answered = client.expect_until(b'Z').await;
    assert_eq!(
        (kinds(&answered).as_str(), tags(&answered)),
        ("GCZ", vec!["COPY 50000".to_owned()])
    );
    grew_by_at_most(&scene, before, 16);
}

fn grew_by_at_most(scene: &Scene, before: Option<u64>, mib: u64) {
    if let (Some(before), Some(after)) = (before, peak_memory_kib(&scene.proxy)) {
        assert!(after < before + (mib << 10), "pgweir grew from {before} to {after} KiB");
    }
}
