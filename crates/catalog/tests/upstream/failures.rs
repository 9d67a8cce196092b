//! What is told when the server, the database or the role does not let us.

use std::time::{Duration, Instant};

use model::CatalogFacts;
use pgweir_catalog::{Catalog, CatalogError, CatalogSettings, Upstream};
use testkit::{Postgres, PostgresOptions, StopMode};
use tokio::net::TcpListener;

use crate::shop::{Shop, plain_question, table, upstream};

#[tokio::test]
async fn a_role_that_may_only_connect_is_told_what_it_lacks() {
    let shop = Shop::open_as("limited").await;
    let name = &shop.database.name;
    let facts = shop.read(&CatalogFacts::default()).await;
    let orders = table(&facts.databases[name], "orders");
    assert_eq!((orders.rows, orders.columns[1].distinct), (5000.0, None));
    let [note] = facts.unavailable.as_slice() else { panic!("{:?}", facts.unavailable) };
    assert_eq!(note.what, format!("column statistics of {name}"));
    let start = "role limited may not read public.orders; GRANT pg_read_all_data TO \"limited\"";
    assert!(note.why.starts_with(start), "{}", note.why);

    for _ in 0..3 {
        let answer = shop.catalog.plan(&shop.question("SELECT * FROM orders")).await;
        assert_eq!(answer.problem.as_deref(), Some("42501: permission denied for table orders"));
    }
}

#[tokio::test]
async fn a_grant_is_enough_to_be_planned_again() {
    let shop = Shop::open_as("limited").await;
    let name = &shop.database.name;
    let question = shop.question("SELECT * FROM orders");
    let mut facts = shop.read(&CatalogFacts::default()).await;
    for _ in 0..3 {
        let answer = shop.catalog.plan(&question).await;
        assert!(answer.problem.is_some());
        facts.databases.get_mut(name).unwrap().plans.insert(question.fingerprint, answer);
    }
    let again = shop.read(&facts).await;
    assert!(again.databases[name].plans.contains_key(&question.fingerprint), "nothing changed");
    assert!(shop.catalog.plan(&question).await.problem.is_some());

    shop.client.batch_execute("GRANT SELECT ON orders TO limited").await.unwrap();
    let granted = shop.read(&again).await;
    assert!(granted.databases[name].plans.is_empty(), "it is asked for again at once");
    assert_eq!(shop.catalog.plan(&question).await.problem, None);
}

#[tokio::test]
async fn a_role_that_may_not_connect_is_told_what_it_lacks() {
    let shop = Shop::open_as("limited").await;
    let name = &shop.database.name;
    let revoke = format!("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC, limited");
    shop.client.batch_execute(&revoke).await.unwrap();
    let facts = shop.read(&CatalogFacts::default()).await;
    assert!(facts.databases.is_empty() && facts.read_at.is_none());
    let grant = format!("GRANT CONNECT ON DATABASE \"{name}\" TO \"limited\";");
    assert!(facts.unavailable[0].why.ends_with(&grant), "{:?}", facts.unavailable);
}

#[tokio::test]
async fn one_missing_database_does_not_hide_the_others() {
    let shop = Shop::open().await;
    let databases = ["no_such_database".to_owned(), shop.database.name.clone()];
    let facts = shop.catalog.read(&databases, &CatalogFacts::default()).await;
    assert_eq!(facts.databases.keys().collect::<Vec<_>>(), [&shop.database.name]);
    let [note] = facts.unavailable.as_slice() else { panic!("{:?}", facts.unavailable) };
    assert_eq!(note.what, "catalogue of no_such_database");
    assert!(note.why.starts_with("3D000: "), "{}", note.why);
}

#[tokio::test]
async fn a_wrong_password_is_named_and_a_right_one_works() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    for (password, notes) in [("wrong", 1), ("scram-secret", 0)] {
        let upstream =
            Upstream { password: Some(password.to_owned()), ..upstream(postgres, "web_scram") };
        assert!(!format!("{upstream:?}").contains(password));
        let catalog = Catalog::new(upstream, CatalogSettings::default());
        let names = [database.name.clone()];
        let facts = catalog.read(&names, &CatalogFacts::default()).await;
        assert_eq!(facts.unavailable.len(), notes, "{:?}", facts.unavailable);
        for note in facts.unavailable {
            assert!(note.why.starts_with("28P01: "), "{}", note.why);
            assert!(note.why.ends_with("check the password of role web_scram"), "{}", note.why);
        }
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_waited_for_once() {
    // Connections are taken by the kernel, and never answered.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = Upstream {
        tls: None,
        hosts: vec![("127.0.0.1".to_owned(), listener.local_addr().unwrap().port())],
        to_write: false,
        user: "postgres".to_owned(),
        password: None,
    };
    let catalog = Catalog::new(upstream, CatalogSettings::default());
    let databases = ["a", "b", "c"].map(str::to_owned);
    let started = Instant::now();
    let facts = catalog.read(&databases, &CatalogFacts::default()).await;
    // The connect timeout is 2 s.
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(facts.unavailable.len(), 3);
    let error = catalog.execute("a", "SELECT 1").await.unwrap_err();
    assert!(matches!(error, CatalogError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_restart_costs_nothing_but_the_readings_meanwhile() {
    let mut postgres = Postgres::start(PostgresOptions::default()).await;
    let catalog = Catalog::new(upstream(&postgres, "postgres"), CatalogSettings::default());
    let names = ["postgres".to_owned()];
    let client = postgres.admin().await;
    client.batch_execute("CREATE TABLE kept (a int)").await.unwrap();
    let before = catalog.read(&names, &CatalogFacts::default()).await;
    assert_eq!(before.unavailable, []);

    postgres.stop(StopMode::Fast).await;
    let started = Instant::now();
    let during = catalog.read(&names, &before).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(during.read_at, before.read_at);
    assert_eq!(during.databases["postgres"].tables, before.databases["postgres"].tables);
    let why = &during.unavailable[0].why;
    assert!(why.starts_with("the server cannot be reached: "), "{why}");
    assert!(why.ends_with("what was read before is used"), "{why}");
    let answer = catalog.plan(&plain_question("postgres", "SELECT * FROM kept")).await;
    assert!(answer.problem.unwrap().starts_with("the server cannot be reached: "));

    postgres.start_again().await;
    let after = catalog.read(&names, &during).await;
    assert_eq!(after.unavailable, []);
    assert!(after.read_at > before.read_at);
    assert_eq!(catalog.plan(&plain_question("postgres", "SELECT * FROM kept")).await.problem, None);
}

#[tokio::test]
async fn ddl_that_fails_says_why() {
    let shop = Shop::open().await;
    let index = "CREATE INDEX CONCURRENTLY x ON orders (no_such_column)";
    let error = shop.catalog.execute(&shop.database.name, index).await.unwrap_err();
    assert_eq!(error.sqlstate().unwrap().as_str(), "42703");
    assert!(error.to_string().contains("no_such_column"), "{error}");
}
