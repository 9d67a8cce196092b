//! Both sides must always know which answer belongs to which request.

use testkit::ScriptedClient;
use testkit::frames::{
    bind, close, copy_data, copy_done, describe, execute, flush, kinds, parse, query, row_values,
    sync,
};

use crate::scene::{Scene, assert_clean, error};

/// Answers that can only be this client's.
async fn own_answers(client: &mut ScriptedClient, name: &str) {
    for number in 0..3 {
        let token = format!("{name} {number}");
        let run = [parse("", "SELECT $1::text"), bind("", "", &[Some(&token)]), execute("", 0)];
        client.send(&[run.concat(), sync()].concat()).await;
        let said = client.expect_until(b'Z').await;
        assert_eq!(kinds(&said), "12DCZ", "{name}");
        let row = said.iter().find(|frame| frame.0 == b'D').unwrap();
        assert_eq!(row_values(&row.1), [Some(token)]);
    }
}

/// Must survive: PortalSuspended; Close of a portal; Close of a statement
#[tokio::test]
async fn suspended_portals_and_closes_in_every_order() {
    let scene = Scene::open(["default_pool_size=1", "max_prepared_statements=2"]).await;
    let (mut client, mut other) = (scene.client().await, scene.client().await);
    let start = [parse("s", "SELECT generate_series(1, 9)"), bind("p", "s", &[])].concat();
    let cases = [
        // Closed while it is suspended; executed after that.
        ([execute("p", 2), close(b'P', "p"), execute("p", 2), sync()].concat(), "12DDs3EZ"),
        // Its statement is closed: the portal goes on.
        ([execute("p", 2), close(b'S', "s"), execute("p", 2), sync()].concat(), "12DDs3DDsZ"),
        // Closed before it was executed, and twice.
        ([close(b'P', "p"), close(b'P', "p"), close(b'S', "s"), sync()].concat(), "12333Z"),
        // Bound again in the middle.
        (
            [execute("p", 1), close(b'P', "p"), bind("p", "s", &[]), execute("p", 1), sync()]
                .concat(),
            "12Ds32DsZ",
        ),
        // An error between, and a Close behind it that never happens.
        ([execute("p", 1), bind("q", "none", &[]), close(b'S', "s"), sync()].concat(), "12DsEZ"),
        (
            [execute("p", 1), describe(b'P', "p"), execute("p", 0), sync()].concat(),
            "12DsTDDDDDDDDCZ",
        ),
    ];
    for (number, (request, answer)) in cases.iter().enumerate() {
        for in_block in [false, true] {
            if in_block {
                client.query("BEGIN").await;
            }
            client.send(&[&start[..], request].concat()).await;
            assert_eq!(kinds(&client.expect_until(b'Z').await), *answer, "case {number}");
            if in_block {
                client.query("ROLLBACK").await;
            }
            client.send(&[close(b'S', "s"), sync()].concat()).await;
            assert_eq!(kinds(&client.expect_until(b'Z').await), "3Z");
            own_answers(&mut other, "other").await;
            own_answers(&mut client, "client").await;
        }
    }
}

/// Must survive: error in a pipeline then Sync
#[tokio::test]
async fn an_error_at_every_place_of_a_pipeline() {
    let scene = Scene::open(["default_pool_size=1"]).await;
    let (mut client, mut other) = (scene.client().await, scene.client().await);
    let good = |name: &str| {
        [parse(name, "SELECT 7"), bind("", name, &[]), describe(b'P', ""), execute("", 0)].concat()
    };
    let bad: [(&str, Vec<u8>); 6] = [
        ("Parse", parse("", "SELEKT")),
        ("Bind", bind("", "no such statement", &[])),
        ("Describe", describe(b'S', "no such statement")),
        ("Execute", execute("no such portal", 0)),
        ("a run", [parse("", "SELECT 1/0"), bind("", "", &[]), execute("", 0)].concat()),
        ("a taken name", [parse("x", "SELECT 1"), parse("x", "SELECT 2")].concat()),
    ];
    for (what, bad) in bad {
        for before in 0..3 {
            let mut request = Vec::new();
            for number in 0..before {
                request.extend(good(&format!("b{number}")));
            }
            request.extend(&bad);
            // Skipped, all of it, whatever it is.
            request.extend([good("c"), flush(), close(b'S', "b0"), query("SELECT 1")].concat());
            request.extend(sync());
            request.extend([good("d"), sync()].concat());
            client.send(&request).await;
            let failed = client.expect_until(b'Z').await;
            assert!(kinds(&failed).starts_with(&"12TDC".repeat(before)), "{}", kinds(&failed));
            assert!(kinds(&failed).ends_with("EZ"), "{what}: {}", kinds(&failed));
            error(&failed);
            assert_eq!(kinds(&client.expect_until(b'Z').await), "12TDCZ", "{what}");
            client.send(&[bind("", "c", &[]), sync()].concat()).await;
            let said = client.expect_until(b'Z').await;
            assert_eq!(error(&said).sqlstate(), "26000", "{what}: c was skipped");
            if before > 0 {
                client.send(&[bind("", "b0", &[]), execute("", 0), sync()].concat()).await;
                assert_eq!(kinds(&client.expect_until(b'Z').await), "2DCZ", "not closed");
            }
            let closes = ["b0", "b1", "d", "x"].map(|name| close(b'S', name)).concat();
            client.send(&[closes, sync()].concat()).await;
            assert_eq!(kinds(&client.expect_until(b'Z').await), "3333Z");
            own_answers(&mut other, what).await;
        }
    }
}

/// Must survive: late COPY messages
#[tokio::test]
async fn copy_messages_behind_an_error_of_another_client_s_connection() {
    let scene = Scene::open(["default_pool_size=1"]).await;
    scene.direct().await.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    let (mut client, mut other) = (scene.client().await, scene.client().await);
    for _ in 0..20 {
        client.send(&[query("COPY t FROM STDIN"), copy_data(b"x\n")].concat()).await;
        assert_eq!(kinds(&client.expect_until(b'Z').await), "GEZ");
        // The connection is somebody else's now: what comes late must not reach it.
        other.query("BEGIN").await;
        client.send(&[copy_data(b"1\n"), copy_data(b"2\n"), copy_done()].concat()).await;
        own_answers(&mut other, "other").await;
        assert_eq!(kinds(&other.query("COMMIT").await), "CZ");
        own_answers(&mut client, "client").await;
    }
    assert_eq!(client.value("SELECT count(*) FROM t").await, "0");
    assert_clean(&mut other, "late COPY messages").await;
}
