//! What each host is, and what follows: reads on the standby, lag, a primary that is fenced.

use std::time::{Duration, Instant};

use testkit::Postgres;

use crate::scene::{Pair, host, is, port, show, start, until};

#[tokio::test]
async fn reads_go_to_the_standby_until_it_is_too_far_behind() {
    let mut pair = Pair::start().await;
    pair.create("CREATE TABLE before ()").await;
    let sections = "query_wait_timeout = \"2s\"\n[databases.shop]\nHOSTS\n\
        [databases.reports]\nHOSTS\ntarget_session_attrs = \"prefer-standby\"\nmax_replica_lag = \"1s\"\n\
        [databases.archive]\nHOSTS\ntarget_session_attrs = \"standby\"\nmax_replica_lag = \"1s\"\n";
    let proxy = pair.pgweir(sections).await;
    let (first, second) = (pair.primary.port(), pair.standby.port());
    let console = proxy.connect("postgres", "pgweir").await;
    let shop = proxy.connect("postgres", "shop").await;
    let reports = proxy.connect("postgres", "reports").await;
    let archive = proxy.connect("postgres", "archive").await;
    let ports = async || (port(&shop).await, port(&reports).await, port(&archive).await);
    assert_eq!(ports().await, (first, second, second));
    until("both are known", async || {
        is(&console, &pair.primary, "up", "primary").await
            && is(&console, &pair.standby, "up", "standby").await
    })
    .await;
    assert_eq!(host(&console, &pair.standby).await["lag_ms"], "0");

    // It receives, and does not replay any more.
    pair.standby.admin().await.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    shop.batch_execute("CREATE TABLE later ()").await.unwrap();
    until("reads go to the primary", async || port(&reports).await == first).await;
    assert!(host(&console, &pair.standby).await["lag_ms"].parse::<f64>().unwrap() > 1000.0);
    // For who insists on a standby there is none.
    let error = archive.simple_query("SELECT 1").await.unwrap_err();
    let told = error.as_db_error().unwrap();
    assert_eq!(told.code().code(), "57P03");
    assert!(told.message().contains("query_wait_timeout"), "{told:?}");
    assert!(told.detail().unwrap().contains("is too far behind"), "{told:?}");
    assert!(told.hint().unwrap().contains("SHOW HOSTS"), "{told:?}");

    pair.standby.admin().await.batch_execute("SELECT pg_wal_replay_resume()").await.unwrap();
    until("reads are back", async || port(&reports).await == second).await;
    assert_eq!(port(&archive).await, second);

    // Its end leads reads to the primary; writes do not notice.
    pair.standby.kill().await;
    until("reads go to the primary again", async || {
        reports.query_one("SELECT inet_server_port()", &[]).await.is_ok()
            && port(&reports).await == first
    })
    .await;
    assert_eq!(port(&shop).await, first);
    until("it is seen", async || host(&console, &pair.standby).await["state"] == "down").await;
    assert!(!host(&console, &pair.standby).await["last_error"].is_empty());
}

#[tokio::test]
async fn a_primary_that_is_fenced_is_left() {
    let pair = Pair::start().await;
    let proxy = pair.pgweir("[databases.shop]\nHOSTS\n").await;
    let console = proxy.connect("postgres", "pgweir").await;
    let client = proxy.connect("postgres", "shop").await;
    pair.create("CREATE TABLE t (n int)").await;
    assert_eq!(port(&client).await, pair.primary.port());
    // As cluster managers do before they promote another one.
    let admin = pair.primary.admin().await;
    admin.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    until("it is seen", async || host(&console, &pair.primary).await["read_only"] == "t").await;
    pair.standby.promote().await;
    client.batch_execute("INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(port(&client).await, pair.standby.port());
    until("no connection goes to the old one", async || {
        let servers = show(&console, "SHOW SERVERS").await;
        let new = format!("127.0.0.1:{}", pair.standby.port());
        !servers.is_empty() && servers.iter().all(|server| server["host"] == new)
    })
    .await;
}

#[tokio::test]
async fn a_write_that_is_refused_is_not_refused_twice() {
    // Nobody is asked: only the refusal tells.
    let pair = Pair::start().await;
    let sections =
        "host_check_interval = 0\n[databases.shop]\nHOSTS\nload_balance_hosts = \"disable\"\n";
    let proxy = pair.pgweir(sections).await;
    let client = proxy.connect("postgres", "shop").await;
    pair.create("CREATE TABLE t (n int)").await;
    assert_eq!(port(&client).await, pair.primary.port());
    pair.standby.promote().await;
    let admin = pair.primary.admin().await;
    admin.batch_execute("ALTER SYSTEM SET default_transaction_read_only = on").await.unwrap();
    admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    until("it is written where that can be done", async || {
        client.batch_execute("INSERT INTO t VALUES (1)").await.is_ok()
            && port(&client).await == pair.standby.port()
    })
    .await;
}

#[tokio::test]
async fn a_host_that_is_away_is_gone_round_at_once() {
    let postgres = Postgres::shared().await;
    // Nobody listens there.
    let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = format!(
        "[databases.any]\nhost = [\"127.0.0.1\", \"127.0.0.1\"]\nport = [{away}, {}]\n\
         dbname = \"postgres\"\ntarget_session_attrs = \"any\"\nload_balance_hosts = \"disable\"\n\
         [databases.one]\nhost = \"127.0.0.1\"\nport = {}\ndbname = \"postgres\"\n",
        postgres.port(),
        postgres.port()
    );
    let proxy = start(&settings).await;
    let began = Instant::now();
    let client = proxy.connect("postgres", "any").await;
    assert_eq!(port(&client).await, postgres.port());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let console = proxy.connect("postgres", "pgweir").await;
    let databases = show(&console, "SHOW DATABASES").await;
    let any = databases.iter().find(|row| row["name"] == "any").unwrap();
    assert_eq!(any["host"], "127.0.0.1,127.0.0.1");
    assert_eq!((&*any["load_balance_hosts"], &*any["target_session_attrs"]), ("disable", "any"));
    let hosts = show(&console, "SHOW HOSTS").await;
    let states: Vec<_> = hosts.iter().map(|row| row["state"].as_str()).collect();
    assert!(states.contains(&"down") && states.contains(&"up"), "{hosts:?}");
}

#[tokio::test]
async fn a_single_host_is_asked_nothing() {
    let postgres = Postgres::start(testkit::PostgresOptions::default()).await;
    let settings = format!(
        "analyse = false\n[databases.one]\nhost = \"127.0.0.1\"\nport = {}\ndbname = \"postgres\"\n",
        postgres.port()
    );
    let proxy = start(&settings).await;
    let client = proxy.connect("postgres", "one").await;
    let began = Instant::now();
    let sql = "SELECT application_name FROM pg_stat_activity
               WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    while began.elapsed() < Duration::from_secs(2) {
        assert!(client.query(sql, &[]).await.unwrap().is_empty(), "somebody else is there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let console = proxy.connect("postgres", "pgweir").await;
    let row = host(&console, &postgres).await;
    assert_eq!(
        (&*row["state"], &*row["role"], &*row["current_connections"]),
        ("up", "primary", "1")
    );
}
