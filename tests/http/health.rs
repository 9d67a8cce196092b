//! `/health` and `/ready`.

use std::time::{Duration, Instant};

use testkit::{Proxy, ProxyOptions};

use crate::scene::{Answer, PATIENCE, PGWEIR, Scene, get, http_address};

async fn until_ready_says(address: std::net::SocketAddr, status: u16) -> Answer {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = get(address, "/ready", "").await;
        if answer.status == status {
            return answer;
        }
        assert!(Instant::now() < deadline, "{status}, not {}: {}", answer.status, answer.body);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_drain_is_alive_and_not_ready() {
    let mut scene = Scene::with("").await;
    let client = scene.client().await;
    client.batch_execute("BEGIN").await.unwrap();
    let address = scene.http();
    assert_eq!(get(address, "/ready", "").await.body, "{\"status\":\"ready\"}\n");
    scene.proxy.signal("TERM");
    let answer = until_ready_says(address, 503).await;
    assert_eq!(answer.body, "{\"reason\":\"draining\",\"status\":\"not ready\"}\n");
    let alive = get(address, "/health", "").await;
    assert_eq!(alive.status, 200);
    assert!(alive.body.contains("\"status\":\"alive\""), "{}", alive.body);
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(scene.proxy.wait().await, 0);
}

#[tokio::test]
async fn a_server_that_was_not_tried_does_no_harm_and_one_that_is_away_does() {
    let options = ProxyOptions::upstream("postgres://postgres@127.0.0.1:1/d")
        .settings("server_login_retry = 0\nanalyse = false\nquery_wait_timeout = \"1s\"")
        .arguments(["--http", "127.0.0.1:0"]);
    let proxy = Proxy::start(PGWEIR, options).await;
    let address = http_address(&proxy.log());
    assert_eq!(get(address, "/ready", "").await.status, 200);
    proxy.try_connect("postgres", "d").await.unwrap_err();
    let answer = until_ready_says(address, 503).await;
    assert!(answer.body.contains("no server can be reached"), "{}", answer.body);
    // Nobody waits any more, and it is still to be seen.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(get(address, "/ready", "").await.status, 503);
    }
    let metrics = get(address, "/metrics", "").await.body;
    let failing = metrics.lines().find(|line| line.starts_with("pgweir_pool_connect_failing{"));
    assert!(failing.is_some_and(|line| line.ends_with(" 1")), "{failing:?}");
    assert_eq!(get(address, "/health", "").await.status, 200);
}
