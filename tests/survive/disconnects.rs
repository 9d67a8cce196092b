//! Clients that go away in the middle of something.

use testkit::frames::{bind, execute, parse, query, sync};

use crate::scene::{Scene, assert_clean};

/// Must survive: a request cut in half, then disconnect
#[tokio::test]
async fn a_request_cut_at_every_byte() {
    let scene = Scene::open(["default_pool_size=1"]).await;
    scene.direct().await.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    let insert = "INSERT INTO t VALUES (1)";
    let simple = query(insert);
    let extended = [parse("s", insert), bind("", "s", &[]), execute("", 0), sync()].concat();
    for request in [simple, extended] {
        for cut in 0..request.len() {
            let mut client = scene.client().await;
            client.send(&request[..cut]).await;
            match cut % 2 {
                0 => client.abort(),
                _ => drop(client),
            }
        }
    }
    let mut next = scene.client().await;
    assert_eq!(next.value("SELECT count(*) FROM t").await, "0", "half a request was carried out");
    assert_clean(&mut next, "half requests").await;
}

/// Must survive: an open transaction left behind
#[tokio::test]
async fn a_transaction_in_every_state_is_rolled_back() {
    let scene = Scene::open(["default_pool_size=1"]).await;
    scene.direct().await.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    let insert = "INSERT INTO t VALUES (1)";
    let run = [parse("", insert), bind("p", "", &[]), execute("p", 1)].concat();
    let states = [
        query("BEGIN; INSERT INTO t VALUES (1)"),
        query("BEGIN; INSERT INTO t VALUES (1); SELECT 1/0"),
        query("BEGIN; SAVEPOINT a; INSERT INTO t VALUES (1); ROLLBACK TO a; RELEASE a"),
        [query("BEGIN"), query(insert), run.clone()].concat(),
        // No Sync: the implicit transaction is open.
        run.clone(),
        [query("BEGIN"), parse("", "SELECT generate_series(1, 5)"), bind("p", "", &[])].concat(),
        [query("BEGIN; DECLARE c CURSOR FOR SELECT 1"), query("FETCH c"), run].concat(),
    ];
    for (number, state) in states.iter().enumerate() {
        for round in 0..4 {
            let mut client = scene.client().await;
            client.query("SELECT 1").await;
            client.send(state).await;
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            match round % 2 {
                0 => client.abort(),
                _ => drop(client),
            }
            let mut next = scene.client().await;
            let count = next.value("SELECT count(*) FROM t").await;
            assert_eq!(count, "0", "state {number}");
            assert_clean(&mut next, &format!("state {number}")).await;
        }
    }
}
