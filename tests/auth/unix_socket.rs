//! Clients of this machine, by a Unix socket.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Output, Stdio};

use testkit::{Postgres, Proxy, ProxyOptions, ScriptedClient, frames, show, until};
use tokio::process::Command;
use tokio_postgres::NoTls;

use crate::scene::{PGWEIR, Scene, told};

const SETTINGS: &str = "unix_socket_dir = \"@\"\nauth_type = \"hba\"\nauth_hba_file = \"@/hba\"\n\
                        auth_ident_file = \"@/ident\"\n";

/// The name of the user who runs the tests.
fn own_name() -> String {
    let output = std::process::Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn scene(sql: &str, hba: &str, ident: &str) -> Scene {
    let scene = Scene::open(sql, SETTINGS, &[("hba", hba), ("ident", ident)]).await;
    // Whoever is on this machine may try.
    let everybody = PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(scene.directory.path(), everybody).unwrap();
    scene
}

fn socket(scene: &Scene) -> PathBuf {
    scene.directory.path().join(format!(".s.PGSQL.{}", scene.proxy.address().port()))
}

/// A driver's login by the Unix socket, and who the server says it is; or why not.
async fn who(scene: &Scene, user: &str) -> String {
    let mut config = tokio_postgres::Config::new();
    config.host_path(scene.directory.path()).port(scene.proxy.address().port());
    match config.user(user).dbname("postgres").connect(NoTls).await {
        Ok((client, connection)) => {
            tokio::spawn(connection);
            client.query_one("SELECT session_user::text", &[]).await.unwrap().get(0)
        }
        Err(error) => told(&error),
    }
}

/// psql by the Unix socket, as this user of the system if it is another.
async fn psql(scene: &Scene, uid: Option<u32>, user: &str, database: &str, sql: &str) -> Output {
    let mut command = Command::new(scene.postgres.programs().program("psql").unwrap());
    command
        .args(["-X", "-A", "-t", "-c", sql])
        .env("PGHOST", scene.directory.path())
        .env("PGPORT", scene.proxy.address().port().to_string())
        .env("PGUSER", user)
        .env("PGDATABASE", database)
        .current_dir("/")
        .stdin(Stdio::null());
    if let Some(uid) = uid {
        command.uid(uid);
    }
    command.output().await.unwrap()
}

/// Somebody else; none if the tests' user may not become anybody.
fn somebody_else() -> Option<u32> {
    let own = std::fs::metadata("/proc/self").map(|own| own.uid()).ok()?;
    (own == 0).then_some(65_534)
}

#[tokio::test]
async fn a_client_is_served_shown_and_cancelled() {
    let hba = "local all all trust\nhost all all all scram-sha-256\n";
    let scene = scene("", hba, "").await;
    let path = socket(&scene);
    let file = std::fs::metadata(&path).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o777);
    assert!(scene.proxy.log().contains(&format!("unix_socket={}", path.display())));

    let mut client = ScriptedClient::connect_unix(&path).await;
    // As PostgreSQL does; the rest goes on as usual.
    client.send(&frames::request_code(frames::SSL_REQUEST)).await;
    assert_eq!(client.expect_byte().await, b'N');
    client.startup("web_trust", "postgres", &[]).await;
    let welcome = client.login_trust().await;
    assert_eq!(client.value("SELECT session_user").await, "web_trust");

    // The lines for TCP are others.
    let refused = scene.refusal("web_trust:wrong").await;
    assert!(refused.starts_with("FATAL 28P01"), "{refused}");

    let console = scene.console().await;
    let rows = show(&console, "SHOW CLIENTS").await;
    let [row] = &rows[..] else { panic!("{rows:?}") };
    let port = scene.proxy.address().port().to_string();
    for (column, expected) in [
        ("addr", "unix"),
        ("port", &port),
        ("local_addr", "unix"),
        ("local_port", &port),
        ("remote_pid", &std::process::id().to_string()),
    ] {
        assert_eq!(row[column], expected, "{column}");
    }

    client.send_query("SELECT pg_sleep(60)").await;
    let admin = scene.postgres.admin().await;
    let sleeping = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    until("it sleeps", async || !admin.query(sleeping, &[]).await.unwrap().is_empty()).await;
    let (_, key) = welcome.iter().find(|frame| frame.0 == b'K').unwrap();
    let process_id = i32::from_be_bytes(key[..4].try_into().unwrap());
    let mut request = ScriptedClient::connect_unix(&path).await;
    request.send(&frames::cancel(process_id, &key[4..])).await;
    request.expect_closed().await;
    assert_eq!(frames::only_error(&client.expect_until(b'Z').await).sqlstate(), "57014");

    assert_eq!(scene.proxy.stop().await, 0);
    assert!(!path.exists(), "its file is gone");
}

#[tokio::test]
async fn the_settings_say_who_may_use_the_socket() {
    let group = std::process::Command::new("id").arg("-gn").output().unwrap().stdout;
    let group = String::from_utf8(group).unwrap();
    let settings = format!(
        "unix_socket_dir = \"@\"\nunix_socket_mode = \"0600\"\nunix_socket_group = {:?}\n\
         auth_type = \"trust\"\n",
        group.trim()
    );
    let scene = Scene::open("", &settings, &[]).await;
    let file = std::fs::metadata(socket(&scene)).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    assert_eq!(file.gid(), std::fs::metadata(scene.directory.path()).unwrap().gid());
    assert_eq!(who(&scene, "web_trust").await, "web_trust");
}

#[tokio::test]
async fn the_system_says_who_a_peer_is() {
    let own = own_name();
    let role = format!("CREATE ROLE {own:?} LOGIN");
    let hba = format!(
        "local all {own:?} peer\nlocal all web_trust,web_md5 peer map=ops\nlocal all all reject\n\
         host all all all scram-sha-256\n"
    );
    let scene = scene(&role, &hba, &format!("ops {own} web_trust\nops nobody web_md5\n")).await;
    assert_eq!(who(&scene, &own).await, own);
    assert_eq!(who(&scene, "web_trust").await, "web_trust");
    let failed = "FATAL 28000: Peer authentication failed for user \"web_md5\"";
    assert_eq!(who(&scene, "web_md5").await, failed);
    let rejected = "FATAL 28000: pg_hba.conf rejects connection for host \"[local]\", user \
                    \"limited\", database \"postgres\", no encryption";
    assert_eq!(who(&scene, "limited").await, rejected);

    let output = psql(&scene, None, "web_trust", "postgres", "SELECT session_user").await;
    assert_eq!(output.stdout, b"web_trust\n", "{output:?}");
    if let Some(uid) = somebody_else() {
        for user in [&own, "web_trust"] {
            let output = psql(&scene, Some(uid), user, "postgres", "SELECT 1").await;
            let said = String::from_utf8_lossy(&output.stderr);
            let failed = format!("FATAL:  Peer authentication failed for user \"{user}\"");
            assert!(said.contains(&failed), "{said}");
        }
    }
}

#[tokio::test]
async fn whoever_runs_pgweir_is_admin_on_the_socket_whatever_the_rules_say() {
    let scene = scene("", "local all all reject\nhost all all all scram-sha-256\n", "").await;
    for (user, database) in [("pgweir", "pgweir"), ("pgbouncer", "pgbouncer")] {
        let output = psql(&scene, None, user, database, "RELOAD").await;
        assert!(output.status.success(), "{output:?}");
        let reject = "pg_hba.conf rejects connection";
        // Nobody else is, here or anywhere else.
        for (uid, user, database) in [
            (None, user, "postgres"),
            (None, "postgres", database),
            (somebody_else(), user, database),
        ] {
            if uid.is_some() || user == "postgres" || database == "postgres" {
                let output = psql(&scene, uid, user, database, "SHOW VERSION").await;
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(said.contains(reject), "{uid:?} {user} {database}: {said}");
            }
        }
        let refused = scene.proxy.try_connect(&format!("{user}:x"), database).await.err().unwrap();
        assert!(told(&refused).starts_with("FATAL 28P01"), "{}", told(&refused));
    }
}

#[tokio::test]
async fn the_way_to_the_server_may_be_a_unix_socket() {
    let postgres = Postgres::start(testkit::PostgresOptions::default()).await;
    let directory = postgres.socket_directory().display().to_string();
    let upstream = format!(
        "postgres://postgres@{}:{}/postgres?sslmode=require",
        directory.replace('/', "%2F"),
        postgres.port()
    );
    let proxy = Proxy::start(PGWEIR, ProxyOptions::upstream(upstream)).await;
    let mut client = ScriptedClient::connect(proxy.address()).await;
    client.startup("postgres", "postgres", &[]).await;
    let welcome = client.login_trust().await;
    let by = "SELECT client_addr IS NULL FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    assert_eq!(client.value(by).await, "t");

    let console = proxy.connect("postgres", "pgweir").await;
    let servers = show(&console, "SHOW SERVERS").await;
    let port = postgres.port().to_string();
    assert!(!servers.is_empty(), "there is one");
    assert!(servers.iter().all(|row| row["addr"] == "unix" && row["port"] == port), "{servers:?}");
    let databases = show(&console, "SHOW DATABASES").await;
    assert!(databases.iter().all(|row| row["host"] == directory), "{databases:?}");

    client.send_query("SELECT pg_sleep(60)").await;
    let admin = postgres.admin().await;
    let sleeping = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    until("it sleeps", async || !admin.query(sleeping, &[]).await.unwrap().is_empty()).await;
    let (_, key) = welcome.iter().find(|frame| frame.0 == b'K').unwrap();
    let mut request = ScriptedClient::connect(proxy.address()).await;
    request
        .send(&frames::cancel(i32::from_be_bytes(key[..4].try_into().unwrap()), &key[4..]))
        .await;
    request.expect_closed().await;
    assert_eq!(frames::only_error(&client.expect_until(b'Z').await).sqlstate(), "57014");
}
