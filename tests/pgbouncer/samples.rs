//! PgBouncer's sample configuration files start, unchanged but for paths, and lead to the server.
//!
//! The files have the settings of PgBouncer's etc/pgbouncer.ini, etc/pgbouncer-minimal.ini and
//! test/test.ini, and of Debian's package. Those called `-all` also have the settings that stand there
//! as comments.

use std::path::Path;

use crate::scene::{Scene, refusal, value};

const ROLES: &str = "CREATE ROLE marko LOGIN; CREATE ROLE bar LOGIN SUPERUSER; \
                     CREATE ROLE baz LOGIN; CREATE DATABASE bazdb; CREATE DATABASE foodb; \
                     CREATE DATABASE bardb; CREATE DATABASE nondefaultdb; CREATE DATABASE forcedb; \
                     CREATE ROLE asked LOGIN PASSWORD 'of the server'";

/// Shows: PgBouncer's sample configuration files start, unchanged but for paths
#[tokio::test]
async fn the_sample_starts_as_it_is() {
    let scene = Scene::open(ROLES).await;
    let file = scene.write_sample(include_str!("samples/sample.ini"), &[]);
    let running = scene.start(&file).await;
    assert!(running.log.contains("of no use here: logfile, pidfile"), "{}", running.log);
    assert!(running.log.contains("[databases] is empty"), "{}", running.log);
    // It has no database, and nobody who may use the console but the system's user who runs it.
    let none = refusal(scene.connect("marko:asdasd", "foodb").await);
    assert_eq!(none, "3D000: no such database: foodb");
    let wrong = refusal(scene.connect("marko:wrong", "pgbouncer").await);
    assert!(wrong.starts_with("28P01"), "{wrong}");
    let denied = refusal(scene.connect("marko:asdasd", "pgbouncer").await);
    assert!(denied.starts_with("42501"), "{denied}");
    let owner = scene.connect_unix(Path::new("/tmp"), scene.port, ("pgbouncer", ""), "pgbouncer");
    assert!(value(&owner.await.unwrap(), "SHOW VERSION").await.contains("pgweir"));
}

/// Shows: PgBouncer's sample configuration files start, unchanged but for paths
#[tokio::test]
async fn the_sample_with_a_database_leads_to_the_server() {
    let scene = Scene::open(ROLES).await;
    let port = format!("port={}", scene.postgres.port());
    let bardb = format!("[databases]\nbardb = host=localhost {port} dbname=bazdb\n");
    let file = scene.write_sample(include_str!("samples/sample.ini"), &[("[databases]\n", &bardb)]);
    let _running = scene.start(&file).await;
    let client = scene.connect("marko:asdasd", "bardb").await.unwrap();
    assert_eq!(value(&client, "SELECT current_database()").await, "bazdb");
    assert_eq!(value(&client, "SELECT session_user").await, "marko");
    // Session mode, as in PgBouncer: what a session has stays with it.
    client.batch_execute("CREATE TEMPORARY TABLE t (a int)").await.unwrap();
    assert_eq!(value(&client, "SELECT count(*) FROM t").await, "0");
}

/// Shows: PgBouncer's sample configuration files start, unchanged but for paths
#[tokio::test]
async fn the_sample_with_all_that_it_shows_leads_to_the_server() {
    let scene = Scene::open(ROLES).await;
    std::fs::write(scene.path().join("pgbouncer-other.ini"), "server_idle_timeout = 300\n")
        .unwrap();
    let port = format!("port={}", scene.postgres.port());
    let testserver = format!("* = host=localhost {port}");
    let file = scene.write_sample(
        include_str!("samples/sample-all.ini"),
        &[("port=300", &port), ("* = host=testserver", &testserver)],
    );
    let running = scene.start(&file).await;
    let unused = running.log.lines().filter(|line| line.contains("of no use here")).count();
    assert_eq!(unused, 1, "{}", running.log);
    for (login, database, expected) in [
        // By PgBouncer's own rule, the second of two lines for one database holds.
        ("marko:asdasd", "foodb", "foodb as marko"),
        ("marko:asdasd", "bardb", "bardb as marko"),
        ("marko:asdasd", "nondefaultdb", "nondefaultdb as marko"),
        ("marko:asdasd", "bazdb", "bazdb as marko"),
        ("marko:asdasd", "forcedb", "forcedb as baz"),
        // Who is in no userlist is asked for as bar.
        ("asked:of%20the%20server", "foodb", "foodb as asked"),
    ] {
        let client = scene.connect(login, database).await;
        let client = client.unwrap_or_else(|error| panic!("{login} {database}: {error}"));
        let there = value(&client, "SELECT current_database() || ' as ' || session_user").await;
        assert_eq!(there, expected);
    }
    let nobody = refusal(scene.connect("marko:wrong", "foodb").await);
    assert!(nobody.starts_with("28P01"), "{nobody}");
    let owner = scene.connect_unix(scene.path(), scene.port, ("pgbouncer", ""), "pgbouncer").await;
    let owner = owner.unwrap();
    let config = testkit::show(&owner, "SHOW CONFIG").await;
    let setting =
        |name: &str| config.iter().find(|row| row["key"] == name).unwrap()["value"].clone();
    for (name, expected) in [
        ("pool_mode", "session"),
        ("max_client_conn", "100"),
        ("server_idle_timeout", "300"),
        ("admin_users", "user2, someadmin, otheradmin"),
    ] {
        assert_eq!(setting(name), expected, "{name}");
    }
}

/// Shows: PgBouncer's sample configuration files start, unchanged but for paths
#[tokio::test]
async fn the_minimal_sample_starts_on_its_unix_socket_alone() {
    let scene = Scene::open(ROLES).await;
    let socket = format!("[pgbouncer]\nunix_socket_dir = {}\n", scene.path().display());
    let minimal = include_str!("samples/minimal.ini");
    let file = scene.write_sample(minimal, &[("[pgbouncer]\n", &socket)]);
    let running = scene.start(&file).await;
    assert!(running.log.contains("listen=none"), "{}", running.log);
    let owner = scene.connect_unix(scene.path(), 6432, ("pgbouncer", ""), "pgbouncer").await;
    assert!(value(&owner.unwrap(), "SHOW VERSION").await.contains("pgweir"));
    drop(running);

    let userlist = format!("auth_file = {}/userlist.txt\n", scene.path().display());
    let all = include_str!("samples/minimal-all.ini");
    let file = scene.write_sample(all, &[("auth_file =\n", &userlist)]);
    let running = scene.start(&file).await;
    assert!(running.log.contains("listen=none"), "{}", running.log);
    let marko = ("marko", "asdasd");
    let client = scene.connect_unix(scene.path(), scene.port, marko, "foodb").await.unwrap();
    assert_eq!(value(&client, "SELECT current_database()").await, "foodb");
}

/// Shows: PgBouncer's sample configuration files start, unchanged but for paths
#[tokio::test]
async fn debians_file_starts_as_it_is() {
    let scene = Scene::open(ROLES).await;
    let debian = include_str!("samples/debian.ini");
    let running = scene.start(&scene.write_sample(debian, &[])).await;
    assert_eq!(
        refusal(scene.connect("marko:asdasd", "foodb").await),
        "3D000: no such database: foodb"
    );
    drop(running);
    let foodb = [("[databases]\n", "[databases]\nfoodb =\n")];
    let _running = scene.start(&scene.write_sample(debian, &foodb)).await;
    for client in [
        scene.connect("marko:asdasd", "foodb").await,
        scene.connect_unix(scene.path(), scene.port, ("marko", "asdasd"), "foodb").await,
    ] {
        assert_eq!(value(&client.unwrap(), "SELECT current_database()").await, "foodb");
    }
}

/// Shows: PgBouncer's sample configuration files start, unchanged but for paths
#[tokio::test]
async fn the_file_of_pgbouncers_tests_leads_to_the_server() {
    let scene = Scene::open(
        "CREATE ROLE bouncer LOGIN; CREATE ROLE puser1 LOGIN PASSWORD 'foo'; \
         CREATE ROLE scramuser1 LOGIN PASSWORD 'foo'; CREATE ROLE maxedout3 LOGIN; \
         CREATE DATABASE p0; CREATE DATABASE p1; CREATE DATABASE p4; CREATE DATABASE p6",
    )
    .await;
    let port = format!("port={}", scene.postgres.port());
    let listen = format!("listen_port = {}", scene.port);
    let file = scene.write_sample(
        include_str!("samples/test.ini"),
        &[("port=6666", &port), ("listen_port = 6667", &listen)],
    );
    let userlist = "\"bouncer\" \"\"\n\"marko\" \"x\"\n";
    std::fs::write(scene.path().join("userlist.txt"), userlist).unwrap();
    let _running = scene.start(&file).await;
    for (login, database, sql, expected) in [
        ("bouncer", "p0", "SELECT current_database() || ' ' || session_user", "p0 bouncer"),
        ("marko", "p0", "SELECT session_user::text", "bouncer"),
        ("bouncer", "p0a", "SELECT current_database()", "p0"),
        ("bouncer", "p4", "SELECT session_user", "puser1"),
        ("bouncer", "p6", "SELECT session_user", "scramuser1"),
        ("bouncer", "p8", "SHOW enable_seqscan", "off"),
        ("bouncer", "p8", "SHOW enable_nestloop", "off"),
        ("bouncer", "user_passthrough", "SHOW enable_seqscan", "on"),
        ("bouncer", "p9", "SELECT current_database()", "postgres"),
    ] {
        let client = scene.connect(login, database).await;
        let client = client.unwrap_or_else(|error| panic!("{login} {database}: {error}"));
        assert_eq!(value(&client, sql).await, expected, "{login} {database}");
    }
    let stranger = refusal(scene.connect("stranger", "p0").await);
    assert_eq!(stranger, "28P01: no such user: stranger");
    // Statement mode of the file, and session mode of one database.
    let client = scene.connect("bouncer", "p0").await.unwrap();
    assert!(client.batch_execute("BEGIN").await.is_err());
    let client = scene.connect("bouncer", "p3").await.unwrap();
    client.batch_execute("BEGIN; COMMIT").await.unwrap();
    // Limits of a user and of a database.
    let two = [
        scene.connect("maxedout3", "user_passthrough").await.unwrap(),
        scene.connect("maxedout3", "user_passthrough").await.unwrap(),
    ];
    let third = refusal(scene.connect("maxedout3", "user_passthrough").await);
    assert!(third.contains("max_user_client_connections"), "{third}");
    drop(two);
    let none = refusal(scene.connect("bouncer", "non_existing_pg_db").await);
    assert!(none.starts_with("3D000"), "{none}");
}
