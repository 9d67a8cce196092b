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
    load_shop(&server, &shop, &mut progress).await.unwrap();

    let row = shop.client.query_one("SELECT count(*) FROM order_lines", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 600_000);
    let invalid = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid";
    assert_eq!(shop.client.query_one(invalid, &[]).await.unwrap().get::<_, &str>(0), UNFINISHED);
    for hurting in [
        "SELECT * FROM orders WHERE customer_id = 77",
        "SELECT * FROM carts WHERE session_token = '77'",
        "SELECT * FROM reviews WHERE product_id = 77",
        "SELECT * FROM customers WHERE lower(email) = '77'",
        "SELECT * FROM products WHERE name LIKE '%77%'",
        "SELECT * FROM page_views WHERE session_id = 77",
        "SELECT * FROM products WHERE id = 77::float8",
    ] {
        let planned = plan(&shop, hurting).await;
        assert!(planned.starts_with("Seq Scan"), "{hurting}: {planned}");
    }
    for healthy in [
        "SELECT * FROM products WHERE category_id = 7",
        "SELECT * FROM customers WHERE email = 'x'",
        "SELECT id FROM orders WHERE status = 'pending' ORDER BY id LIMIT 1",
    ] {
        let planned = plan(&shop, healthy).await;
        assert!(!planned.contains("Seq Scan"), "{planned}");
    }

    for fixed in [false, true] {
        let mut shopper = Shopper::new(&mut shop.client, StdRng::seed_from_u64(7));
        shopper.deploy(fixed);
        for visit in Visit::all() {
            let visited = shopper.visit(visit).await;
            let as_it_should = matches!(visited, Ok(Visited::Done | Visited::Refused));
            assert!(as_it_should, "{visit:?}, fixed {fixed}: {visited:?}");
        }
        let mut refused = 0;
        for _ in 0..100 {
            if let Visited::Refused = shopper.visit(Visit::SignUp).await.unwrap() {
                refused += 1;
            }
        }
        assert_eq!((3..=20).contains(&refused), !fixed, "{refused} of 100 sign-ups were refused");
    }
    let measured = mending::measure(&load::Pages::new(), &shop.client).await.unwrap();
    assert!(measured.iter().flatten().count() >= 3, "{measured:?}");
}

const UNFINISHED: &str = "reviews_product_id";

#[tokio::test(flavor = "multi_thread")]
async fn traffic_is_counted_and_ends() {
    let server = Server::start().await.unwrap();
    let shop = Connection::open(&server.shop()).await.unwrap();
    // Tables without rows are enough: nothing is found and nothing fails.
    for step in schema::STEPS {
        let statements = step.sql.split(";\n").map(str::trim);
        for sql in statements.filter(|sql| !sql.starts_with("INSERT")) {
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

#[test]
fn a_fault_is_found_by_its_detector_and_its_marks_and_nothing_else_passes() {
    let orders = "CREATE INDEX CONCURRENTLY i ON public.orders (customer_id, placed_at);";
    let report = report_with(Some(orders), 400, 80.0);
    let found: Vec<_> = FAULTS.iter().filter(|fault| fault.found(&report).is_some()).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].what, "orders have no index on customer_id");
    assert!(faults::not_planted(&report).is_empty());
    assert_eq!(mending::by_sql(&report).len(), 1);

    let other = "CREATE INDEX CONCURRENTLY i ON public.products (stock);";
    let report = report_with(Some(other), 400, 80.0);
    assert!(FAULTS.iter().all(|fault| fault.found(&report).is_none()));
    assert_eq!(faults::not_planted(&report).len(), 1);
}

#[test]
fn long_transactions_of_others_are_not_the_payments() {
    let mut report = report_with(Some("SELECT 1;"), 400, 80.0);
    report.findings[0].detector = "idle_in_transaction".to_owned();
    for (who, planted) in [("shop-web", 0), ("shop-payments", 1)] {
        report.findings[0].title = format!("application {who} leaves transactions open");
        let found = FAULTS.iter().filter(|fault| fault.found(&report).is_some()).count();
        assert_eq!((found, faults::not_planted(&report).len()), (planted, 1 - planted), "{who}");
    }
}

#[test]
fn at_least_fifteen_kinds_are_planted() {
    let kinds: std::collections::BTreeSet<_> =
        FAULTS.iter().map(|fault| fault.detectors[0]).collect();
    assert!(kinds.len() >= 15, "{kinds:?}");
}

#[test]
fn the_story_owns_up_to_what_was_not_found() {
    let sql = "CREATE INDEX CONCURRENTLY i ON public.orders (customer_id);";
    let (before, after) = (report_with(Some(sql), 400, 80.0), report_with(None, 200, 2.0));
    let mut story = Story {
        looked: Duration::from_secs(60),
        found: FAULTS.iter().map(|fault| fault.found(&before).is_some()).collect(),
        not_planted: faults::not_planted(&before),
        mending: Duration::from_secs(3),
        measured: [
            FAULTS.iter().map(|_| Some(mending::Measured::Page(80.0))).collect(),
            FAULTS.iter().map(|_| Some(mending::Measured::Page(2.0))).collect(),
        ],
        pages: [(40.0, 80.0), (150.0, 2.0)].map(|(rate, p95_ms)| PagesServed { rate, p95_ms }),
        before: &before,
        after: &after,
    };
    let text = story.told(Style::default());
    assert!(text.contains("40 × faster"), "{text}");
    assert!(text.contains("Not found   carts have no index on session_token"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(!story.is_whole());
    story.found.fill(true);
    assert!(story.is_whole());
    let told = story.told(Style::default());
    let (_, lines) = told.split_once("The story\n").unwrap();
    assert!(lines.lines().count() <= 10, "{lines}");
}
