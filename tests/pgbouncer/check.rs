//! `pgweir check`.

use std::process::Output;

use crate::scene::Scene;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What it printed, without the directory's name.
fn said(scene: &Scene, output: &Output) -> String {
    let all = text(&output.stdout) + &text(&output.stderr);
    all.replace(&scene.path().display().to_string(), "DIR")
}

const INI: &str = "[databases]
shop = host=127.0.0.1 port=5432 user=marko password=asdasd pool_size=5 min_pool_size=2
other = host=127.0.0.1 port=5432 dbname=postgres max_db_connections=7
[users]
marko = pool_mode=transaction query_timeout=3
[pgbouncer]
listen_addr = 127.0.0.1
unix_socket_dir = DIR
auth_file = userlist.txt
admin_users = postgres
logfile = /var/log/x
disable_pqexec = 1
query_timeout = 30
";

#[tokio::test]
async fn what_a_file_comes_to_is_said_without_a_server() {
    let scene = Scene::open("").await;
    let file = scene.write(INI, &[("DIR", &scene.path().display().to_string())]);
    let output = scene.check(&file, &["--offline"]).await;
    let said = said(&scene, &output);
    assert!(output.status.success(), "{said}");
    let expected = include_str!("samples/check.txt");
    assert_eq!(said, expected);
    assert!(!said.contains("asdasd"));
}

#[tokio::test]
async fn servers_are_asked_and_the_roles_rights_are_told() {
    let scene = Scene::open(
        "CREATE ROLE marko LOGIN; CREATE DATABASE shop; CREATE TABLE secret (a int); \
         REVOKE ALL ON secret FROM PUBLIC",
    )
    .await;
    let port = format!("port={}", scene.postgres.port());
    let changes = [("DIR", &*scene.path().display().to_string()), ("port=5432", &*port)];
    let file = scene.write(INI, &changes);
    let output = scene.check(&file, &[]).await;
    let text = said(&scene, &output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("ok, PostgreSQL "), "{text}");
    assert!(text.contains("GRANT pg_monitor TO marko"), "{text}");
    assert!(text.ends_with("The settings are right, and no server refused.\n"), "{text}");

    let output = scene.check(&file, &["--json"]).await;
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["schema"], "pgweir.check/1");
    assert_eq!(document["ok"], true);
    assert_eq!(document["databases"][1]["name"], "shop");
    assert_eq!(document["databases"][1]["pool_size"], 5);
    assert_eq!(document["pgbouncer"]["not_offered"][0]["setting"], "disable_pqexec");
    assert!(document["servers"].as_array().unwrap().iter().all(|one| one["outcome"] == "ok"));
    assert!(!text.contains("asdasd") && !output.stdout.windows(6).any(|part| part == b"asdasd"));
}

#[tokio::test]
async fn what_is_wrong_ends_with_status_1() {
    let scene = Scene::open("").await;
    let wrong = INI.replace("query_timeout = 30", "query_timout = 30");
    let file = scene.write(&wrong, &[("DIR", &scene.path().display().to_string())]);
    let output = scene.check(&file, &["--offline"]).await;
    let said = said(&scene, &output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("DIR/pgbouncer.ini:13:1: query_timout: no such setting; did you mean"));
    let output = scene.check(&file, &["--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["ok"], false);
    assert_eq!(document["problems"].as_array().unwrap().len(), 1);

    // A server that does not let pgweir in, and one that is not there.
    let port = format!("port={}", scene.postgres.port());
    let nobody = scene.port.to_string();
    let ini = INI
        .replace(
            "host=127.0.0.1 port=5432 user=marko",
            &format!("host=127.0.0.1 {port} user=marko"),
        )
        .replace("port=5432", &format!("port={nobody}"));
    let file = scene.write(&ini, &[("DIR", &scene.path().display().to_string())]);
    let output = scene.check(&file, &[]).await;
    let text = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.matches("FAILED: ").count(), 2, "{text}");
    assert!(text.contains("role \"marko\" does not exist"), "{text}");
    assert!(text.contains("cannot be reached"), "{text}");
}

#[tokio::test]
async fn our_own_files_and_urls_are_checked_too() {
    let scene = Scene::open("").await;
    let file = scene.path().join("pgweir.toml");
    let url = scene.postgres.url("postgres", "postgres");
    std::fs::write(&file, format!("upstream = {url:?}\n")).unwrap();
    let output = scene.check(&file, &[]).await;
    let text = said(&scene, &output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("postgres on 127.0.0.1:") || text.contains("(the same name) on"),
        "{text}"
    );
    assert!(text.contains("ok, PostgreSQL "), "{text}");
    assert!(!text.contains("PgBouncer's"), "{text}");
    assert!(text.starts_with("File DIR/pgweir.toml\n\n"), "{text}");
    let output = scene.check(&file, &["--json"]).await;
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["file"], file.display().to_string());
}
