//! The demo's parts on a real server; the whole is shown by running it.

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio_postgres::SimpleQueryMessage;

use super::shopper::{Shopper, Visit, Visited};
use super::*;

#[test]
fn the_next_minute_is_never_far_and_never_past() {
    let at = |text: &str| until_next_minute(text.parse().unwrap()).as_millis();
    assert_eq!(at("2026-11-23T21:00:00Z"), 60_100);
    assert_eq!(at("2026-11-23T21:00:59.999Z"), 101);
    assert_eq!(at("2026-11-23T21:00:30Z"), 30_100);
}

async fn plan(shop: &Connection, query: &str) -> String {
    let rows = shop.client.simple_query(&format!("EXPLAIN {query}")).await.unwrap();
    let lines = rows.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Loads the whole shop once, since that is what is slow, and looks at it from all sides.
#[tokio::test(flavor = "multi_thread")]
async fn the_shop_works_and_hurts_where_it_should() {
    let mut progress = Progress::start();
    let server = Server::start().await.unwrap();
    let mut shop = Connection::open(&server.shop()).await.unwrap();
    load_shop(&shop, &mut progress).await.unwrap();

    let row = shop.client.query_one("SELECT count(*) FROM order_lines", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 900_000);
    for (table, column) in schema::PLANTED {
        let query = format!("SELECT * FROM {table} WHERE {column} = '77'");
        let planned = plan(&shop, &query).await;
        assert!(planned.starts_with(&format!("Seq Scan on {table}")), "{planned}");
    }
    for healthy in [
        "SELECT * FROM products WHERE category_id = 7",
        "SELECT * FROM customers WHERE email = 'x'",
        "SELECT id FROM orders WHERE status = 'pending' ORDER BY id LIMIT 1",
    ] {
        let planned = plan(&shop, healthy).await;
        assert!(!planned.contains("Seq Scan"), "{planned}");
    }

    let mut shopper = Shopper::new(&mut shop.client, StdRng::seed_from_u64(7));
    let all = [Visit::Product, Visit::Cart, Visit::Account, Visit::Order, Visit::Category];
    for visit in all.into_iter().chain([Visit::Checkout]) {
        assert!(matches!(shopper.visit(visit).await, Ok(Visited::Done)), "{visit:?}");
    }
    assert!(matches!(shopper.collect_payment().await, Ok(Visited::Done)));
    let mut refused = 0;
    for _ in 0..100 {
        if let Visited::Refused = shopper.visit(Visit::SignUp).await.unwrap() {
            refused += 1;
        }
    }
    assert!((3..=20).contains(&refused), "{refused} of 100 sign-ups were refused");

    let fix = report_with_fix("CREATE INDEX CONCURRENTLY ON public.carts (session_token);");
    let fixes = fixes::index_fixes(&fix);
    fixes::apply(&fixes[0], &shop.client).await.unwrap();
    let planned = plan(&shop, "SELECT * FROM carts WHERE session_token = '77'").await;
    assert!(!planned.contains("Seq Scan"), "{planned}");
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_is_counted_and_ends() {
    let server = Server::start().await.unwrap();
    let shop = Connection::open(&server.shop()).await.unwrap();
    // Tables without rows are enough: nothing is found and nothing fails.
    for step in schema::STEPS {
        let tables = step.sql.split("INSERT").next().unwrap();
        let indexes = step.sql.split(";\n").filter(|sql| {
            sql.trim_start().starts_with("ALTER TABLE")
                || sql.trim_start().starts_with("CREATE INDEX")
        });
        shop.client.batch_execute(tables).await.unwrap();
        for sql in indexes {
            shop.client.batch_execute(sql).await.unwrap();
        }
    }
    let load = Load::start(&server.shop(), 20);
    let deadline = Instant::now() + Duration::from_secs(30);
    while load.counts().done < 50 {
        assert!(Instant::now() < deadline, "{:?}", load.counts());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let counts = load.counts();
    assert_eq!(counts.failed, 0, "{counts:?}");
    assert!(load.take_latencies().count() > 0);
    assert_eq!(load.take_latencies().count(), 0);
    load.stop().await;

    let query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'shop-%'";
    let deadline = Instant::now() + Duration::from_secs(10);
    while shop.client.query_one(query, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(Instant::now() < deadline, "connections stay open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn query_json(fingerprint: &str, text: &str, calls: u64, p95_ms: f64) -> serde_json::Value {
    serde_json::json!({
        "fingerprint": fingerprint, "strict_ids": [], "text": text, "class": "SELECT",
        "calls": calls, "failed": 0, "errors": {}, "lost": 0, "rows": 0, "bytes": 0,
        "received_bytes": 0, "sent_bytes": 0, "total_ms": 1.0, "database_ms": 1.0,
        "share_of_time": 0.5, "mean_ms": p95_ms / 2.0, "p50_ms": 1.0, "p95_ms": p95_ms,
        "p99_ms": p95_ms, "max_ms": p95_ms, "first_byte_p95_ms": 1.0, "wait_ms": 0.0,
        "wait_p95_ms": 0.0, "databases": [], "users": [], "applications": [], "findings": [],
        "first_seen": "2026-11-23T21:00:00Z", "last_seen": "2026-11-23T21:00:00Z",
    })
}

/// A report with two statements, of which `sql` is to help the first.
fn report_with(sql: Option<&str>, calls: u64, p95_ms: f64) -> Report {
    let findings: Vec<serde_json::Value> = sql
        .iter()
        .map(|sql| {
            serde_json::json!({
                "detector": "missing_index", "severity": "warning", "title": "t", "why": "w",
                "evidence": {}, "fingerprints": ["00000000000000aa"], "tables": [],
                "database": "shop", "fix": {"sql": sql, "undo": null, "advice": null},
                "estimate": {}, "confidence": "high", "runbook": "r", "harm_ms": 1.0,
            })
        })
        .collect();
    serde_json::from_value(serde_json::json!({
        "schema": report::SCHEMA, "pgweir_version": "0", "generated_at": "2026-11-23T21:00:00Z",
        "window": {"since": "2026-11-23T21:00:00Z", "until": "2026-11-23T21:00:10Z",
                   "duration_s": 10.0},
        "verdict": [], "findings": findings,
        "coverage": {"started_at": "2026-11-23T21:00:00Z", "statements": 0, "others": 0,
                     "dropped": 0, "fingerprints": 0, "fingerprint_limit": 0, "parsed": 0,
                     "clients": 0, "server_version": 0, "catalog_read_at": null},
        "totals": {"calls": 1000, "failed": 0, "lost": 0, "rows": 0, "total_ms": 100.0,
                   "wait_ms": 40.0, "database_ms": 60.0, "p50_ms": 1.0, "p95_ms": p95_ms,
                   "p99_ms": 1.0},
        "queries": [query_json("00000000000000aa", "SELECT * FROM carts", calls, p95_ms),
                    query_json("00000000000000bb", "BEGIN", 500, 1.0)],
        "remainder": null, "pools": [], "checked": [], "not_checked": [],
    }))
    .unwrap()
}

fn report_with_fix(sql: &str) -> Report {
    report_with(Some(sql), 400, 80.0)
}

#[test]
fn the_summary_compares_what_was_fixed_and_owns_up_to_what_was_not_found() {
    let before = report_with_fix(
        "CREATE INDEX CONCURRENTLY carts_session_token_idx ON carts (session_token);",
    );
    let after = report_with(None, 200, 2.0);
    let fixes = fixes::index_fixes(&before);
    assert!(fixes::enough_measured(&after, &fixes));
    assert!(!fixes::enough_measured(&report_with(None, 9, 2.0), &fixes));
    let compared = fixes::compare(&before, &after, &fixes);
    assert_eq!(compared.len(), 1, "BEGIN is no statement that an index helps");
    assert_eq!(compared[0].title, "carts (session_token)");
    assert_eq!((compared[0].before_p95_ms, compared[0].after_p95_ms), (80.0, 2.0));
    let text = summary(&before, &after, &fixes, Style::default());
    assert!(text.contains("40 × faster"), "{text}");
    assert!(text.contains("100 → 100 a second, 40 % → 40 % of their time waiting"), "{text}");
    assert!(
        text.contains(
            "1 of the 4 indexes that the shop lacked were found; not found: order_lines (order_id), \
             orders (customer_id), reviews (product_id).\n"
        ),
        "{text}"
    );
}
