//! What the tables say of the process in `live`.

use super::client::Client;

/// The rows that a statement gives, as text.
async fn rows(text: &str) -> Vec<String> {
    let mut lines = Client::admin().query(text).await;
    assert_eq!(lines.split_off(lines.len() - 2), ["tag SHOW", "ready I"]);
    lines.split_off(1).into_iter().map(|line| line.replacen("row ", "", 1)).collect()
}

#[tokio::test]
async fn pools_and_databases() {
    let pools = rows("SHOW POOLS").await;
    assert_eq!(pools[0], "shop|web|7|2|1|0|4|0|0|3|0|1|2|3|250|transaction|NULL|1|900|30|1500");
    assert_eq!(pools.len(), 2);
    let databases = rows("SHOW DATABASES").await;
    let shop = "shop|10.0.0.2|5432|shop_production|web|10|1|2|3600|transaction|round-robin|30|2|0|3|1|1|read-write";
    assert_eq!(databases, [shop]);
}

#[tokio::test]
async fn clients_and_servers_point_at_each_other() {
    let clients = rows("SHOW CLIENTS").await;
    assert_eq!(
        clients[0],
        "C|web|shop|none|active|10.0.0.7|40001|10.0.0.1|6432|2026-11-23 20:38:57 UTC|\
         2026-11-23 20:48:54 UTC|1|500000|0|C1|S3|0|TLSv1.3/TLS_AES_256_GCM_SHA384|checkout|5|1|\
         temporary table|0000000000000abc|idle in transaction|2026-11-23 20:48:55 UTC"
    );
    assert_eq!(
        clients[1],
        "C|web|shop|none|idle|10.0.0.7|40001|10.0.0.1|6432|2026-11-23 20:38:57 UTC|\
         2026-11-23 20:48:54 UTC|0|0|0|C2||0|TLSv1.3/TLS_AES_256_GCM_SHA384|checkout|5|2|NULL|NULL|idle|\
         2026-11-23 20:48:55 UTC"
    );
    let servers = rows("SHOW SERVERS").await;
    assert_eq!(
        servers,
        [
            "S|web|shop|none|active|10.0.0.2|5432|10.0.0.1|50001|2026-11-23 20:33:57 UTC|\
             2026-11-23 20:48:54 UTC|0|0|0|S3|C1|4711||checkout|8|3|temporary table|0000000000000abc|\
             idle in transaction|2026-11-23 20:48:55 UTC|db.example:5432",
            "S|web|shop|none|idle|10.0.0.2|5432|10.0.0.1|50001|2026-11-23 20:33:57 UTC|\
             2026-11-23 20:48:54 UTC|0|0|1|S4||4711|||8|4|NULL|NULL|NULL|NULL|db.example:5432"
        ]
    );
}

#[tokio::test]
async fn stats_count_since_the_start_and_average_the_last_complete_minute() {
    let totals = "200|200|300|700|800|80000|30000|20000|400|500|600";
    // 120 transactions and 180 statements in 60 s.
    let averages = "2|2|3|7|8|400|100|200|4|5|6";
    let nothing = "0|0|0|0|0|0|0|0|0|0|0";
    let stats = rows("SHOW STATS").await;
    let quiet = format!("quiet|{nothing}|{nothing}");
    assert_eq!(stats, [quiet, format!("shop|{totals}|{averages}")]);
    assert_eq!(rows("SHOW STATS_TOTALS").await[1], format!("shop|{totals}"));
    assert_eq!(rows("SHOW STATS_AVERAGES").await[1], format!("shop|{averages}"));
}

#[tokio::test]
async fn lists_config_users_and_state() {
    let lists = rows("SHOW LISTS").await.join(" ");
    assert_eq!(
        lists,
        "databases|1 users|2 peers|1 pools|2 peer_pools|1 free_clients|0 used_clients|3 \
         login_clients|1 free_servers|0 used_servers|2 dns_names|0 dns_zones|0 dns_queries|0 \
         dns_pending|0"
    );
    let config = rows("SHOW CONFIG").await;
    assert_eq!(config, ["listen_port|6432|100|no", "max_client_conn|500|100|yes"]);
    let users = rows("SHOW USERS").await;
    assert_eq!(users, ["web|5||session|0|2|50|3", "batch|||NULL|0|0|0|0"]);
    assert_eq!(rows("SHOW PEERS").await, ["2|10.0.0.9|6432|20"]);
    assert_eq!(rows("SHOW PEER_POOLS").await, ["2|20|1|20|3"]);
    assert_eq!(
        rows("SHOW STATE").await,
        ["active|no", "paused|no", "suspended|yes", "history|in memory"]
    );
}

#[tokio::test]
async fn queries_are_ranked_by_their_total_time() {
    let queries = rows("SHOW QUERIES").await;
    assert_eq!(queries.len(), 2);
    let columns: Vec<&str> = queries[0].split('|').collect();
    let expected =
        ["1", "0000000000000abc", "shop", "web", "cart", "4", "2", "40", "2000", "800", "200"];
    assert_eq!(columns[..11], expected);
    let percentile: f64 = columns[12].parse().unwrap();
    assert!((percentile - 300.0).abs() <= 3.1, "p95 {percentile}");
    assert_eq!(columns[14..], ["300", "100", "select * from orders where customer_id = $1", ""]);
    assert!(queries[1].ends_with("|1.5|0|select 1|"), "{}", queries[1]);
    assert_eq!(rows("SHOW QUERIES 1").await.len(), 1);
}

#[tokio::test]
async fn findings_come_with_the_most_harmful_first() {
    let ids = "0000000000000abc, 0000000000000def";
    assert_eq!(
        rows("SHOW FINDINGS").await,
        [
            format!(
                "warning|missing_index|missing_index in orders|it hurts|CREATE INDEX x ON orders \
                 (a);\n-- Look.\n-- Think.|NULL|high|shop|public.orders|{ids}"
            ),
            format!(
                "warning|error_rate|error_rate in orders|it hurts|Look.\nThink.|NULL|high|shop|\
                 public.orders|{ids}"
            )
        ]
    );
}

#[tokio::test]
async fn the_report_is_one_field_of_json() {
    let report = rows("SHOW REPORT '15m' 1").await;
    assert_eq!(report.len(), 1);
    let report = report::render::from_json(&report[0]).unwrap();
    assert_eq!((report.pgweir_version.as_str(), report.queries.len()), ("0.1.0", 1));
    let short = rows("SHOW REPORT '30s'").await;
    let short = report::render::from_json(&short[0]).unwrap();
    assert_eq!(short.queries.len(), 2);
    assert!(short.window.since > report.window.since);
}
