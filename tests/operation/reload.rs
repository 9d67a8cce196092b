//! Settings and certificates that change under load.

use testkit::{Authority, Proxy, ProxyOptions};

use crate::bench::{Bench, until_more};
use crate::scene::{PGWEIR, Scene, show, until};

/// Settings that can be changed while pgweir runs, each with a value that is not its default and does
/// not stop the load. `DIRECTORY` is that of the test.
const OTHER_VALUES: &[(&str, &str)] = &[
    ("trace_sample_ratio", "trace_sample_ratio = 0.5"),
    ("trace_min_duration", "trace_min_duration = \"2s\""),
    ("log_min_duration", "log_min_duration = \"5s\""),
    ("upstream", ""),
    ("client_tls_sslmode", CLIENT_TLS),
    ("client_tls_key_file", CLIENT_TLS),
    ("client_tls_cert_file", CLIENT_TLS),
    ("client_tls_ca_file", CLIENT_TLS),
    ("client_tls_protocols", "client_tls_protocols = \"tlsv1.3\""),
    ("server_tls_sslmode", "server_tls_sslmode = \"disable\""),
    ("server_tls_ca_file", SERVER_TLS),
    ("server_tls_key_file", SERVER_TLS),
    ("server_tls_cert_file", SERVER_TLS),
    ("server_tls_protocols", "server_tls_protocols = \"tlsv1.3\""),
    ("auth_type", "auth_type = \"trust\""),
    ("auth_file", "auth_file = \"DIRECTORY/userlist.txt\""),
    ("auth_hba_file", HBA),
    ("auth_ident_file", HBA),
    ("auth_user", "auth_user = \"postgres\""),
    (
        "auth_query",
        "auth_query = \"SELECT rolname, rolpassword FROM pg_authid WHERE rolname = $1\"",
    ),
    ("auth_dbname", "auth_dbname = \"postgres\""),
    ("admin_users", "admin_users = [\"postgres\", \"ada\"]"),
    ("stats_users", "stats_users = [\"grace\"]"),
    ("pool_mode", "pool_mode = \"transaction_strict\""),
    ("default_pool_size", "default_pool_size = 5"),
    ("min_pool_size", "min_pool_size = 3"),
    ("reserve_pool_size", "reserve_pool_size = 3"),
    ("reserve_pool_timeout", "reserve_pool_timeout = \"100ms\""),
    ("max_db_connections", "max_db_connections = 7"),
    ("max_user_connections", "max_user_connections = 7"),
    ("max_db_client_connections", "max_db_client_connections = 500"),
    ("max_user_client_connections", "max_user_client_connections = 500"),
    ("max_client_conn", "max_client_conn = 200"),
    ("max_wait_queue", "max_wait_queue = 1000"),
    ("max_prepared_statements", "max_prepared_statements = 1"),
    ("query_wait_timeout", "query_wait_timeout = \"60s\""),
    ("query_wait_notify", "query_wait_notify = \"50ms\""),
    ("query_timeout", "query_timeout = \"60s\""),
    ("transaction_timeout", "transaction_timeout = \"60s\""),
    ("idle_transaction_timeout", "idle_transaction_timeout = \"60s\""),
    ("client_idle_timeout", "client_idle_timeout = \"60s\""),
    ("cancel_wait_timeout", "cancel_wait_timeout = \"5s\""),
    ("server_idle_timeout", "server_idle_timeout = \"50ms\""),
    ("server_lifetime", "server_lifetime = \"100ms\""),
    ("server_round_robin", "server_round_robin = true"),
    ("autodb_idle_timeout", "autodb_idle_timeout = \"1s\""),
    ("server_connect_timeout", "server_connect_timeout = \"10s\""),
    ("server_login_retry", "server_login_retry = \"10s\""),
    ("client_login_timeout", "client_login_timeout = \"10s\""),
    ("console_query_timeout", "console_query_timeout = \"5s\""),
    ("shutdown_timeout", "shutdown_timeout = \"10s\""),
    ("takeover_timeout", "takeover_timeout = \"10s\""),
    ("host_check_interval", "host_check_interval = \"2s\""),
    ("host_check_timeout", "host_check_timeout = \"2s\""),
    ("dns_max_ttl", "dns_max_ttl = \"5s\""),
    ("suspend_timeout", "suspend_timeout = \"5s\""),
    ("share_unnamed_statements", "share_unnamed_statements = false"),
    ("max_queue_age", "max_queue_age = \"30s\""),
    ("low_priority_share", "low_priority_share = 50"),
    ("proxy_protocol_from", "proxy_protocol_from = [\"192.0.2.0/24\"]"),
    ("report_values", "report_values = true"),
];

const CLIENT_TLS: &str = "client_tls_sslmode = \"allow\"
client_tls_cert_file = \"DIRECTORY/pgweir.crt\"
client_tls_key_file = \"DIRECTORY/pgweir.key\"
client_tls_ca_file = \"DIRECTORY/pgweir.crt\"";
const SERVER_TLS: &str = "server_tls_sslmode = \"allow\"
server_tls_ca_file = \"DIRECTORY/pgweir.crt\"
server_tls_cert_file = \"DIRECTORY/pgweir.crt\"
server_tls_key_file = \"DIRECTORY/pgweir.key\"";
const HBA: &str = "auth_type = \"hba\"
auth_hba_file = \"DIRECTORY/hba.conf\"
auth_ident_file = \"DIRECTORY/ident.conf\"";

/// Must survive: RELOAD while in use
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_of_every_reloadable_setting_fails_no_transaction() {
    let scene = Scene::new().await;
    let file = scene.folder.path().join("pgweir.toml");
    let upstream = scene.postgres.url("postgres", "postgres");
    let write = |setting: &str| {
        std::fs::write(&file, format!("upstream = {upstream:?}\nanalyse = false\n{setting}"))
            .unwrap();
    };
    write("");
    let options = ProxyOptions::default().arguments(["-c", file.to_str().unwrap()]);
    let proxy = Proxy::start(PGWEIR, options).await;
    let console = proxy.connect("postgres", "pgweir").await;
    let reloadable: Vec<String> = show(&console, "SHOW CONFIG")
        .await
        .iter()
        .filter(|row| row["changeable"] == "yes")
        .map(|row| row["key"].clone())
        .collect();
    let directory = scene.folder.path();
    Authority::new("the test's").local().write(directory, "pgweir");
    for (name, text) in [
        ("userlist.txt", "\"somebody\" \"else\"\n"),
        ("hba.conf", "host all all 127.0.0.1/32 trust\n"),
        ("ident.conf", ""),
    ] {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let directory = directory.display().to_string();
    let mut bench = Bench::start(&scene, proxy.address(), (100, 60), ["-M", "prepared"]).await;
    until_more(&scene, 100).await;
    for name in &reloadable {
        let other = OTHER_VALUES.iter().find(|(known, _)| known == name);
        let (_, other) = other.unwrap_or_else(|| panic!("no other value of {name} is known here"));
        write(&other.replace("DIRECTORY", &directory));
        console.batch_execute("RELOAD").await.unwrap();
        until_more(&scene, 20).await;
        write("");
        console.batch_execute("RELOAD").await.unwrap();
    }
    until_more(&scene, 100).await;
    assert!(bench.is_running(), "the load was over before the reloads were");
    bench.expect_none_failed(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_certificate_under_load_fails_no_transaction() {
    let scene = Scene::new().await;
    let authority = Authority::new("the test's");
    let directory = scene.folder.path();
    let (certificate, key) = authority.local().write(directory, "pgweir");
    let settings = format!(
        "client_tls_sslmode = \"require\"\nclient_tls_cert_file = {certificate:?}\n\
         client_tls_key_file = {key:?}\n"
    );
    let upstream = scene.postgres.url("postgres", "postgres");
    let options = ProxyOptions::upstream(upstream).settings(settings);
    let mut proxy = Proxy::start(PGWEIR, options).await;
    let mut stays = Bench::start(&scene, proxy.address(), (100, 20), ["-M", "prepared"]).await;
    until_more(&scene, 100).await;
    for round in 1..=10 {
        authority.local().write(directory, "pgweir");
        proxy.signal("HUP");
        until("it is reloaded", async || {
            proxy.log().matches("configuration reloaded").count() >= round
        })
        .await;
        until_more(&scene, 50).await;
    }
    assert!(stays.is_running(), "the load was over before the changes were");
    stays.expect_none_failed(&scene).await;
}
