//! A role that may only connect: the report still works, and says what each privilege would buy.

use serde_json::Value;
use testkit::{Postgres, Proxy, ProxyOptions};

use crate::scene::{PGWEIR, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_only_connect_gets_a_report_and_the_grants_that_are_missing() {
    let postgres = Postgres::shared().await;
    let database = postgres.database().await;
    let role = "may_only_connect";
    let owner = database.connect().await;
    owner
        .batch_execute(&format!(
            "CREATE TABLE orders (id bigint PRIMARY KEY, total int);
             INSERT INTO orders SELECT g, g FROM generate_series(1, 20000) g;
             CREATE ROLE {role} LOGIN"
        ))
        .await
        .expect("the shop is made");
    let options = ProxyOptions::upstream(postgres.url(role, &database.name))
        .settings("admin_users = \"postgres\"\n");
    let scene = Scene { proxy: Proxy::start(PGWEIR, options).await, database };
    let client = scene.proxy.connect(role, &scene.database.name).await;
    for limit in 1..5_i64 {
        let rows = client.query("SELECT generate_series(1, $1::bigint)", &[&limit]).await;
        assert_eq!(rows.expect("it may do that").len(), usize::try_from(limit).expect("few"));
        client.query("SELECT total FROM orders WHERE id = $1", &[&limit]).await.expect_err("42501");
    }
    let not_checked = |report: &Value| -> Option<String> {
        let all = report["not_checked"].as_array()?;
        let whys: Vec<_> = all.iter().filter_map(|one| one["why"].as_str()).collect();
        let text = whys.join("\n");
        (text.contains("GRANT pg_read_all_data TO") && text.contains("GRANT pg_monitor TO"))
            .then_some(text)
    };
    let text = scene.until("missing grants", not_checked).await;
    assert!(text.contains("public.orders"), "{text}");
    let report = scene.report_text(&["--format", "json"]);
    assert!(report.contains("generate_series"), "{report}");
}
