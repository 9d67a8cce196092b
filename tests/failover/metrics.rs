//! What is said of hosts at `/metrics`.

use std::collections::BTreeMap;

use testkit::{Postgres, Proxy, ProxyOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::scene::{PGWEIR, Pair, until};

/// What is served now, by series.
async fn scrape(proxy: &Proxy) -> BTreeMap<String, f64> {
    let log = proxy.log();
    let (_, address) = log.split_once(" http=").unwrap();
    let address = address.split_whitespace().next().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let samples = answer.lines().filter(|line| line.starts_with("pgweir_"));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        Some((series.to_owned(), value.parse().ok()?))
    };
    samples.filter_map(sample).collect()
}

/// A series of a host of the database `shop`.
fn of(metric: &str, server: &Postgres, more: &str) -> String {
    let port = server.port();
    format!("{metric}{{database=\"shop\",host=\"127.0.0.1:{port}\",address=\"\"{more}}}")
}

#[tokio::test]
async fn what_is_known_of_hosts_and_failovers_is_in_the_metrics() {
    let mut pair = Pair::start().await;
    let sections = format!("admin_users = [\"postgres\"]\n[databases.shop]\n{}", pair.hosts());
    let options = ProxyOptions::default().settings(sections).arguments(["--http", "127.0.0.1:0"]);
    let proxy = Proxy::start(PGWEIR, options).await;
    let client = proxy.connect("postgres", "shop").await;
    client.batch_execute("SELECT 1").await.unwrap();
    let (primary, standby) = (",role=\"primary\"", ",role=\"standby\"");
    let role = "pgweir_host_role";
    until("both are up, and what they are", async || {
        let now = scrape(&proxy).await;
        let is = |series: String, wanted: f64| now.get(&series) == Some(&wanted);
        is(of("pgweir_host_up", &pair.primary, ""), 1.0)
            && is(of("pgweir_host_up", &pair.standby, ""), 1.0)
            && is(of(role, &pair.primary, primary), 1.0)
            && is(of(role, &pair.primary, standby), 0.0)
            && is(of(role, &pair.standby, primary), 0.0)
            && is(of(role, &pair.standby, standby), 1.0)
            && now.contains_key(&of("pgweir_host_replica_lag_seconds", &pair.standby, ""))
            && is("pgweir_failovers_total{database=\"shop\"}".to_owned(), 0.0)
    })
    .await;
    let before = scrape(&proxy).await;
    for server in [&pair.primary, &pair.standby] {
        assert_eq!(before[&of("pgweir_host_connect_failures_total", server, "")], 0.0);
        assert!(before[&of("pgweir_host_check_age_seconds", server, "")] < 10.0);
    }
    assert!(!before.contains_key(&of("pgweir_host_replica_lag_seconds", &pair.primary, "")));

    pair.primary.kill().await;
    pair.standby.promote().await;
    until("the failover is seen", async || {
        let now = scrape(&proxy).await;
        now.get(&of("pgweir_host_up", &pair.primary, "")) == Some(&0.0)
            && now.get(&of(role, &pair.standby, primary)) == Some(&1.0)
            && now.get("pgweir_failovers_total{database=\"shop\"}") == Some(&1.0)
    })
    .await;
    let after = scrape(&proxy).await;
    assert!(after[&of("pgweir_host_connect_failures_total", &pair.primary, "")] > 0.0);
    assert_eq!(after[&of("pgweir_host_connect_failures_total", &pair.standby, "")], 0.0);
}
