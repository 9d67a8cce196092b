//! New settings while all is in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use testkit::frames::{bind, execute, kinds, parse, sync};
use testkit::{Postgres, Proxy, ProxyOptions, ScriptedClient};

use crate::scene::{PGWEIR, until};

/// Must survive: RELOAD while in use
#[tokio::test]
async fn reloads_under_load_disturb_nobody() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pgweir.toml");
    let upstream = postgres.url("postgres", "postgres");
    let write = |size: usize, prepared: usize| {
        let text = format!(
            "upstream = {upstream:?}\ndefault_pool_size = {size}\n\
             max_prepared_statements = {prepared}\nserver_lifetime = \"{size}s\"\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    write(4, 10);
    let options = ProxyOptions::default().arguments(["-c", file.to_str().unwrap()]);
    let proxy = Proxy::start(PGWEIR, options).await;
    let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = Vec::new();
    for name in 0..8 {
        let mut client = ScriptedClient::login(proxy.address(), "postgres", &database.name).await;
        let (over, done) = (Arc::clone(&over), Arc::clone(&done));
        clients.push(tokio::spawn(async move {
            client.send(&[parse("s", "SELECT $1::text"), sync()].concat()).await;
            client.expect_until(b'Z').await;
            let mut asked = 0_u32;
            while !over.load(Ordering::Relaxed) {
                let token = format!("{name} {asked}");
                client.rows("BEGIN").await;
                client
                    .send(&[bind("", "s", &[Some(&token)]), execute("", 0), sync()].concat())
                    .await;
                assert_eq!(kinds(&client.expect_until(b'Z').await), "2DCZ");
                assert_eq!(client.value(&format!("SELECT '{token}'")).await, token);
                client.rows("COMMIT").await;
                done.fetch_add(1, Ordering::Relaxed);
                asked += 1;
            }
            asked
        }));
    }
    let console = proxy.connect("postgres", "pgweir").await;
    for round in 0..30 {
        write([1, 6, 2, 4][round % 4], [1, 100, 2][round % 3]);
        console.batch_execute("RELOAD").await.unwrap();
        let goal = done.load(Ordering::Relaxed) + 5;
        until("the load goes on", async || done.load(Ordering::Relaxed) >= goal).await;
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        assert!(client.await.unwrap() > 0, "it was not served");
    }
    assert!(!proxy.log().contains("panicked"), "{}", proxy.log());
}
