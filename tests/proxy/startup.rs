//! Protocol versions and what a client asks for in its startup packet.

use testkit::{Frame, ScriptedClient, frames};

use crate::scene::{Scene, backend_key, error, parameters};

/// Logs in with a startup packet of this version and these parameters; gives all that was answered.
async fn login(
    scene: &Scene,
    version: u32,
    extra: &[(&str, &str)],
) -> (ScriptedClient, Vec<Frame>) {
    let mut client = scene.proxy.scripted().await;
    let mut startup = vec![("user", "postgres"), ("database", scene.database.name.as_str())];
    startup.extend(extra);
    client.send(&frames::startup(version, &startup)).await;
    let answered = client.expect_until(b'Z').await;
    (client, answered)
}

/// Logs in with these parameters.
async fn login_with(scene: &Scene, extra: &[(&str, &str)]) -> (ScriptedClient, Vec<Frame>) {
    login(scene, frames::PROTOCOL_3_0, extra).await
}

#[tokio::test]
async fn protocol_3_2_has_long_keys_and_they_cancel() {
    let scene = Scene::with_pool_of(1).await;
    let (mut client, answered) = login(&scene, frames::PROTOCOL_3_2, &[]).await;
    assert_eq!(frames::kinds(&answered[..1]), "R", "nothing to negotiate");
    let (process_id, secret) = backend_key(&answered);
    assert_eq!(secret.len(), 32);
    client.send_query("SELECT pg_sleep(60)").await;
    scene.until_sleeping().await;
    let mut other = scene.proxy.scripted().await;
    other.send(&frames::cancel(process_id, &secret)).await;
    let answered = client.expect_until(b'Z').await;
    assert_eq!(error(&answered).sqlstate(), "57014");
    assert_eq!(client.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn protocol_3_0_has_short_keys() {
    let scene = Scene::with_pool_of(1).await;
    let (_, answered) = login(&scene, frames::PROTOCOL_3_0, &[]).await;
    assert_eq!(backend_key(&answered).1.len(), 4);
}

#[tokio::test]
async fn later_versions_and_unknown_options_are_negotiated_down() {
    let scene = Scene::with_pool_of(1).await;
    let later = 3 << 16 | 7;
    let extra = [("_pq_.compression", "on"), ("application_name", "new")];
    let (mut client, answered) = login(&scene, later, &extra).await;
    let (kind, body) = &answered[0];
    let mut expected = frames::PROTOCOL_3_2.to_be_bytes().to_vec();
    expected.extend(1_u32.to_be_bytes());
    expected.extend(b"_pq_.compression\0");
    assert_eq!((*kind, body), (b'v', &expected));
    assert_eq!(backend_key(&answered).1.len(), 32);
    assert_eq!(client.value("SHOW application_name").await, "new");

    let (_, answered) = login(&scene, frames::PROTOCOL_3_0, &[("_pq_.x", "1")]).await;
    assert_eq!(answered[0].0, b'v', "an option is negotiated in any version");
}

#[tokio::test]
async fn other_major_versions_are_refused() {
    let scene = Scene::with_pool_of(1).await;
    for major in [1, 2, 4, 999] {
        let mut client = scene.proxy.scripted().await;
        client.send(&frames::startup(major << 16, &[("user", "postgres")])).await;
        let error = client.expect_error().await;
        assert_eq!((error.severity(), error.sqlstate()), ("FATAL", "0A000"), "{error}");
        client.expect_closed().await;
    }
}

#[tokio::test]
async fn clients_are_told_the_parameters_that_the_server_would_tell() {
    let scene = Scene::with_pool_of(1).await;
    let settings = [
        ("application_name", "shop"),
        ("TimeZone", "europe/zurich"),
        ("DateStyle", "german"),
        ("client_encoding", "latin1"),
        ("options", "-c intervalstyle=ISO_8601"),
    ];
    let server = scene.database.url();
    let server: std::net::SocketAddr =
        server.split(['@', '/']).find_map(|part| part.parse().ok()).unwrap();
    for settings in [&[][..], &settings[..]] {
        let mut direct = ScriptedClient::connect(server).await;
        direct.startup("postgres", &scene.database.name, settings).await;
        let expected = parameters(&direct.login_trust().await);
        let (_, answered) = login_with(&scene, settings).await;
        assert_eq!(parameters(&answered), expected);
    }
}

/// Must survive: SET and search_path leak between clients
#[tokio::test]
async fn settings_of_the_startup_packet_follow_each_client() {
    let scene = Scene::with_pool_of(1).await;
    let (mut plain, _) = login_with(&scene, &[]).await;
    let default = plain.value("SHOW work_mem").await;
    let (mut one, _) = login_with(
        &scene,
        &[
            ("options", "-c geqo=off -c work_mem=5MB --random_page_cost=3"),
            ("TimeZone", "europe/zurich"),
            ("DateStyle", "German"),
            ("application_name", "one"),
        ],
    )
    .await;
    let (mut other, _) = login_with(
        &scene,
        &[("TimeZone", "Asia/Tokyo"), ("work_mem", "6MB"), ("application_name", "o'ther \\ \"")],
    )
    .await;
    let sql = "SELECT concat_ws('|', current_setting('geqo'), current_setting('work_mem'),
        current_setting('random_page_cost'), current_setting('TimeZone'),
        current_setting('DateStyle'), current_setting('application_name'))";
    for _ in 0..3 {
        let expected = format!("on|{default}|4|UTC|ISO, MDY|");
        assert_eq!(plain.value(sql).await, expected);
        assert_eq!(one.value(sql).await, "off|5MB|3|Europe/Zurich|German, DMY|one");
        assert_eq!(other.value(sql).await, "on|6MB|4|Asia/Tokyo|ISO, MDY|o'ther \\ \"");
    }
    assert_eq!(scene.server_connections().await.len(), 1);
}

#[tokio::test]
async fn spaces_and_quotes_in_options_and_lists_survive() {
    let scene = Scene::with_pool_of(1).await;
    let options = r#"-c search_path=\"My\ Schema\",public -c application_name=a\ b\\c"#;
    let (mut client, _) = login_with(&scene, &[("options", options)]).await;
    assert_eq!(client.value("SHOW search_path").await, r#""My Schema",public"#.replace(',', ", "));
    assert_eq!(client.value("SHOW application_name").await, "a b\\c");
}

#[tokio::test]
async fn a_setting_that_the_server_refuses_is_refused_with_its_code() {
    let scene = Scene::with_pool_of(1).await;
    for (name, value, code) in [
        ("work_mem", "lots", "22023"),
        ("no_such_setting", "1", "42704"),
        ("TimeZone", "Moon/Crater", "22023"),
        ("shared_buffers", "1GB", "55P02"),
    ] {
        let mut client = scene.proxy.scripted().await;
        client.startup("postgres", &scene.database.name, &[(name, value)]).await;
        let error = client.expect_error().await;
        assert_eq!((error.severity(), error.sqlstate()), ("FATAL", code), "{error}");
        client.expect_closed().await;
    }
    assert_eq!(scene.client().await.value("SHOW TimeZone").await, "UTC");
}

#[tokio::test]
async fn discard_all_goes_back_to_what_the_startup_packet_said() {
    let scene = Scene::with_pool_of(1).await;
    let settings = [("TimeZone", "Asia/Tokyo"), ("application_name", "mine"), ("work_mem", "5MB")];
    let (mut client, _) = login_with(&scene, &settings).await;
    let mut other = scene.client().await;
    for (name, value) in settings {
        let changed = if name == "work_mem" { "7MB" } else { "UTC" };
        client.rows(&format!("SET {name} TO '{changed}'")).await;
        assert_eq!(client.value(&format!("SHOW {name}")).await, changed);
        let answered = client.query("DISCARD ALL").await;
        if let Some(told) = parameters(&answered).get(name) {
            assert_eq!(told, value);
        }
        assert_eq!(client.value(&format!("SHOW {name}")).await, value);
        other.rows("SELECT 1").await;
        assert_eq!(client.value(&format!("SHOW {name}")).await, value);
    }
}

#[tokio::test]
async fn a_setting_that_the_server_refuses_later_is_an_error_and_harms_nobody() {
    let scene = Scene::with_pool_of(1).await;
    let role = format!("of_{}", scene.database.name);
    let direct = scene.direct().await;
    direct.batch_execute(&format!("CREATE ROLE {role}")).await.unwrap();
    let options = format!("-c role={role}");
    let (mut client, _) = login_with(&scene, &[("options", &options)]).await;
    assert_eq!(client.value("SELECT current_user").await, role);
    let (mut tokyo, _) = login_with(&scene, &[("TimeZone", "Asia/Tokyo")]).await;
    assert_eq!(
        tokyo.value("SELECT current_user || current_setting('TimeZone')").await,
        "postgresAsia/Tokyo"
    );
    direct.batch_execute(&format!("DROP ROLE {role}")).await.unwrap();
    // It must not run as somebody else, or with what another client has set.
    let answered = client.query("SELECT current_user").await;
    assert_eq!((frames::kinds(&answered).as_str(), error(&answered).sqlstate()), ("EZ", "22023"));
    let (mut plain, _) = login_with(&scene, &[]).await;
    assert_eq!(
        plain.value("SELECT current_user || current_setting('TimeZone')").await,
        "postgresUTC"
    );
    assert_eq!(tokyo.value("SHOW TimeZone").await, "Asia/Tokyo");
}

#[tokio::test]
async fn the_servers_own_settings_may_change_under_way() {
    let mut postgres = testkit::Postgres::start(testkit::PostgresOptions::default()).await;
    let options = testkit::ProxyOptions::upstream(postgres.url("postgres", "postgres"))
        .arguments(["--default-pool-size", "1"]);
    let proxy = testkit::Proxy::start(crate::scene::PGWEIR, options).await;
    let mut plain = ScriptedClient::login(proxy.address(), "postgres", "postgres").await;
    let mut own = ScriptedClient::connect(proxy.address()).await;
    own.startup("postgres", "postgres", &[("TimeZone", "Asia/Tokyo")]).await;
    own.login_trust().await;
    let pid = plain.value("SELECT pg_backend_pid()").await;
    postgres
        .admin()
        .await
        .batch_execute("ALTER SYSTEM SET TimeZone TO 'Europe/Zurich'")
        .await
        .unwrap();
    postgres.signal("HUP");
    crate::scene::until("the server has read it", async || {
        plain.value("SHOW TimeZone").await == "Europe/Zurich"
    })
    .await;
    for _ in 0..2 {
        assert_eq!(own.value("SHOW TimeZone").await, "Asia/Tokyo");
        assert_eq!(plain.value("SHOW TimeZone").await, "Europe/Zurich");
    }
    let mut late = ScriptedClient::connect(proxy.address()).await;
    late.startup("postgres", "postgres", &[]).await;
    late.login_trust().await;
    assert_eq!(late.value("SHOW TimeZone").await, "Europe/Zurich");
    assert_eq!(plain.value("SELECT pg_backend_pid()").await, pid, "no connection was lost over it");
}
