//! Clients that misbehave after they are logged in.

use std::time::Duration;

use testkit::frames::{
    bind, close, copy_data, copy_done, copy_fail, describe, execute, header, kinds, message, parse,
    query, row_values, sync,
};
use testkit::{ErrorFields, ScriptedClient};

use crate::scene::{Scene, assert_clean, error};
use crate::vitals;

/// Must survive: a negative length; a cap for every size
#[tokio::test]
async fn what_is_no_message_gets_08p01_and_the_end() {
    let scene = Scene::open(["default_pool_size=1"]).await;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a Sync of 20 kB", header(b'S', 20_000)),
        ("a Terminate of 2 GB", header(b'X', 0x7fff_ffff)),
        ("a Query of 2 GB", header(b'Q', 0x7fff_ffff)),
        ("a negative length", header(b'P', u32::MAX)),
        ("no length", header(b'Q', 0)),
        ("a length that does not count itself", header(b'B', 3)),
        ("no such type", message(b'!', b"")),
        ("a server's message", message(b'Z', b"I")),
        ("a Parse without an end", message(b'P', b"name\0select 1")),
        ("a Parse with more types than it has", message(b'P', b"\0select 1\0\xff\xff")),
        ("a Bind without names", message(b'B', b"no end")),
        ("a Describe of nothing", message(b'D', b"X\0")),
        ("a Close with more behind it", message(b'C', b"Sa\0more")),
        ("an Execute without a limit", message(b'E', b"\0")),
    ];
    for (what, bytes) in cases {
        for in_block in [false, true] {
            let mut client = scene.client().await;
            if in_block {
                client.query("BEGIN; SET LOCAL geqo TO off").await;
            }
            client.send(&bytes).await;
            let said = client.expect_error().await;
            assert_eq!((said.severity(), said.sqlstate()), ("FATAL", "08P01"), "{what}: {said}");
            client.expect_closed().await;
            let mut next = scene.client().await;
            assert_clean(&mut next, what).await;
        }
    }
}

/// Must survive: error in a pipeline then Sync
#[tokio::test]
async fn an_error_in_a_pipeline_skips_to_the_sync() {
    let scene = Scene::open(["default_pool_size=2"]).await;
    let mut client = scene.client().await;
    let run =
        |name: &str, text: &str| [parse(name, text), bind("", name, &[]), execute("", 0)].concat();
    for _ in 0..20 {
        let pipeline = [
            run("a", "SELECT 1"),
            run("b", "SELECT 1/0"),
            run("c", "SELECT 3"),
            sync(),
            run("d", "SELECT 4"),
            close(b'S', "a"),
            close(b'S', "b"),
            close(b'S', "d"),
            sync(),
        ];
        client.send(&pipeline.concat()).await;
        // b can be parsed, but not planned; c is skipped.
        assert_eq!(kinds(&client.expect_until(b'Z').await), "12DC1EZ");
        assert_eq!(kinds(&client.expect_until(b'Z').await), "12DC333Z");
        client.send(&[describe(b'S', "c"), sync()].concat()).await;
        let said = client.expect_until(b'Z').await;
        assert_eq!(error(&said).sqlstate(), "26000", "c was never prepared");
    }
    assert_eq!(client.value("SELECT 5").await, "5");
}

/// Must survive: a statement evicted while in use
#[tokio::test]
async fn a_statement_evicted_while_in_use() {
    let scene = Scene::open(["default_pool_size=2", "max_prepared_statements=1"]).await;
    let mut tasks = Vec::new();
    for number in 0..4 {
        let mut client = scene.client().await;
        tasks.push(tokio::spawn(async move {
            let texts = [format!("SELECT {number}"), format!("SELECT 10{number}")];
            let prepare = [parse("a", &texts[0]), parse("b", &texts[1]), sync()];
            client.send(&prepare.concat()).await;
            assert_eq!(kinds(&client.expect_until(b'Z').await), "11Z");
            for _ in 0..30 {
                let both = [
                    bind("p", "a", &[]),
                    bind("", "b", &[]),
                    execute("", 0),
                    execute("p", 0),
                    describe(b'S', "a"),
                    sync(),
                ];
                client.send(&both.concat()).await;
                let said = client.expect_until(b'Z').await;
                assert_eq!(kinds(&said), "22DCDCtTZ");
                let rows: Vec<_> = said.iter().filter(|frame| frame.0 == b'D').collect();
                let got = rows.iter().map(|row| testkit::frames::row_values(&row.1)[0].clone());
                let got: Vec<_> = got.map(Option::unwrap).collect();
                assert_eq!(got, [format!("10{number}"), number.to_string()]);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// Must survive: late COPY messages
#[tokio::test]
async fn copy_messages_that_come_too_late_or_never_should() {
    let scene = Scene::open(["default_pool_size=1"]).await;
    scene.direct().await.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    let mut client = scene.client().await;
    for _ in 0..10 {
        // The error comes before the data that was sent with the request.
        let late =
            [query("COPY none FROM STDIN"), copy_data(b"1\n"), copy_data(b"2\n"), copy_done()];
        client.send(&late.concat()).await;
        assert_eq!(kinds(&client.expect_until(b'Z').await), "EZ");
        client.send(&[copy_data(b"3\n"), copy_fail("late"), copy_done()].concat()).await;
        assert_eq!(client.value("SELECT 1").await, "1");

        let refused = [query("COPY t FROM STDIN"), copy_data(b"no number\n"), copy_done()];
        client.send(&refused.concat()).await;
        assert_eq!(kinds(&client.expect_until(b'Z').await), "GEZ");
        client
            .send(&[query("COPY t FROM STDIN"), copy_data(b"4\n"), copy_fail("no")].concat())
            .await;
        assert_eq!(kinds(&client.expect_until(b'Z').await), "GEZ");

        let copy = [parse("", "COPY t FROM STDIN"), bind("", "", &[]), execute("", 0), sync()];
        client.send(&[copy.concat(), copy_data(b"5\n"), copy_done(), sync()].concat()).await;
        assert_eq!(kinds(&client.expect_until(b'Z').await), "12GCZ");
        assert_eq!(client.value("DELETE FROM t RETURNING a").await, "5");

        let copy = [parse("", "COPY t FROM STDIN"), bind("", "", &[]), execute("", 0)];
        client.send(&copy.concat()).await;
        client.expect(b'1').await;
        client.expect(b'2').await;
        client.expect(b'G').await;
        client.send(&sync()).await;
        client.send(&[copy_data(b"6\n"), copy_done(), sync()].concat()).await;
        assert_eq!(kinds(&client.expect_until(b'Z').await), "CZ");
        assert_eq!(client.value("DELETE FROM t RETURNING a").await, "6");
    }
    let mut other = scene.client().await;
    other.set_patience(Duration::from_secs(5));
    assert_eq!(other.value("SELECT count(*) FROM t").await, "0", "the connection is free");
}

/// Must survive: late COPY messages
#[tokio::test]
async fn an_answer_behind_a_copy_that_failed_reaches_nobody_else() {
    let scene = Scene::open(["default_pool_size=1"]).await;
    let mut client = scene.client().await;
    for round in 0..30 {
        let mut hostile = scene.client().await;
        hostile.query("CREATE TEMP TABLE theirs (a int)").await;
        // The COPY fails before it gets to the Sync, which is answered then.
        let copy = [query("COPY theirs FROM STDIN"), copy_data(b"no number\n"), sync()].concat();
        hostile.send(&copy).await;
        if round % 2 == 0 {
            assert_eq!(kinds(&hostile.expect_until(b'Z').await), "GEZ");
            assert_eq!(kinds(&hostile.expect_until(b'Z').await), "Z");
        }
        match round % 3 {
            0 => drop(hostile),
            1 => hostile.terminate().await,
            _ => drop(hostile.query("DROP TABLE theirs").await),
        }
        own_answer(&mut client, round).await;
    }
}

/// Must survive: late COPY messages
#[tokio::test]
async fn a_pipeline_behind_a_copy_that_failed_answers_nobody_else() {
    let scene = Scene::open(["default_pool_size=1"]).await;
    scene.direct().await.batch_execute("CREATE TABLE t (a int)").await.unwrap();
    let mut client = scene.client().await;
    for round in 0..30 {
        let mut hostile = scene.client().await;
        let run = |text: &str| [parse("", text), bind("", "", &[]), execute("", 0)].concat();
        let copy = [run("COPY t FROM STDIN"), copy_data(b"no number\n"), sync()].concat();
        // The server carries it out, since it has not read over the Sync.
        let more = [run("SELECT 'theirs' FROM t"), sync()].concat();
        hostile.send(&[copy, more.repeat(1 + round % 3)].concat()).await;
        if round % 2 == 0 {
            // How many answers are still due to it nobody knows.
            let error = hostile.expect_until(b'E').await.pop().expect("an error");
            assert_eq!(ErrorFields::read(&error.1).severity(), "FATAL");
            hostile.expect_closed().await;
        }
        drop(hostile);
        own_answer(&mut client, round).await;
    }
}

/// The client gets what it asks for, and nothing else.
async fn own_answer(client: &mut ScriptedClient, round: usize) {
    let own = [parse("", "SELECT $1::text"), bind("", "", &[Some(&round.to_string())])];
    client.send(&[own.concat(), execute("", 0), sync()].concat()).await;
    let answer = client.expect_until(b'Z').await;
    assert_eq!(kinds(&answer), "12DCZ", "round {round}");
    assert_eq!(row_values(&answer[2].1), [Some(round.to_string())]);
    assert_eq!(client.value(&format!("SELECT {round}")).await, round.to_string());
}

#[tokio::test]
async fn a_client_that_asks_and_never_reads_is_not_read_from() {
    let scene = Scene::open([]).await;
    let mut client = scene.client().await;
    client.send(&[parse("a", "SELECT 1"), sync()].concat()).await;
    client.expect_until(b'Z').await;
    let before = vitals::resident_kib(&scene.proxy);
    // pgweir answers these itself: no server slows it down.
    client.send(&query("BEGIN")).await;
    client.expect_until(b'Z').await;
    let pair = [parse("b", "SELECT 1"), close(b'S', "b")].concat();
    let many = pair.repeat(20_000);
    let mut sent = 0;
    while sent < 200 {
        let write = client.try_send(&many);
        if tokio::time::timeout(Duration::from_millis(300), write).await.is_err() {
            break;
        }
        sent += 1;
    }
    assert!(sent < 200, "it takes whatever comes");
    if let (Some(before), Some(after)) = (before, vitals::resident_kib(&scene.proxy)) {
        assert!(after < before + 20 * 1024, "from {before} to {after} KiB");
    }
    let mut other = scene.client().await;
    assert_eq!(other.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn state_that_is_made_where_nobody_looks() {
    let filler = "x".repeat(2 << 20);
    let lock = [&2880_u32.to_be_bytes()[..], &[0, 1, 0, 1, 0, 1], &[0, 0, 0, 8], &[7; 8], &[0, 1]];
    let cases = [
        ("a text of 100 kB", query(&format!("SELECT '{}'; SET geqo TO off", &filler[..100_000]))),
        ("a text of 2 MB", query(&format!("SELECT '{filler}'; SET geqo TO off"))),
        ("pg_advisory_lock by FunctionCall", message(b'F', &lock.concat())),
    ];
    for (what, bytes) in cases {
        let scene = Scene::open(["default_pool_size=1"]).await;
        let mut client = scene.client().await;
        client.send(&bytes).await;
        assert!(!kinds(&client.expect_until(b'Z').await).contains('E'), "{what}");
        client.terminate().await;
        let mut next = scene.client().await;
        assert_clean(&mut next, what).await;
    }
}

#[tokio::test]
async fn nothing_hides_in_the_tail_of_a_long_message() {
    let scene = Scene::open(["default_pool_size=1"]).await;
    let mut client = scene.client().await;
    client.send(&[parse("a", "SELECT 1"), sync()].concat()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "1Z");
    // Read as messages of their own, these would change a setting behind pgweir's back.
    let hidden = query("SET geqo TO off").repeat(10);
    let mut text = [&b"deallocate a"[..], &vec![b' '; 1 << 20][..]].concat();
    text.extend(&hidden);
    text.push(0);
    client.send(&message(b'Q', &text)).await;
    let said = client.expect_until(b'Z').await;
    assert_eq!(kinds(&said), "EZ");

    let mut client = scene.client().await;
    client.send(&[parse("a", "SELECT 1"), sync()].concat()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "1Z");
    let mut body = [&b"a\0"[..], &vec![b' '; 1 << 20][..]].concat();
    body.extend(&hidden);
    body.extend([0, 0, 0]);
    client.send(&[message(b'P', &body), sync()].concat()).await;
    let said = client.expect_until(b'Z').await;
    assert_eq!(error(&said).sqlstate(), "42P05");
    client.terminate().await;

    let mut next = scene.client().await;
    assert_clean(&mut next, "hidden messages").await;
}
