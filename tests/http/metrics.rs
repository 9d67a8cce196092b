//! `/metrics` of a pgweir that works.

use crate::scene::Scene;

#[tokio::test]
async fn statements_are_counted_by_pool_and_by_fingerprint() {
    let scene = Scene::with("").await;
    let client = scene.client().await;
    client.batch_execute("CREATE TABLE orders (id int)").await.unwrap();
    for _ in 0..20 {
        client.simple_query("SELECT * FROM orders WHERE id = 7").await.unwrap();
    }
    client.simple_query("INSERT INTO orders SELECT generate_series(1, 9)").await.unwrap();
    client.simple_query("SELECT * FROM missing").await.unwrap_err();
    let pool = [("database", scene.database.name.as_str()), ("user", "postgres")];
    // A transaction is over a moment after its statement.
    scene
        .until("transaction in its pool", |served| {
            let count = served.value("pgweir_transaction_duration_seconds_count", &pool)?;
            (count == 23.0).then_some(())
        })
        .await;
    let served = scene.scrape().await;
    let value = |name, more: &[(&str, &str)]| {
        served.value(name, &[&pool[..], more].concat()).unwrap_or_else(|| panic!("{name}"))
    };
    assert_eq!(value("pgweir_query_errors_total", &[("sqlstate", "42P01")]), 1.0);
    assert_eq!(value("pgweir_query_rows_total", &[]), 9.0);
    assert_eq!(value("pgweir_client_logins_total", &[]), 1.0);
    assert_eq!(value("pgweir_pool_size", &[]), 5.0);
    assert_eq!(value("pgweir_query_duration_seconds_count", &[]), 23.0);
    let id = served.samples.iter().find(|sample| {
        sample.labels.get("summary").is_some_and(|summary| summary == "SELECT orders")
    });
    let id = id.expect("a fingerprint").labels["fingerprint"].clone();
    let calls = served.value("pgweir_fingerprint_duration_seconds_count", &[("fingerprint", &id)]);
    assert_eq!(calls, Some(20.0));
    let by_fingerprint = served.sum("pgweir_fingerprint_duration_seconds_count");
    assert_eq!(by_fingerprint, served.sum("pgweir_query_duration_seconds_count"));
    // The console knows it by the same id.
    let console = scene.proxy.connect("postgres", "pgweir").await;
    let shown = testkit::show(&console, "SHOW QUERIES").await;
    assert!(shown.iter().any(|row| row["fingerprint"] == id), "{id} in {shown:?}");
}

#[tokio::test]
async fn names_that_clients_make_up_stay_in_their_labels() {
    let scene = Scene::with("").await;
    let name = "a\"b\\{},\n# TYPE";
    let quoted = name.replace('"', "\"\"");
    let direct = scene.database.connect().await;
    direct.batch_execute(&format!("CREATE DATABASE \"{quoted}\"")).await.unwrap();
    let mut config = tokio_postgres::Config::new();
    let address = scene.proxy.address();
    config.host("127.0.0.1").port(address.port()).user("postgres").dbname(name);
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.simple_query("SELECT 1").await.unwrap();
    scene
        .until("pool of that name", |served| {
            served.value("pgweir_query_duration_seconds_count", &[("database", name)])
        })
        .await;
    drop(client);
    connection.await.unwrap().unwrap();
    scene
        .until("server connection that is idle", |served| {
            let labels = [("database", name), ("state", "idle")];
            served.value("pgweir_pool_server_connections", &labels).filter(|count| *count == 1.0)
        })
        .await;
    let console = scene.proxy.connect("postgres", "pgweir").await;
    console.simple_query("SHUTDOWN").await.ok();
    assert_eq!(scene.proxy.wait().await, 0);
    let dropped = direct.batch_execute(&format!("DROP DATABASE \"{quoted}\" WITH (FORCE)")).await;
    dropped.unwrap();
}

#[tokio::test]
async fn the_older_form_is_for_whoever_does_not_ask() {
    let scene = Scene::with("").await;
    let answer = scene.get("/metrics", "").await;
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    assert!(answer.body.contains("# TYPE pgweir_events_dropped_total counter\n"));
    assert!(!answer.body.contains("# EOF"));
}

#[tokio::test]
async fn an_address_that_is_set_must_be_free() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let options = testkit::ProxyOptions::upstream("postgres://u@127.0.0.1:1/d")
        .arguments(["--http", &address]);
    let refusal = testkit::Proxy::try_start(crate::scene::PGWEIR, options).await.unwrap_err();
    let expected = format!("cannot listen on {address} (http)");
    assert!(refusal.to_string().contains(&expected), "{refusal}");
}
