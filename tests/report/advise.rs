//! `pgweir advise`: statements from a file or from live traffic, and which indexes to build.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that fails says where")]

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use testkit::{Postgres, TestDatabase};

use crate::scene::{PGWEIR, Scene};

/// 60,000 orders of 6,000 customers. One index serves nobody that another does not serve.
const SHOP: &str = "
    CREATE TABLE orders (
        id bigint PRIMARY KEY, customer_id int NOT NULL, state text NOT NULL,
        total numeric NOT NULL, note text
    );
    INSERT INTO orders SELECT i, i % 6000, CASE WHEN i % 50 = 0 THEN 'new' ELSE 'done' END,
        i, repeat(md5(i::text), 4) FROM generate_series(1, 60000) AS i;
    CREATE INDEX orders_total ON orders (total);
    CREATE INDEX orders_total_state ON orders (total, state);";
const BY_CUSTOMER: &str = "SELECT * FROM orders WHERE customer_id = 4111";

async fn shop(database: &TestDatabase) {
    let client = database.connect().await;
    client.batch_execute(SHOP).await.unwrap();
    client.batch_execute("VACUUM ANALYZE orders").await.unwrap();
}

/// False where the server does not have it.
pub(crate) async fn install_hypopg(database: &TestDatabase) -> bool {
    let client = database.connect().await;
    let there = "SELECT FROM pg_available_extensions WHERE name = 'hypopg'";
    if client.query_opt(there, &[]).await.unwrap().is_none() {
        eprintln!("HypoPG is not on this server: what it would do is not tested");
        return false;
    }
    client.batch_execute("CREATE EXTENSION hypopg").await.unwrap();
    true
}

/// A file that is removed when dropped.
pub(crate) struct Workload(tempfile::NamedTempFile);

impl Workload {
    pub(crate) fn of(text: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Self(file)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

fn advise(database: &TestDatabase, arguments: &[&str]) -> String {
    let output =
        Command::new(PGWEIR).args(["advise", &database.url()]).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn as_json(database: &TestDatabase, arguments: &[&str]) -> Value {
    let text = advise(database, &[arguments, &["--format", "json"]].concat());
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn sql(advice: &Value, list: &str) -> Vec<String> {
    let list = advice[list].as_array().unwrap();
    list.iter().map(|one| one["sql"].as_str().unwrap().to_owned()).collect()
}

const BY_CUSTOMER_DDL: &str =
    "CREATE INDEX CONCURRENTLY orders_customer_id_idx ON public.orders (customer_id);";

#[tokio::test]
async fn a_file_of_statements_is_judged_by_the_planner() {
    let database = Postgres::shared().await.database().await;
    shop(&database).await;
    if !install_hypopg(&database).await {
        return;
    }
    let workload = Workload::of(&format!(
        "-- name: by customer\n-- weight: 100\n{BY_CUSTOMER};\n\
         -- name: by key\nSELECT * FROM orders WHERE id = 7;\n\
         -- name: by note\n-- weight: 90\nSELECT id FROM orders WHERE note LIKE '%c4ca4238a0%';\n\
         -- name: broken\nSELECT nothing FROM orders;"
    ));
    let path = workload.path();
    let file = ["--workload", path.to_str().unwrap()];
    let advice = as_json(&database, &file);
    assert_eq!(advice["judged_by"], "planner");
    assert_eq!(advice["finished"], true);
    let build = sql(&advice, "build");
    assert_eq!(build[0], BY_CUSTOMER_DDL);
    assert!(build[1].starts_with("CREATE EXTENSION IF NOT EXISTS pg_trgm;\n"), "{build:?}");
    assert_eq!(build.len(), 2, "{build:?}");
    assert_eq!(advice["build"][1]["basis"], "statistics");
    assert_eq!(sql(&advice, "drop"), ["DROP INDEX CONCURRENTLY public.orders_total;"]);
    let not_judged = &advice["not_judged"][0];
    assert_eq!(
        (&not_judged["what"], &not_judged["why"]),
        (&Value::from("broken"), &Value::from("42703: unknown column"))
    );
    assert!(advice["estimated_relative_cost_ratio"].as_f64().unwrap() < 0.6);

    let text = advise(&database, &file);
    assert!(text.contains("helps  by customer to "), "{text}");
    let wide = text.lines().filter(|line| !line.contains("INDEX")).max_by_key(|line| line.len());
    assert!(wide.unwrap().chars().count() <= 100, "{text}");
    let tight = as_json(&database, &[&file[..], &["--index-budget", "16kB"]].concat());
    assert!(!sql(&tight, "build").contains(&BY_CUSTOMER_DDL.to_owned()), "it is larger");

    // Built, it is not asked for again, and what became of the advice is told.
    let client = database.connect().await;
    client.batch_execute(BY_CUSTOMER_DDL).await.unwrap();
    let earlier = Workload::of(&advice.to_string());
    let earlier = earlier.path();
    let again =
        as_json(&database, &[&file[..], &["--earlier", earlier.to_str().unwrap()]].concat());
    assert!(!sql(&again, "build").contains(&BY_CUSTOMER_DDL.to_owned()));
    assert_eq!(again["earlier"]["built"][0]["sql"], BY_CUSTOMER_DDL);
}

#[tokio::test]
async fn without_hypopg_it_says_so() {
    let database = Postgres::shared().await.database().await;
    shop(&database).await;
    let workload = Workload::of(&format!("{{\"sql\": \"{BY_CUSTOMER}\", \"weight\": 10}}"));
    let path = workload.path();
    let file = ["--workload", path.to_str().unwrap()];
    let advice = as_json(&database, &file);
    assert_eq!(advice["judged_by"], "statistics");
    assert_eq!(sql(&advice, "build"), [BY_CUSTOMER_DDL]);
    assert_eq!(advice["build"][0]["basis"], "statistics");
    let text = advise(&database, &file);
    assert!(text.contains("not tried by the planner"), "{text}");
}

#[tokio::test]
async fn live_traffic_is_weighed_by_its_time() {
    let scene = Scene::start().await;
    shop(&scene.database).await;
    let hypopg = install_hypopg(&scene.database).await;
    let client = scene.client().await;
    for customer in 0..30_i32 {
        let text = "SELECT * FROM orders WHERE customer_id = $1";
        assert_eq!(client.query(text, &[&customer]).await.unwrap().len(), 10);
    }
    let admin = scene.proxy.url("postgres", "pgweir");
    scene
        .until("measured statement", |report| {
            report["queries"].as_array()?.iter().find(|one| one["calls"] == 30).map(|_| ())
        })
        .await;
    // The same statement in another database, far more often.
    let elsewhere = Postgres::shared().await.database().await;
    shop(&elsewhere).await;
    let other = scene.proxy.connect("postgres", &elsewhere.name).await;
    for customer in 0..200_i32 {
        let text = "SELECT * FROM orders WHERE customer_id = $1";
        other.query(text, &[&customer]).await.unwrap();
    }
    scene
        .until("statement in two databases", |report| {
            report["queries"].as_array()?.iter().find(|one| one["calls"] == 230).map(|_| ())
        })
        .await;
    let advice = as_json(&scene.database, &["--admin", &admin]);
    let statements = advice["statements"].as_array().unwrap();
    assert!(statements.iter().any(|one| one["calls"] == 30.0), "{statements:#?}");
    assert!(statements.iter().all(|one| one["calls"] != 230.0), "{statements:#?}");
    assert_eq!(sql(&advice, "build"), [BY_CUSTOMER_DDL]);
    assert!(advice["workload"].as_str().unwrap().starts_with("live traffic"));
    assert_eq!(advice["judged_by"], if hypopg { "planner" } else { "statistics" });
}
