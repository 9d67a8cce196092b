//! Messages larger than any buffer.

use testkit::frames::{self, bind, copy_data, copy_done, execute, kinds, parse, query, sync};

use crate::scene::{Scene, error, peak_memory_kib, tags, values};

const HUNDRED_MB: usize = 100_000_000;
/// What pgweir may grow by, in KiB, while a hundred megabytes go through.
const MAY_GROW_KIB: u64 = 64 << 10;

/// Fails if pgweir needed much memory for what `work` does.
async fn in_little_memory(scene: &Scene, work: impl AsyncFnOnce()) {
    scene.client().await.rows("SELECT 1").await;
    let before = peak_memory_kib(&scene.proxy);
    work().await;
    if let (Some(before), Some(after)) = (before, peak_memory_kib(&scene.proxy)) {
        assert!(after < before + MAY_GROW_KIB, "pgweir grew from {before} to {after} KiB");
    }
}

/// Must survive: messages larger than any buffer
#[tokio::test]
async fn a_row_of_a_hundred_megabytes() {
    let scene = Scene::with_pool_of(1).await;
    in_little_memory(&scene, async || {
        let mut client = scene.client().await;
        let answered = client.query(&format!("SELECT repeat('x', {HUNDRED_MB})")).await;
        assert_eq!((kinds(&answered).as_str(), answered[1].1.len()), ("TDCZ", HUNDRED_MB + 6));
    })
    .await;
}

/// Must survive: messages larger than any buffer
#[tokio::test]
async fn a_query_of_a_hundred_megabytes() {
    let scene = Scene::with_pool_of(1).await;
    in_little_memory(&scene, async || {
        let mut client = scene.client().await;
        let mut text = query("SELECT length('");
        text.pop();
        text.resize(text.len() + HUNDRED_MB, b'y');
        text.extend(b"')\0");
        let length = u32::try_from(text.len() - 1).unwrap();
        text[1..5].copy_from_slice(&length.to_be_bytes());
        client.send(&text).await;
        assert_eq!(values(&client.expect_until(b'Z').await), [HUNDRED_MB.to_string()]);
    })
    .await;
}

/// Must survive: messages larger than any buffer
#[tokio::test]
async fn a_parameter_of_a_hundred_megabytes() {
    let scene = Scene::with_pool_of(1).await;
    in_little_memory(&scene, async || {
        let mut client = scene.client().await;
        let value = "z".repeat(HUNDRED_MB);
        client.send(&parse("", "SELECT length($1)")).await;
        client.send(&bind("", "", &[Some(&value)])).await;
        client.send(&[execute("", 0), sync()].concat()).await;
        let answered = client.expect_until(b'Z').await;
        assert_eq!(kinds(&answered), "12DCZ");
        assert_eq!(values(&answered), [HUNDRED_MB.to_string()]);
    })
    .await;
}

#[tokio::test]
async fn a_line_of_a_hundred_megabytes_copied_in() {
    let scene = Scene::with_pool_of(1).await.with_schema("CREATE TABLE t (a text)").await;
    in_little_memory(&scene, async || {
        let mut client = scene.client().await;
        let line = [vec![b'x'; HUNDRED_MB], b"\n".to_vec()].concat();
        client.send(&query("COPY t FROM STDIN")).await;
        client.expect(b'G').await;
        client.send(&copy_data(&line)).await;
        client.send(&copy_done()).await;
        assert_eq!(tags(&client.expect_until(b'Z').await), ["COPY 1"]);
    })
    .await;
}

#[tokio::test]
async fn a_line_of_a_hundred_megabytes_copied_out() {
    let scene = Scene::with_pool_of(1).await;
    in_little_memory(&scene, async || {
        let mut client = scene.client().await;
        let sql = format!("COPY (SELECT repeat('x', {HUNDRED_MB})) TO STDOUT");
        let answered = client.query(&sql).await;
        assert_eq!((kinds(&answered).as_str(), answered[1].1.len()), ("HdcCZ", HUNDRED_MB + 1));
    })
    .await;
}

#[tokio::test]
async fn a_statement_too_long_to_be_kept_works_where_it_was_prepared() {
    let scene = Scene::with_pool_of(2).await;
    let [mut client, mut other] = scene.clients().await;
    let sql = format!("SELECT length('{}') + $1::int", "s".repeat(3_000_000));
    for name in ["", "long"] {
        client.send(&[parse(name, &sql), sync()].concat()).await;
        assert_eq!(kinds(&client.expect_until(b'Z').await), "1Z");
        other.rows("SELECT 1").await;
        for _ in 0..2 {
            client.send(&[bind("", name, &[Some("7")]), execute("", 0), sync()].concat()).await;
            assert_eq!(values(&client.expect_until(b'Z').await), ["3000007"]);
        }
    }
    assert_eq!(scene.pinned(&client).await, "large prepared statement");
    client.send(&[parse("long", "SELECT 1"), sync()].concat()).await;
    assert_eq!(error(&client.expect_until(b'Z').await).sqlstate(), "42P05");
    client.send(&[frames::close(b'S', "long"), parse("long", "SELECT 1"), sync()].concat()).await;
    assert_eq!(kinds(&client.expect_until(b'Z').await), "31Z");
}

#[tokio::test]
async fn a_large_error_and_a_large_notice_come_whole() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    let raise = |level: &str, size: usize| {
        format!("DO $$ BEGIN RAISE {level} '%', repeat('e', {size}); END $$")
    };
    for size in [1_000, 300_000] {
        let answered = client.query(&raise("NOTICE", size)).await;
        assert_eq!(kinds(&answered), "NCZ");
        assert!(answered[0].1.len() > size);
        let answered = client.query(&raise("EXCEPTION", size)).await;
        assert_eq!((kinds(&answered).as_str(), error(&answered).message().len()), ("EZ", size));
    }
    assert_eq!(client.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn many_columns_and_many_rows_come_whole() {
    let scene = Scene::with_pool_of(1).await;
    let mut client = scene.client().await;
    let columns: Vec<String> =
        (0..1600).map(|i| format!("{i} AS a_rather_long_name_{i}")).collect();
    let answered = client.query(&format!("SELECT {}", columns.join(", "))).await;
    assert_eq!(kinds(&answered), "TDCZ");
    assert_eq!(frames::row_values(&answered[1].1).len(), 1600);
    let answered = client.query("SELECT generate_series(1, 100000)").await;
    assert_eq!(values(&answered).last().map(String::as_str), Some("100000"));
    assert_eq!(answered.len(), 100_003);
}
